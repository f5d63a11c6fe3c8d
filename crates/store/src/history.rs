//! What is kept beside the world: decisions (the change log) and happenings (the hosts' events).
//!
//! Neither is needed to go on, so both are bounded: the oldest entries go.

use drover_core::{HostId, LoggedChange, ServiceId, protocol::HostEvent};

/// An entry of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChange {
    /// The commit it was part of: [`drover_core::World::revision`] afterwards.
    pub revision: u64,
    /// What, when, by whom.
    pub logged: LoggedChange,
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its place in the order of arrival, from 1.
    pub id: u64,
    /// Where it happened.
    pub host: HostId,
    /// What happened.
    pub event: HostEvent,
}

/// Which events to read; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this host.
    pub host: Option<HostId>,
    /// Of this service's units.
    pub service: Option<ServiceId>,
    /// Arrived after the event with this id.
    pub after: u64,
}

/// How many entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Changes.
    pub changes: u32,
    /// Events.
    pub events: u32,
}

impl Default for Keep {
    /// A busy cluster's months, in less than 200 MB.
    fn default() -> Self {
        Self { changes: 200_000, events: 100_000 }
    }
}
