//! `policy` of an upgrade's strategy: what is decided without people. Rancher has none; its strategies lack the member,
//! which then means what its own upgrades did.

use drover_core::derive::{self, Judgement};
use drover_core::{
    FinishPolicy, OnFailure, Pace, RequestBounds, Upgrade, UpgradePhase, UpgradePolicy, Verify,
    VerifyAsk, VerifyProbe,
};
use serde_json::{Map, Value, json};

use crate::body::{Body, word_of};
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::launch_config::{read_check, write_check};

const ON_FAILURE: [(&str, OnFailure); 3] =
    [("retry", OnFailure::Retry), ("pause", OnFailure::Pause), ("rollback", OnFailure::Rollback)];
const FINISH: [(&str, FinishPolicy); 2] =
    [("manual", FinishPolicy::Manual), ("auto", FinishPolicy::Auto)];

/// Read it; `None` where a strategy has none.
pub(super) fn read(strategy: Body<'_>) -> Result<Option<UpgradePolicy>, ApiError> {
    let Some(from) = strategy.inner("policy")? else { return Ok(None) };
    Ok(Some(UpgradePolicy {
        on_failure: from.choice("onFailure", &ON_FAILURE)?.unwrap_or(OnFailure::Retry),
        max_failures: from.number("maxFailures")?,
        deadline_ms: from.number("deadlineMillis")?,
        verify: from.inner("verify")?.map(verify).transpose()?.unwrap_or_default(),
        finish: from.choice("finish", &FINISH)?.unwrap_or(FinishPolicy::Manual),
        back: from.inner("rollback")?.map(pace).transpose()?.unwrap_or_default(),
    }))
}

fn pace(from: Body<'_>) -> Result<Pace, ApiError> {
    Ok(Pace {
        batch_size: from.number("batchSize")?,
        interval_ms: from.number("intervalMillis")?,
        start_first: from.flag("startFirst")?,
    })
}

fn verify(from: Body<'_>) -> Result<Verify, ApiError> {
    let command = from.texts("command")?.filter(|command| !command.is_empty());
    let request = from.inner("request")?.map(|check| read_check(&check)).transpose()?;
    let ask = match (command, request) {
        (Some(_), Some(_)) => {
            let why = "a verification has either a `request` or a `command`, not both";
            return Err(ApiError::on(Code::InvalidOption, "command", why.to_owned()));
        }
        (Some(command), None) => Some(VerifyAsk::Command(command)),
        (None, check) => check.map(|check| VerifyAsk::Request(Box::new(check))),
    };
    let failures = from.number("failures")?.unwrap_or(0);
    Ok(Verify {
        for_ms: from.number("forMillis")?,
        requests: from.inner("requests")?.map(requests).transpose()?,
        probe: ask.map(|ask| VerifyProbe { ask, failures }),
        stop: from.flag("stop")?.unwrap_or(false),
    })
}

fn requests(from: Body<'_>) -> Result<RequestBounds, ApiError> {
    let plain = RequestBounds::default();
    let errors = from.number("serverErrorsPerMille")?;
    Ok(RequestBounds {
        failed: from.number("failed")?.unwrap_or(plain.failed),
        server_errors_per_mille: errors.unwrap_or(plain.server_errors_per_mille),
        p99_percent: from.number("p99Percent")?,
        at_least: from.number("atLeast")?.unwrap_or(plain.at_least),
    })
}

