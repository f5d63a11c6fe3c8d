//! `upgrade_strategy`: Rancher's pace of upgrades, and what Drover's decide without people. `deploy` says the same in
//! other words, see [`super::deploy`].

use drover_core::{
    FinishPolicy, OnFailure, Pace, RequestBounds, UpgradeDefaults, UpgradePolicy, Verify,
    VerifyAsk, VerifyProbe,
};

use super::{Draft, health, process};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::{keys, quantity};

/// The server's greatest number, as it is Rancher's.
pub(super) const MOST: u32 = i32::MAX.unsigned_abs();

pub(super) fn read(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let mut upgrade = UpgradeDefaults::default();
    for (key, field) in field.known(keys::UPGRADE, to).unwrap_or_default() {
        match key {
            "start_first" => upgrade.start_first = field.boolean(to),
            "batch_size" => upgrade.batch_size = field.within(1, MOST, to),
            "interval_millis" => upgrade.interval_ms = field.within(0, MOST.into(), to),
            "on_failure" => draft.on_failure = on_failure(&field, to),
            "verify" => {
                draft.verified = Some(field.as_named("verify"));
                upgrade.policy.verify = verify(&field, to);
            }
            _ => policy(key, &field, &mut upgrade.policy, to),
        }
    }
    upgrade.policy.on_failure = draft.on_failure.unwrap_or_default();
    draft.service.upgrade = upgrade;
}

fn on_failure(field: &Field<'_>, to: &mut Report) -> Option<OnFailure> {
    let words = [
        ("retry", OnFailure::Retry),
        ("pause", OnFailure::Pause),
        ("rollback", OnFailure::Rollback),
    ];
    one_of(field, &words, to)
}

fn policy(key: &str, field: &Field<'_>, policy: &mut UpgradePolicy, to: &mut Report) {
    match key {
        "max_failures" => policy.max_failures = field.within(0, MOST, to),
        "deadline" => policy.deadline_ms = field.span_ms(1, to),
        "finish" => {
            let words = [("manual", FinishPolicy::Manual), ("auto", FinishPolicy::Auto)];
            policy.finish = one_of(field, &words, to).unwrap_or_default();
        }
        _ => policy.back = back(field, to),
    }
}

fn back(field: &Field<'_>, to: &mut Report) -> Pace {
    let mut back = Pace::default();
    for (key, field) in field.known(keys::UPGRADE_BACK, to).unwrap_or_default() {
        match key {
            "start_first" => back.start_first = field.boolean(to),
            "batch_size" => back.batch_size = field.within(1, MOST, to),
            _ => back.interval_ms = field.within(0, MOST.into(), to),
        }
    }
    back
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(
    field: &Field<'_>,
    words: &[(&str, T)],
    to: &mut Report,
) -> Option<T> {
    let said = field.scalar().map_or("", |scalar| scalar.text.as_str());
    let found = words.iter().find(|(word, _)| *word == said).map(|(_, meant)| *meant);
    found.or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        field.expected(&all.join(" or "), to)
    })
}

fn verify(field: &Field<'_>, to: &mut Report) -> Verify {
    let mut verify = Verify::default();
    let (mut ask, mut failures) = (None, 0);
    for (key, field) in field.known(keys::VERIFY, to).unwrap_or_default() {
        match key {
            "for" => verify.for_ms = field.span_ms(0, to),
            "requests" => verify.requests = Some(requests(&field, to)),
            "stop" => verify.stop = field.boolean(to).unwrap_or_default(),
            "failures" => failures = field.within(0, MOST, to).unwrap_or_default(),
            _ if ask.is_some() => {
                field.error(to, "a verification has either a `request` or a `command`, not both");
            }
            "request" => {
                ask = health::probed(&field, to).map(|check| VerifyAsk::Request(Box::new(check)));
            }
            _ => ask = process::words(&field, to).map(VerifyAsk::Command),
        }
    }
    verify.probe = ask.map(|ask| VerifyProbe { ask, failures });
    verify
}

fn requests(field: &Field<'_>, to: &mut Report) -> RequestBounds {
    let mut bounds = RequestBounds::default();
    for (key, field) in field.known(keys::VERIFY_REQUESTS, to).unwrap_or_default() {
        match key {
            "failed" => bounds.failed = field.within(0, MOST.into(), to).unwrap_or_default(),
            "at_least" => bounds.at_least = field.within(1, MOST, to).map_or(1, u64::from),
            "server_errors" => {
                bounds.server_errors_per_mille = share(&field, to).unwrap_or_default();
            }
            _ => bounds.p99_percent = factor(&field, to),
        }
    }
    bounds
}

/// `1%` or `0.5 %`, in thousandths.
fn share(field: &Field<'_>, to: &mut Report) -> Option<u32> {
    let text = field.scalar()?.text.trim();
    let percent = text.strip_suffix('%').and_then(quantity::thousandths);
    let per_mille = percent.and_then(|percent| u32::try_from(percent / 100).ok());
    per_mille.or_else(|| field.expected("a share like 1% or 0.5%", to))
}

/// `1.5`, in hundredths.
fn factor(field: &Field<'_>, to: &mut Report) -> Option<u32> {
    let thousandths = quantity::thousandths(&field.scalar()?.text).filter(|factor| *factor >= 1000);
    let percent = thousandths.and_then(|factor| u32::try_from(factor / 10).ok());
    percent.or_else(|| field.expected("a factor from 1 on, like 1.5", to))
}
