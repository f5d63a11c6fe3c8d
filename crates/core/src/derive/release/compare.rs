//! What balancers counted of the new version, beside what they counted of the old one.

use crate::derive::upgrade_requests;
use crate::{Counts, Course, RequestBounds, Upgrade, World};

/// Times below this are not told apart when a version's are compared with another's, in milliseconds: a host that starts
/// containers has hiccups of that size.
const SLOW_FROM_MS: u64 = 100;

/// What balancers counted of both versions: the new one's and the old one's.
pub(super) fn counted(world: &World, upgrade: &Upgrade) -> (Counts, Counts) {
    match &upgrade.course {
        Course::InService { from, to, .. } => {
            let ledger = upgrade_requests(world, upgrade.service);
            let of = |revision| ledger.revisions.get(revision).cloned().unwrap_or_default();
            (of(to), of(from))
        }
        Course::ToService(shift) => {
            let of = |service| upgrade_requests(world, service).total();
            (of(shift.to_service), of(upgrade.service))
        }
    }
}

pub(super) fn bad_requests(world: &World, upgrade: &Upgrade) -> Option<String> {
    let bounds = upgrade.policy.verify.requests?;
    let (new, old) = counted(world, upgrade);
    compare(bounds, &new, &old)
}

/// What is wrong with one version's requests, compared with another's.
fn compare(bounds: RequestBounds, new: &Counts, old: &Counts) -> Option<String> {
    let failed = new.failures();
    if failed > bounds.failed {
        let tolerated = bounds.failed;
        return Some(format!(
            "{failed} requests to the new version got no answer, {tolerated} may (verify.requests.failed)"
        ));
    }
    if new.answered < bounds.at_least {
        return None;
    }
    let share = |counts: &Counts| {
        (counts.server_errors * 1000).checked_div(counts.answered).unwrap_or_default()
    };
    let (ours, theirs) = (share(new), share(old));
    if ours > theirs + u64::from(bounds.server_errors_per_mille) {
        return Some(format!(
            "{} of {} answers of the new version were errors (5xx), {} % against {} % of the old one's \
             (verify.requests.server_errors)",
            new.server_errors,
            new.answered,
            percent(ours),
            percent(theirs)
        ));
    }
    let factor = u64::from(bounds.p99_percent?);
    let (ours, theirs) = (new.quantile_ms(990)?, old.quantile_ms(990)?);
    let slow = ours * 100 > theirs.max(SLOW_FROM_MS) * factor;
    (slow && old.answered >= bounds.at_least).then(|| {
        format!(
            "the new version is slow: 99 of 100 of its answers begin within {ours} ms; of the old version's, within \
             {theirs} ms (verify.requests.p99_factor)"
        )
    })
}

/// `1.5` for 15 thousandths.
fn percent(per_mille: u64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(answered: u64, errors: u64, failed: u64, ms: u64) -> Counts {
        let mut counts = Counts::default();
        (0..answered).for_each(|_| counts.answer(ms));
        counts.server_errors = errors;
        if failed > 0 {
            counts.failed.insert(crate::Failure::Broken, failed);
        }
        counts
    }

    #[test]
    fn requests_of_two_versions_compared() {
        let bounds = RequestBounds { p99_percent: Some(150), ..RequestBounds::default() };
        for (what, new, old, bad) in [
            ("nothing yet", counts(0, 0, 0, 0), counts(0, 0, 0, 0), ""),
            ("as before", counts(500, 0, 0, 6), counts(500, 0, 0, 6), ""),
            ("one without an answer", counts(5, 0, 1, 6), counts(0, 0, 0, 0), "got no answer"),
            ("too few to say", counts(99, 99, 0, 6), counts(99, 0, 0, 6), ""),
            ("errors", counts(200, 6, 0, 6), counts(200, 0, 0, 6), "3.0 % against 0.0 %"),
            ("as many as ever", counts(200, 6, 0, 6), counts(200, 5, 0, 6), ""),
            ("slow", counts(200, 0, 0, 700), counts(200, 0, 0, 6), "within 768 ms"),
            ("slow, but so was the old one", counts(200, 0, 0, 700), counts(200, 0, 0, 600), ""),
            ("a hiccup", counts(200, 0, 0, 120), counts(200, 0, 0, 6), ""),
            ("nothing to compare with", counts(200, 0, 0, 700), counts(9, 0, 0, 6), ""),
        ] {
            let said = compare(bounds, &new, &old).unwrap_or_default();
            assert!(
                if bad.is_empty() { said.is_empty() } else { said.contains(bad) },
                "{what}: {said}"
            );
        }
    }
}
