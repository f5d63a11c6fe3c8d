//! What balancers counted of an upgrade, as the API shows it: of one in progress within `upgrade`, of the last one that
//! ended as `lastUpgrade`. Rancher has neither.

use std::collections::BTreeSet;

use drover_core::derive::is_up;
use drover_core::{Counts, Course, Failure, Ledger, Service, Slot, Upgrade, UpgradePhase, World};
use serde_json::{Map, Value, json};

use crate::ids::Kind;

/// How the last upgrade that ended went; null before the first.
pub(crate) fn last(world: &World, service: &Service) -> Value {
    let Some(outcome) = world.outcomes.get(&service.id) else { return Value::Null };
    let upgrade = &outcome.upgrade;
    let mut shown = json!({
        "type": "upgradeOutcome",
        "phase": phase(upgrade.phase),
        "startedTS": upgrade.started_at.0,
        "decidedTS": upgrade.phase_at.0,
        // The name it had first, which says more than is known: what was decided took a while from then on.
        "endedTS": upgrade.phase_at.0,
        "verdict": upgrade.verdict,
        "by": upgrade.by,
        "requests": ledger(&outcome.requests),
    });
    match &upgrade.course {
        Course::InService { from, to, .. } => {
            shown["fromRevision"] = json!(from.0);
            shown["toRevision"] = json!(to.0);
        }
        Course::ToService(shift) => {
            shown["toServiceId"] = json!(Kind::Service.id(shift.to_service.0));
            shown["toServiceRequests"] =
                ledger(&outcome.target_requests.clone().unwrap_or_default());
        }
    }
    shown
}

/// A phase in the words of states.
pub(super) fn phase(phase: UpgradePhase) -> &'static str {
    match phase {
        UpgradePhase::Upgrading => "upgrading",
        UpgradePhase::Upgraded => "upgraded",
        UpgradePhase::Finishing => "finishing-upgrade",
        UpgradePhase::Canceling => "canceling-upgrade",
        UpgradePhase::Canceled => "canceled-upgrade",
        UpgradePhase::RollingBack => "rolling-back",
    }
}

/// Slots that are where they shall go, and up.
pub(super) fn moved(world: &World, upgrade: &Upgrade) -> usize {
    let back = upgrade.phase == UpgradePhase::RollingBack;
    let (service, revision) = match &upgrade.course {
        Course::InService { from, to, .. } => {
            (upgrade.service, Some(if back { *from } else { *to }))
        }
        Course::ToService(shift) => (if back { upgrade.service } else { shift.to_service }, None),
    };
    let units = world.units_of(service);
    let there = units.filter(|unit| {
        revision.is_none_or(|revision| unit.key.revision == revision) && is_up(world, unit)
    });
    there.map(|unit| unit.key.slot).collect::<BTreeSet<Slot>>().len()
}

/// Requests: all together, and by the revision that answered.
pub(super) fn ledger(ledger: &Ledger) -> Value {
    let revisions = ledger.revisions.iter().map(|(revision, counted)| {
        let mut row = counts(counted);
        row["revision"] = json!(revision.0);
        row
    });
    let revisions: Vec<Value> = revisions.collect();
    let mut whole = counts(&ledger.total());
    whole["type"] = json!("upgradeRequests");
    whole["revisions"] = json!(revisions);
    whole
}

fn counts(counts: &Counts) -> Value {
    let failed = counts.failed.iter().map(|(cause, count)| (name(*cause).to_owned(), json!(count)));
    json!({
        "answered": counts.answered,
        "serverErrors": counts.server_errors,
        "failed": counts.failures(),
        "failedBy": failed.collect::<Map<_, _>>(),
        "retried": counts.retried,
        "held": counts.held,
        "longestHeldMillis": counts.longest_held_ms,
        "inFlight": counts.in_flight,
        "p50Millis": counts.quantile_ms(500),
        "p99Millis": counts.quantile_ms(990),
        "longestMillis": counts.longest_ms,
    })
}

fn name(cause: Failure) -> &'static str {
    match cause {
        Failure::NoTarget => "noTarget",
        Failure::HeldTooLong => "heldTooLong",
        Failure::Unreachable => "unreachable",
        Failure::Broken => "broken",
        Failure::CutOff => "cutOff",
        Failure::TimedOut => "timedOut",
    }
}

#[cfg(test)]
mod tests {
    use drover_core::RevisionNo;

    use super::*;

    #[test]
    fn requests_by_revision_and_together() {
        let mut old = Counts::default();
        old.answer(4);
        old.answer(4);
        let mut new = Counts { held: 1, longest_held_ms: 38, ..Counts::default() };
        new.answer(30);
        new.failed.insert(Failure::CutOff, 2);
        let revisions = [(RevisionNo(1), old), (RevisionNo(2), new)].into();
        let shown = ledger(&Ledger { number: 7, revisions });
        assert_eq!((&shown["answered"], &shown["failed"]), (&json!(3), &json!(2)));
        assert_eq!((&shown["held"], &shown["longestHeldMillis"]), (&json!(1), &json!(38)));
        assert_eq!(shown["failedBy"], json!({ "cutOff": 2 }));
        assert_eq!(shown["revisions"][0]["p99Millis"], 4);
        assert_eq!(shown["revisions"][1]["revision"], 2);
        assert_eq!(ledger(&Ledger::default())["p50Millis"], Value::Null);
    }
}
