//! An upgrade: a row, not a thread. Progress is read from the units. One life for both courses it can take: within a
//! service, from revision to revision, or from one service to another.

mod policy;

use serde::{Deserialize, Serialize};

pub use policy::{
    AT_LEAST, DEADLINE_MS, FinishPolicy, MAX_FAILURES, OnFailure, Pace, RequestBounds,
    UpgradePolicy, VERIFY_FOR_MS, Verify, VerifyAsk, VerifyProbe,
};

use crate::{Ledger, RevisionNo, ServiceId, Time};

/// Moving what a service runs to something newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The service.
    pub service: ServiceId,
    /// From what to what.
    #[serde(flatten)]
    pub course: Course,
    /// Slots in flight at most; at least 1.
    pub batch_size: u32,
    /// Pause between batches.
    pub interval_ms: u64,
    /// Where it is.
    pub phase: UpgradePhase,
    /// Number of the counting of requests that is for it: the revision of the commit that began it.
    #[serde(default)]
    pub ledger: u64,
    /// When it was asked for.
    pub started_at: Time,
    /// Who asked.
    pub by: String,
    /// What is decided of it without people.
    #[serde(default, skip_serializing_if = "UpgradePolicy::is_plain")]
    pub policy: UpgradePolicy,
    /// Since when it is in its phase; 0 in rows from before this was kept.
    #[serde(default)]
    pub phase_at: Time,
    /// Why its policy moved it to its phase; none if people did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What was seen when its policy found it good; from then on nothing of it is judged any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// Failures of new containers from before it began, or before someone said *continue*: they don't count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven: u32,
    /// Failed verifications from before someone said *continue*.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven_probes: u32,
    /// The upgrade of several services that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
}

/// A part of an upgrade of several services: it moves when those it comes after have, is rolled back with them and
/// confirmed with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// Which one: the revision of the commit that began all of it. Filled in when it is applied.
    #[serde(default)]
    pub number: u64,
    /// Services of it that have to be upgraded before this one begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ServiceId>,
}

/// What an upgrade moves from and to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)] // told apart by their members: rows were written before there was a second one
pub enum Course {
    /// The slots of the service, from one revision to another.
    InService {
        /// The revision it leaves; its units are kept stopped until the upgrade is finished.
        from: RevisionNo,
        /// The revision it goes to.
        to: RevisionNo,
        /// Start the new unit and wait until it serves before the old one is stopped.
        start_first: bool,
    },
    /// All of the service's units to another service.
    ToService(Shift),
}

/// An upgrade from one service to another: the source shrinks as the target grows. The source's units are kept stopped
/// until the upgrade is finished.
///
/// The services' own scales say where it leads: the source's is what a rollback returns to, and the target's, which
/// becomes `final_scale` when it begins, what it ends with. Users may edit both meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// The target.
    pub to_service: ServiceId,
    /// Its scale in the end, as it was asked for.
    pub final_scale: u32,
    /// Its scale before, which a rollback returns to; filled in when the upgrade begins.
    #[serde(default)]
    pub to_scale: u32,
    /// Whatever names the source by a link or a balancer's rule reaches the target too, and from *finish* on instead.
    pub update_links: bool,
}

/// A service's part in a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It loses its units.
    Source,
    /// It gets them.
    Target,
}

impl Upgrade {
    /// One that begins, at Rancher's pace: one at a time, two seconds between.
    pub fn begin(service: ServiceId, course: Course, at: Time, by: &str) -> Self {
        Self {
            service,
            course,
            batch_size: 1,
            interval_ms: 2_000,
            phase: UpgradePhase::Upgrading,
            ledger: 0, // counted from when it is applied
            started_at: at,
            by: by.to_owned(),
            policy: UpgradePolicy::default(),
            phase_at: at,
            verdict: None,
            approved: None,
            forgiven: 0, // counted when it is applied
            forgiven_probes: 0,
            together: None,
        }
    }

    /// The service whose containers come, and their revision if that is not simply the service's own.
    pub fn leads_to(&self) -> (ServiceId, Option<RevisionNo>) {
        match &self.course {
            Course::InService { to, .. } => (self.service, Some(*to)),
            Course::ToService(shift) => (shift.to_service, None),
        }
    }

    /// The shift, if it leads to another service.
    pub fn shift(&self) -> Option<&Shift> {
        match &self.course {
            Course::ToService(shift) => Some(shift),
            Course::InService { .. } => None,
        }
    }
}

/// How a service's last upgrade went, kept until the next one ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The upgrade, in its last phase.
    pub upgrade: Upgrade,
    /// Requests for the service while it lasted.
    pub requests: Ledger,
    /// Those for the service it led to, if that was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_requests: Option<Ledger>,
}

/// Where an upgrade is. Commands and the planner move it; see [`crate::plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradePhase {
    /// Slots move, a batch at a time.
    Upgrading,
    /// All moved; old units are kept stopped until *finish* or *rollback*.
    Upgraded,
    /// Old units are being removed; then the upgrade is over.
    Finishing,
    /// Asked to stop; nothing new is started.
    Canceling,
    /// Stopped half-way; *continue* or *rollback* leads on.
    Canceled,
    /// Slots move back, a batch at a time; then new units are removed and it is over.
    RollingBack,
}

#[expect(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn is_zero(count: &u32) -> bool {
    *count == 0
}
