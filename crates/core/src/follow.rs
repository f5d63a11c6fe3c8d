//! What data-plane processes say of the routing they follow, and what they counted: the other half of a drain.
//!
//! A unit is withdrawn at the revision of the commit that set it draining. Every balancer of its project and the
//! name service of every host follow a configuration that carries the newest such revision it knows; a process that
//! acknowledges a revision at least as great sends nothing new to the unit. Nobody's sleep guesses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{RevisionNo, ServiceId, UnitKey};

/// What one data-plane process has acknowledged. Of two, the one with the greater `routing` is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Followed {
    /// Newest withdrawal that all its routing knows of; see [`crate::World::withdrawn`].
    pub routing: u64,
    /// Requests still in flight to units that are out of its rotation; only those with any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_flight: BTreeMap<UnitKey, u64>,
    /// What it counted, by the service that was asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ledgers: BTreeMap<ServiceId, Ledger>,
    /// Why it does not follow the newest configuration; empty if it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// Requests counted for one service since its counting began anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Which counting: [`crate::Upgrade::ledger`] of the upgrade it is for; 0 outside of any.
    pub number: u64,
    /// By the revision that answered; 0 for requests that no unit was found for.
    pub revisions: BTreeMap<RevisionNo, Counts>,
}

/// Requests counted. Durations in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Answered by the unit, whatever it answered; for TCP, connections that were joined.
    pub answered: u64,
    /// Of these, answers of class 5xx.
    #[serde(skip_serializing_if = "is_zero")]
    pub server_errors: u64,
    /// Not answered, by cause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<Failure, u64>,
    /// Sent to another unit after the first could not be reached; counted once more where it ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub retried: u64,
    /// Held until a unit was there.
    #[serde(skip_serializing_if = "is_zero")]
    pub held: u64,
    /// The longest such wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub longest_held_ms: u64,
    /// In flight now.
    #[serde(skip_serializing_if = "is_zero")]
    pub in_flight: u64,
    /// The longest time until an answer began.
    pub longest_ms: u64,
    /// Times until an answer began: how many took at most the key, see [`Counts::bucket_ms`].
    pub within_ms: BTreeMap<u64, u64>,
}

/// Why a request got no answer of a unit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No unit could take it, and it was not to be held.
    NoTarget,
    /// It was held for as long as it may be, or too many were.
    HeldTooLong,
    /// No unit could be connected to.
    Unreachable,
    /// The unit broke the connection before it answered.
    Broken,
    /// The unit broke the connection within its answer.
    CutOff,
    /// The unit did not answer in time.
    TimedOut,
}

impl Counts {
    /// The bucket a time falls into: powers of two and halfway between them, so that a quantile read from
    /// buckets is at most half too great. Milliseconds.
    pub fn bucket_ms(ms: u64) -> u64 {
        if ms <= 2 {
            return ms.max(1);
        }
        let power = (ms - 1).checked_ilog2().map_or(1, |exponent| 1_u64 << exponent);
        let half = power + power / 2;
        if ms <= half { half } else { power * 2 }
    }

    /// Count one answer that began after `ms`.
    pub fn answer(&mut self, ms: u64) {
        self.answered += 1;
        self.longest_ms = self.longest_ms.max(ms);
        *self.within_ms.entry(Self::bucket_ms(ms)).or_default() += 1;
    }

    /// Requests that got no answer.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The time within which this share of answers began, to the bucket; `None` without answers.
    pub fn quantile_ms(&self, per_mille: u64) -> Option<u64> {
        let all: u64 = self.within_ms.values().sum();
        let rank = (all * per_mille).div_ceil(1000).max(1);
        let mut sum = 0;
        let found = self.within_ms.iter().find(|(_, count)| {
            sum += **count;
            sum >= rank
        });
        found.map(|(ms, _)| *ms)
    }

    /// Add what another process counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            answered,
            server_errors,
            failed,
            retried,
            held,
            longest_held_ms,
            in_flight,
            longest_ms,
            within_ms,
        } = other;
        self.answered += answered;
        self.server_errors += server_errors;
        self.retried += retried;
        self.held += held;
        self.in_flight += in_flight;
        self.longest_held_ms = self.longest_held_ms.max(*longest_held_ms);
        self.longest_ms = self.longest_ms.max(*longest_ms);
        for (cause, count) in failed {
            *self.failed.entry(*cause).or_default() += count;
        }
        for (bucket, count) in within_ms {
            *self.within_ms.entry(*bucket).or_default() += count;
        }
    }
}

impl Ledger {
    /// All revisions together.
    pub fn total(&self) -> Counts {
        self.revisions.values().fold(Counts::default(), |mut sum, counts| {
            sum.add(counts);
            sum
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref)] // serde hands a reference
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_time_and_is_at_most_half_too_great() {
        for (ms, bucket) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 6),
            (6, 6),
            (7, 8),
            (8, 8),
            (9, 12),
            (13, 16),
        ] {
            assert_eq!(Counts::bucket_ms(ms), bucket, "{ms}");
        }
        for ms in 3..10_000 {
            let bucket = Counts::bucket_ms(ms);
            assert!(bucket >= ms && bucket * 2 <= ms * 3 + 2, "{ms}: {bucket}");
        }
    }

    #[test]
    fn quantiles_are_read_from_buckets_over_all_processes() {
        let mut one = Counts::default();
        (0..98).for_each(|_| one.answer(4));
        let mut other = Counts::default();
        other.answer(30);
        other.answer(700);
        one.add(&other);
        assert_eq!((one.answered, one.longest_ms), (100, 700));
        assert_eq!(
            [500, 990, 999].map(|share| one.quantile_ms(share)),
            [Some(4), Some(32), Some(768)]
        );
        assert_eq!(Counts::default().quantile_ms(990), None);
    }
}
