//! Units: what fills a slot. The planner's wish and the agents' observation, side by side, never mixed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HostId, Time, UnitKey};

/// A unit as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its key.
    pub key: UnitKey,
    /// Where it lives; never changes (a moved unit is a new incarnation).
    pub host: HostId,
    /// What it shall be.
    pub desired: Desired,
    /// Raised with every change of `desired`; an observation counts only under the current one.
    pub generation: u64,
    /// While draining: when it is stopped even if requests are still in flight. Comes nearer once when balancers have let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_until: Option<Time>,
    /// The rolling restart it has been through, see [`crate::Restart`].
    #[serde(default)]
    pub run: u64,
    /// How many before it in a row were replaced because they were not healthy: the more, the longer it is waited before
    /// it is itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replacements: u32,
    /// Number of its primary container; the sidekicks follow in order. Container numbers order by age.
    pub serial: u64,
    /// When it was planned.
    pub created_at: Time,
}

/// What a unit shall be. Only [`Desired::Removed`] is one-way: an upgrade keeps old units stopped, and a
/// rollback starts them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Up, and restarted when it fails.
    Running,
    /// Up, but no new requests.
    Draining,
    /// Down, containers kept.
    Stopped,
    /// Down, but everything made: images pulled, containers there. What stands is stopped for a new unit only once
    /// that is known to be possible.
    Staged,
    /// Containers removed.
    Removed,
}

/// What an agent saw of a unit. Of two, the one with the greater clock `(generation, tick)` is right, so
/// late, repeated and reordered reports are harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The unit's generation that the agent followed.
    pub generation: u64,
    /// The agent's own counter; only ever rises, over restarts too.
    pub tick: u64,
    /// Where the unit is.
    pub phase: Phase,
    /// Can take requests: running, healthy where health is known, its ready ports accept.
    #[serde(default)]
    pub ready: bool,
    /// Starts that failed or ended by themselves, since the last stable run.
    #[serde(default)]
    pub attempt: u32,
    /// The same under this generation, stable runs or not.
    #[serde(default, skip_serializing_if = "Failed::is_none")]
    pub failed: Failed,
    /// How it does at what its upgrade asks of it, see [`crate::VerifyProbe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Tally>,
    /// Why it is not where it should be, in words; empty when it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Its containers by member; the primary under the empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, ObservedContainer>,
    /// When phase, readiness or health last changed, by the server's clock; set on arrival.
    #[serde(default)]
    pub since: Time,
}

/// Failures of a unit under one generation, of the member that failed most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failed {
    /// Starts that failed or ended by themselves.
    pub times: u32,
    /// It was killed for want of memory once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// How it failed last, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub how: String,
}

impl Failed {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Passes and failures of what a unit was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Times it passed.
    pub passed: u32,
    /// Times it didn't.
    pub failed: u32,
    /// How it failed last, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Where a unit is, on its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Known, nothing done yet.
    #[default]
    Pending,
    /// Fetching an image.
    Pulling,
    /// Containers are being made or started.
    Starting,
    /// All members run.
    Running,
    /// It failed; waiting before the next attempt.
    BackOff,
    /// A start-once unit ended; see the exit code.
    Completed,
    /// Being stopped or removed.
    Stopping,
    /// No member runs; containers are kept.
    Stopped,
    /// No container of it exists.
    Gone,
}

/// One container, as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObservedContainer {
    /// Docker's id.
    pub docker_id: String,
    /// Process runs.
    pub running: bool,
    /// Exit code of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Killed for want of memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// Times it was started.
    pub starts: u32,
    /// What is found of it, by Docker or by its service's check.
    pub health: Health,
    /// It is ill by its service's check alone, probed over the network: others can judge of that, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub probed: bool,
    /// Its address, if it has one of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Digest of its image in its registry, `sha256:…`; empty for an image that came from none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Id of its image on this host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image_id: String,
}

/// Health of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing checks it.
    #[default]
    None,
    /// Too early to say.
    Starting,
    /// Passing.
    Healthy,
    /// Failing.
    Unhealthy,
}

impl Observed {
    /// Whether a container's health check fails.
    pub fn is_unhealthy(&self) -> bool {
        self.containers.values().any(|held| held.health == Health::Unhealthy)
    }

    /// The clock that orders observations.
    pub fn clock(&self) -> (u64, u64) {
        (self.generation, self.tick)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u32) -> bool {
    *number == 0
}
