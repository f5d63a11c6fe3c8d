//! What an upgrade does by itself: when it goes wrong, and when it went well. Without any of it the server does as
//! Rancher's did: it keeps trying, and people decide.
//!
//! Who judges is [`crate::derive::judge`]; who acts on it, the planner.

use serde::{Deserialize, Serialize};

use crate::HealthCheck;

/// Failures of new containers that are tolerated when nothing is said: one that finds its database away ends once or
/// twice before it finds it.
pub const MAX_FAILURES: u32 = 2;

/// How long an upgrade may go on without anything coming to serve when nothing is said, in milliseconds. Long enough for
/// a great image on a slow line.
pub const DEADLINE_MS: u64 = 600_000;

/// How long a new version is watched after all has moved when something is to be verified and nothing is said, in
/// milliseconds.
pub const VERIFY_FOR_MS: u64 = 60_000;

/// Answers that a version must have given before their share of errors or their times say something.
pub const AT_LEAST: u64 = 100;

/// What is decided without people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpgradePolicy {
    /// When it goes wrong.
    #[serde(skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// Failures of new containers that are tolerated: ends by themselves, starts that did not work, replacements for their
    /// health. `None` is [`MAX_FAILURES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<u32>,
    /// How long nothing may come to serve before that is a failure, in milliseconds, pauses between batches not counted.
    /// `None` is [`DEADLINE_MS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// What is looked at, while it moves and for a while after.
    #[serde(skip_serializing_if = "is_default")]
    pub verify: Verify,
    /// Who confirms it.
    #[serde(skip_serializing_if = "is_default")]
    pub finish: FinishPolicy,
    /// How it goes back, where that is not the way it came.
    #[serde(skip_serializing_if = "is_default")]
    pub back: Pace,
}

/// How many slots move at a time; what is `None` is as the upgrade has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Slots in flight at most; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Pause between batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// Start before something is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_first: Option<bool>,
}

/// What becomes of an upgrade that goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What fails is tried again, ever more slowly; nothing more is taken down meanwhile.
    #[default]
    Retry,
    /// It is cancelled where it stands, and waits for someone.
    Pause,
    /// It is rolled back.
    Rollback,
}

/// Who confirms an upgrade that went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishPolicy {
    /// Someone.
    #[default]
    Manual,
    /// The server, when all that is to be verified was.
    Auto,
}

/// What is looked at besides that containers run and serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verify {
    /// How long after all has moved, in milliseconds. `None` is [`VERIFY_FOR_MS`] if there is anything to verify, else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What balancers count of the new version's requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestBounds>,
    /// A request or a command that each new container must pass, made by the agent of its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<VerifyProbe>,
    /// One new container is stopped and started again: it must end when asked to, before it is killed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
}

/// How good the new version's requests must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestBounds {
    /// Requests that may fail, that is, get no answer.
    pub failed: u64,
    /// Thousandths of the answers that may be of class 5xx beyond the old version's share.
    pub server_errors_per_mille: u32,
    /// What the new version's p99 may be of the old one's, in hundredths; `None` is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_percent: Option<u32>,
    /// Answers below which shares and times are not judged.
    pub at_least: u64,
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self { failed: 0, server_errors_per_mille: 10, p99_percent: None, at_least: AT_LEAST }
    }
}

/// What each new container must pass, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyProbe {
    /// What is asked or run.
    #[serde(flatten)]
    pub ask: VerifyAsk,
    /// Failures that are tolerated, of all containers together.
    #[serde(default)]
    pub failures: u32,
}

/// What a container is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyAsk {
    /// A request, as a health check makes it.
    Request(Box<HealthCheck>),
    /// A command run in it, which must end with 0.
    Command(Vec<String>),
}

impl UpgradePolicy {
    /// Failures that are tolerated.
    pub fn max_failures(&self) -> u32 {
        self.max_failures.unwrap_or(MAX_FAILURES)
    }

    /// How long nothing may come to serve.
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms.unwrap_or(DEADLINE_MS)
    }

    /// Whether nothing was said.
    pub fn is_plain(&self) -> bool {
        is_default(self)
    }

    /// Whether anything is decided without people.
    pub fn decides(&self) -> bool {
        self.on_failure != OnFailure::Retry || self.finish == FinishPolicy::Auto
    }

    /// How long it is watched after all has moved.
    pub fn verify_for_ms(&self) -> u64 {
        let Verify { for_ms, requests, probe, stop } = &self.verify;
        let looks = requests.is_some() || probe.is_some() || *stop;
        for_ms.unwrap_or(if looks { VERIFY_FOR_MS } else { 0 })
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