/// The same as it is written; also what a client sends. What nobody said stays unsaid: a default that was written down
/// would look like a wish.
pub fn write_policy(policy: &UpgradePolicy) -> Value {
    let on_failure = word_of(&ON_FAILURE, &policy.on_failure);
    let finish = word_of(&FINISH, &policy.finish);
    let Verify { requests, probe, stop, .. } = &policy.verify;
    let mut verify = Map::new();
    verify.insert("forMillis".into(), json!(policy.verify.for_ms));
    verify.insert("stop".into(), json!(stop));
    if let Some(bounds) = requests {
        let bounds = json!({
            "failed": bounds.failed,
            "serverErrorsPerMille": bounds.server_errors_per_mille,
            "p99Percent": bounds.p99_percent,
            "atLeast": bounds.at_least,
        });
        verify.insert("requests".into(), bounds);
    }
    if let Some(VerifyProbe { ask, failures }) = probe {
        verify.insert("failures".into(), json!(failures));
        match ask {
            VerifyAsk::Request(check) => verify.insert("request".into(), write_check(check)),
            VerifyAsk::Command(command) => verify.insert("command".into(), json!(command)),
        };
    }
    let Pace { batch_size, interval_ms, start_first } = policy.back;
    json!({
        "onFailure": on_failure,
        "maxFailures": policy.max_failures,
        "deadlineMillis": policy.deadline_ms,
        "verify": verify,
        "finish": finish,
        "rollback": {
            "batchSize": batch_size.map(|size| size.min(i32::MAX.unsigned_abs())),
            "intervalMillis": interval_ms,
            "startFirst": start_first,
        },
    })
}

/// Whether it says what to look at, but not what follows from what is seen: nobody looks then.
pub(crate) fn looks_in_vain(policy: &UpgradePolicy) -> bool {
    policy.verify != Verify::default() && !policy.decides()
}

/// What an upgrade shows of how it is decided on, beside how it moves.
pub(super) fn show(ctx: &Context<'_>, upgrade: &Upgrade, shown: &mut Value) {
    let policy = &upgrade.policy;
    shown["policy"] = if policy.is_plain() { Value::Null } else { write_policy(policy) };
    shown["verdict"] = json!(upgrade.verdict);
    let undecided = matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::Upgraded);
    let judged = derive::judge(ctx.world, upgrade, ctx.now);
    // Also when it is found bad and the planner has not acted on it yet: what becomes of it is still open.
    let is_open = matches!(judged, Judgement::Open { .. } | Judgement::Bad(_));
    shown["watched"] = json!(upgrade.phase == UpgradePhase::Upgraded && is_open);
    shown["finishesItself"] =
        json!(policy.finish == FinishPolicy::Auto && undecided && upgrade.verdict.is_none());
    let together = upgrade.together.as_ref().map(|together| {
        let after = together.after.iter().map(|service| Kind::Service.id(service.0));
        json!({ "number": together.number, "after": after.collect::<Vec<_>>() })
    });
    shown["together"] = json!(together);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let check = drover_core::HealthCheck { port: 80, ..drover_core::HealthCheck::default() };
        for probe in [
            None,
            Some(VerifyAsk::Command(vec!["ok".into()])),
            Some(VerifyAsk::Request(Box::new(check))),
        ] {
            let policy = UpgradePolicy {
                on_failure: OnFailure::Rollback,
                max_failures: Some(0),
                deadline_ms: Some(90_000),
                verify: Verify {
                    for_ms: Some(5_000),
                    requests: Some(RequestBounds { p99_percent: Some(150), ..Default::default() }),
                    probe: probe.map(|ask| VerifyProbe { ask, failures: 3 }),
                    stop: true,
                },
                finish: FinishPolicy::Auto,
                back: Pace { batch_size: Some(4), ..Pace::default() },
            };
            let strategy = json!({ "policy": write_policy(&policy) });
            assert_eq!(read(Body::of(&strategy).unwrap()).unwrap(), Some(policy));
        }
        // What was not said is not made up on the way.
        let plain = UpgradePolicy::default();
        let written = write_policy(&plain);
        for unsaid in ["maxFailures", "deadlineMillis"] {
            assert_eq!(written[unsaid], Value::Null);
        }
        let strategy = json!({ "policy": written });
        assert_eq!(read(Body::of(&strategy).unwrap()).unwrap(), Some(plain));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (policy, says) in [
            (json!({ "onFailure": "explode" }), "none of retry, pause, rollback"),
            (json!({ "finish": "never" }), "none of manual, auto"),
            (json!({ "verify": { "command": ["x"], "request": { "port": 1 } } }), "not both"),
        ] {
            let strategy = json!({ "policy": policy });
            let refused = read(Body::of(&strategy).unwrap()).unwrap_err();
            assert!(refused.to_string().contains(says), "{refused}");
        }
        assert_eq!(read(Body::of(&json!({})).unwrap()), Ok(None));
    }
}
