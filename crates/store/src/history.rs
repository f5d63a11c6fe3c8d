//! What is kept beside the world: decisions (the change log), happenings (the hosts' events) and who asked for what (the
//! audit log).
//!
//! None is needed to go on, so all are bounded: the oldest entries go.

use drover_core::{
    AccountId, Audit, HostId, LoggedChange, ProjectId, ServiceId, protocol::HostEvent,
};

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

/// An entry of the audit log as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAudit {
    /// Its place in the order of arrival, from 1.
    pub id: u64,
    /// What was done.
    pub audit: Audit,
}

/// Which entries of the audit log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditFilter {
    /// All.
    All,
    /// What is about one of these projects, or was done by this account.
    Of {
        /// The projects.
        projects: Vec<ProjectId>,
        /// The account.
        account: Option<AccountId>,
    },
}

impl AuditFilter {
    /// Whether an entry passes.
    pub(crate) fn passes(&self, audit: &Audit) -> bool {
        match self {
            Self::All => true,
            Self::Of { projects, account } => {
                let about = audit.project.is_some_and(|project| projects.contains(&project));
                about || (audit.account.is_some() && audit.account == *account)
            }
        }
    }
}

/// How many entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Changes.
    pub changes: u32,
    /// Events.
    pub events: u32,
    /// Entries of the audit log.
    pub audits: u32,
}

impl Default for Keep {
    /// A busy cluster's months, in less than 200 MB.
    fn default() -> Self {
        Self { changes: 200_000, events: 100_000, audits: 100_000 }
    }
}
