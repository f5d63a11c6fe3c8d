//! `upgrade_strategy`, written.

use drover_core::{
    FinishPolicy, OnFailure, Pace, RequestBounds, UpgradeDefaults, Verify, VerifyAsk,
};
use serde_json::{Map, Value, json};

use super::{container, put};

/// All that was said of a service's upgrades.
pub(super) fn strategy(upgrade: &UpgradeDefaults) -> Map<String, Value> {
    let UpgradeDefaults { batch_size, interval_ms, start_first, policy } = upgrade;
    let mut keys = pace(Pace {
        batch_size: *batch_size,
        interval_ms: *interval_ms,
        start_first: *start_first,
    });
    let on_failure = match policy.on_failure {
        OnFailure::Retry => None,
        OnFailure::Pause => Some("pause"),
        OnFailure::Rollback => Some("rollback"),
    };
    put(&mut keys, "on_failure", on_failure);
    put(&mut keys, "max_failures", policy.max_failures);
    put(&mut keys, "deadline", policy.deadline_ms.map(span));
    put(&mut keys, "verify", verify(&policy.verify));
    let finish = (policy.finish == FinishPolicy::Auto).then_some("auto");
    put(&mut keys, "finish", finish);
    put(&mut keys, "rollback", pace(policy.back));
    keys
}

fn pace(pace: Pace) -> Map<String, Value> {
    let mut keys = Map::new();
    if let Some(start_first) = pace.start_first {
        keys.insert("start_first".into(), json!(start_first));
    }
    put(&mut keys, "batch_size", pace.batch_size);
    put(&mut keys, "interval_millis", pace.interval_ms);
    keys
}

fn verify(verify: &Verify) -> Map<String, Value> {
    let Verify { for_ms, requests, probe, stop } = verify;
    let mut keys = Map::new();
    put(&mut keys, "for", for_ms.map(span));
    put(&mut keys, "requests", requests.map(bounds).unwrap_or_default());
    match probe.as_ref().map(|probe| &probe.ask) {
        None => {}
        Some(VerifyAsk::Command(command)) => put(&mut keys, "command", command.clone()),
        Some(VerifyAsk::Request(check)) => {
            put(&mut keys, "request", container::health_check(check));
        }
    }
    put(&mut keys, "failures", probe.as_ref().map(|probe| probe.failures));
    put(&mut keys, "stop", *stop);
    keys
}

fn bounds(bounds: RequestBounds) -> Map<String, Value> {
    let RequestBounds { failed, server_errors_per_mille, p99_percent, at_least } = bounds;
    let mut keys = Map::new();
    put(&mut keys, "failed", failed);
    let (whole, part) = (server_errors_per_mille / 10, server_errors_per_mille % 10);
    put(&mut keys, "server_errors", format!("{whole}.{part}%"));
    let factor = p99_percent.map(|percent| format!("{}.{:02}", percent / 100, percent % 100));
    put(&mut keys, "p99_factor", factor);
    put(&mut keys, "at_least", at_least);
    keys
}

fn span(ms: u64) -> String {
    format!("{ms}ms")
}
