//! What a service waits for before it starts the first time, and before it moves in an upgrade of several: Compose's
//! `depends_on`.
//!
//! Once it runs it is healed and moved whatever has become of those it needed: they are conditions of a start, not of a life.
//! What is still missing is [`derive::unmet`](crate::derive::unmet).

use serde::{Deserialize, Serialize};

use crate::ServiceId;

/// Another service, and what must be so of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependsOn {
    /// The other one.
    pub service: ServiceId,
    /// What must be so.
    pub condition: Condition,
}

/// In Compose's words.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is there: made and started first, and not waited for.
    #[default]
    ServiceStarted,
    /// All its containers are healthy; those without a health check, ready for requests.
    ServiceHealthy,
    /// It is one that runs once, and has ended with exit code 0.
    ServiceCompletedSuccessfully,
}

impl Condition {
    /// As Compose files have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceStarted => "service_started",
            Self::ServiceHealthy => "service_healthy",
            Self::ServiceCompletedSuccessfully => "service_completed_successfully",
        }
    }

    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::ServiceStarted, Self::ServiceHealthy, Self::ServiceCompletedSuccessfully];

    /// The one that a word means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.word() == word)
    }
}
