//! What to do next: a pure function from a snapshot to changes.
//!
//! It never sleeps and never asks anyone: what it waits for is read from the snapshot, and when time alone will
//! change its mind it says so in `wake_at`. Two planners on two snapshots are harmless, because the changes are
//! committed only if the snapshot they were made from is still the newest.

use std::collections::BTreeSet;

use crate::{Change, Scope, ServiceId, Time, UnitKey, World};

/// What to do next, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// To be committed together.
    pub changes: Vec<Change>,
    /// What it waits for, or why it can't go on.
    pub notes: Vec<Note>,
    /// Look again at this moment even if nothing else happens.
    pub wake_at: Option<Time>,
    /// Services that lack something another change may free (a host, a port): plan them again with every
    /// commit.
    pub waiting: BTreeSet<ServiceId>,
}

/// Something people should know about a service: progress, or an unmet need, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The service.
    pub service: ServiceId,
    /// The unit, if it is about one.
    pub unit: Option<UnitKey>,
    /// Someone has to act, or it will stay so.
    pub stuck: bool,
    /// The words.
    pub text: String,
}

/// Decide what to do next for the services in `scope`.
pub fn plan(world: &World, scope: &Scope, now: Time) -> Plan {
    let _ = (world, scope, now);
    Plan::default()
}

mod admit;

pub use admit::{Refusal, admit_upgrade};
