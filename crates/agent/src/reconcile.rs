//! The heart of the agent: what to do next so that the host becomes what it shall be, and what to say of it.
//!
//! Pure. [`reconcile_host`] compares the assignment with what Docker shows and what is remembered of earlier
//! attempts; it is handed the moment and sleeps never. Called again whenever any of these changes, it goes on
//! from whatever it finds, so nothing depends on a step having been seen through.

mod attempt;
mod health;
mod members;
mod observe;
mod steps;
mod unit;
mod words;

use std::collections::BTreeMap;

use drover_core::{HealthCheck, HostAssignment, Observed, Time, UnitKey, VerifyAsk};

pub use attempt::{Attempt, Attempts};
pub(crate) use members::named;
pub(crate) use unit::is_leased;
pub use words::failure_event;

use crate::op::UnitOps;
use crate::view::DockerView;

/// What follows from a look at the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// What to begin now; none for units that are busy.
    pub ops: Vec<UnitOps>,
    /// What is seen of every assigned unit. `tick` and `since` are 0: the caller counts observations that differ.
    pub observed: BTreeMap<UnitKey, Observed>,
    /// What to remember from now on, for units where it changed; hand it to [`Attempts::take`].
    pub remember: BTreeMap<UnitKey, BTreeMap<String, Attempt>>,
    /// What happened, in words.
    pub events: Vec<(UnitKey, String)>,
    /// What to ask units; the answers decide whether they are ready and healthy.
    pub probes: Vec<Probe>,
    /// What upgrades ask of units that serve.
    pub verifications: Vec<Verification>,
    /// Look again then, even if nothing happens before.
    pub wake_at: Option<Time>,
}

/// Something to be asked of a running member of a unit, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The unit.
    pub unit: UnitKey,
    /// The member; empty for the primary.
    pub member: String,
    /// The run it is asked in: an answer counts for this one only.
    pub run: Run,
    /// Where to connect.
    pub address: String,
    /// What.
    pub question: Question,
    /// It was healthy in this run when it was last asked: that holds until the answers say otherwise.
    pub was_well: bool,
}

/// What an upgrade asks of a unit's primary that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The unit.
    pub unit: UnitKey,
    /// The run it is asked in.
    pub run: Run,
    /// Where to connect; empty if it has no address.
    pub address: String,
    /// What.
    pub ask: VerifyAsk,
}

/// One run of a container: its id and when it began.
pub type Run = (String, Time);

/// What a unit is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether these TCP ports all accept connections: before that it doesn't count as ready.
    Ports(Vec<u16>),
    /// How it does on its service's health check.
    Health(HealthCheck),
}

/// Compare and decide.
pub fn reconcile_host(
    assignment: &HostAssignment,
    view: &DockerView,
    attempts: &Attempts,
    now: Time,
) -> Reconciled {
    let mut result = Reconciled::default();
    for &key in assignment.units.keys() {
        unit::reconcile(assignment, view, attempts, now, key, &mut result);
    }
    // A unit that is ours but not assigned was replaced elsewhere. Without an assignment nothing is known of
    // what is wanted, so nothing is touched.
    if assignment.host != 0 && assignment.generation > 0 {
        for &key in view.containers.keys() {
            if !assignment.units.contains_key(&key) {
                unit::remove_unknown(view, attempts, now, key, &mut result);
            }
        }
    }
    for &key in attempts.units() {
        if !assignment.units.contains_key(&key) && !view.containers.contains_key(&key) {
            result.remember.insert(key, BTreeMap::new());
        }
    }
    result
}

impl Reconciled {
    fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |sooner| sooner.min(at)));
    }
}
