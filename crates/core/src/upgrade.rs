//! An upgrade in service: a row, not a thread. Progress is read from the units.

use serde::{Deserialize, Serialize};

use crate::{Ledger, RevisionNo, ServiceId, Time};

/// Moving the slots of one service from one revision to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The service.
    pub service: ServiceId,
    /// The revision it leaves; its units are kept stopped until the upgrade is finished.
    pub from: RevisionNo,
    /// The revision it goes to.
    pub to: RevisionNo,
    /// Slots in flight at most; at least 1.
    pub batch_size: u32,
    /// Pause between batches.
    pub interval_ms: u64,
    /// Start the new unit and wait until it serves before the old one is stopped.
    pub start_first: bool,
    /// Where it is.
    pub phase: UpgradePhase,
    /// Number of the counting of requests that is for it: the revision of the commit that began it.
    #[serde(default)]
    pub ledger: u64,
    /// When it was asked for.
    pub started_at: Time,
    /// Who asked.
    pub by: String,
}

/// How a service's last upgrade went, kept until the next one ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The upgrade, in its last phase.
    pub upgrade: Upgrade,
    /// Requests while it lasted.
    pub requests: Ledger,
}

/// Where an upgrade is. Commands and the planner move it; see [`crate::plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradePhase {
    /// Slots move to `to`, a batch at a time.
    Upgrading,
    /// All moved; old units are kept stopped until *finish* or *rollback*.
    Upgraded,
    /// Old units are being removed; then the upgrade is over.
    Finishing,
    /// Asked to stop; nothing new is started.
    Canceling,
    /// Stopped half-way; *continue* or *rollback* leads on.
    Canceled,
    /// Slots move back to `from`, a batch at a time; then new units are removed and it is over.
    RollingBack,
}
