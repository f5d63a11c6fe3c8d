//! Upgrades within a service: what is refused, and the lives they can lead.

use std::collections::BTreeMap;

use drover_core::Failed;
use serde_json::{Value, json};

use crate::bench::{actions, some};
use crate::one::One;

#[test]
fn an_upgrade_can_be_cancelled_continued_and_rolled_back() {
    let mut one = One::new(2);
    let id = one.run("app", &json!({ "scale": 3 }));
    one.upgrade(&id, "nginx:2", &json!({ "batchSize": 1 }), 202);
    one.bench.plan();
    let now = one.see(&id);
    assert_eq!(actions(&now)[..4], ["update", "cancelupgrade", "rollback", "remove"]);
    one.act(&id, "cancelupgrade", Value::Null, 202);
    assert_eq!(one.state(&id), "canceling-upgrade");
    one.bench.settle();
    assert_eq!(one.state(&id), "canceled-upgrade");
    let error = one.upgrade(&id, "nginx:3", &json!({}), 422);
    assert!(error["message"].as_str().unwrap().contains("continueupgrade goes on"), "{error}");
    one.act(&id, "continueupgrade", Value::Null, 202);
    one.bench.settle();
    assert_eq!(one.state(&id), "upgraded");
    one.act(&id, "rollback", Value::Null, 202);
    one.bench.settle();
    let back = one.see(&id);
    assert_eq!(back["state"], "active");
    assert_eq!(back["launchConfig"]["imageUuid"], "docker:nginx:1");
    // The next upgrade's revision is a new one, not the one rolled back from.
    one.upgrade(&id, "nginx:3", &json!({}), 202);
    one.bench.settle();
    assert_eq!(one.see(&id)["launchConfig"]["version"], "3");
}

#[test]
fn an_inactive_service_is_upgraded_into_running() {
    let mut one = One::new(1);
    let id = one.make("app", &Value::Null);
    one.bench.settle();
    one.upgrade(&id, "nginx:2", &json!({}), 202);
    one.bench.settle();
    assert_eq!(one.state(&id), "upgraded");
}

#[test]
fn what_an_upgrade_cannot_do() {
    let mut one = One::new(1);
    let id = one.run(
        "app",
        &json!({ "retainIp": true, "launchConfig": {
        "imageUuid": "docker:nginx:1", "ports": ["8080:80/tcp"] } }),
    );
    let global = json!({ "launchConfig": { "imageUuid": "docker:nginx:2", "labels": {
        "io.rancher.scheduler.global": "true" } } });
    for (body, field, code) in [
        (json!({}), json!("inServiceStrategy"), "MissingRequired"),
        (json!({ "inServiceStrategy": {} }), json!("launchConfig"), "InvalidOption"),
        (
            json!({ "inServiceStrategy": { "launchConfig": {} } }),
            json!("imageUuid"),
            "MissingRequired",
        ),
        (json!({ "inServiceStrategy": global }), json!("launchConfig"), "InvalidOption"),
        (
            json!({ "inServiceStrategy": { "startFirst": true, "launchConfig": { "imageUuid": "docker:x" } } }),
            json!("startFirst"),
            "InvalidOption",
        ),
        (
            json!({ "inServiceStrategy": { "batchSize": 0, "launchConfig": { "imageUuid": "docker:x" } } }),
            json!("batchSize"),
            "MinLimitExceeded",
        ),
        (
            json!({ "toServiceStrategy": { "toServiceId": "1s9" } }),
            json!("toServiceId"),
            "InvalidReference",
        ),
    ] {
        let before = one.bench.world.revision;
        let error = one.act(&id, "upgrade", body.clone(), 422);
        assert_eq!(
            some(&error, &["fieldName", "code"]),
            json!({ "fieldName": field, "code": code }),
            "{body}"
        );
        assert_eq!(one.bench.world.revision, before);
    }
}

#[test]
fn start_first_on_one_host_with_a_fixed_port_is_refused_before_anything_moves() {
    let mut one = One::new(1);
    let ports =
        json!({ "launchConfig": { "imageUuid": "docker:nginx:1", "ports": ["8080:80/tcp"] } });
    let id = one.run("app", &ports);
    let before = one.bench.world.clone();
    let next = json!({ "startFirst": true, "launchConfig": { "imageUuid": "docker:nginx:2", "ports": ["8080:80/tcp"] } });
    let error = one.upgrade(&id, "", &next, 422);
    let message = error["message"].as_str().unwrap();
    for part in ["8080/tcp", "stop-first", "another host"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(one.bench.world, before);
}

#[test]
fn a_picked_port_survives_an_upgrade() {
    let mut one = One::new(1);
    let ports = json!({ "launchConfig": { "imageUuid": "docker:nginx:1", "ports": ["80/tcp"] } });
    let id = one.run("app", &ports);
    let before = one.see(&id)["publicEndpoints"][0]["port"].clone();
    assert!(before.as_u64().unwrap() >= 49_153);
    one.upgrade(
        &id,
        "",
        &json!({ "launchConfig": { "imageUuid": "docker:nginx:2", "ports": ["80/tcp"] } }),
        202,
    );
    one.bench.settle();
    assert_eq!(one.see(&id)["publicEndpoints"][0]["port"], before);
}

#[test]
fn what_is_bad_is_watched_until_the_planner_has_acted() {
    let mut one = One::new(1);
    let id = one.run("app", &json!({}));
    let policy = json!({ "onFailure": "rollback", "verify": { "forMillis": 60_000 } });
    one.upgrade(&id, "nginx:2", &json!({ "policy": policy, "intervalMillis": 0 }), 202);
    while one.state(&id) == "upgrading" {
        one.bench.plan();
        one.bench.obey();
    }
    let seen = one.see(&id);
    assert_eq!((&seen["state"], &seen["upgrade"]["watched"]), (&json!("upgraded"), &json!(true)));
    let unit =
        one.bench.world.units.values().find(|unit| unit.key.revision.0 == 2).unwrap().clone();
    let mut report = one.bench.world.observed(unit.key).unwrap().clone();
    report.tick += 1000;
    report.failed = Failed { times: 9, how: "exited with code 1".into(), ..Failed::default() };
    one.bench.world.observe(unit.host, &BTreeMap::from([(unit.key, report)]), one.bench.now);
    let seen = one.see(&id);
    assert_eq!(
        some(&seen["upgrade"], &["watched", "verdict"]),
        json!({ "watched": true, "verdict": null })
    );
    one.bench.plan();
    assert_eq!(one.state(&id), "rolling-back");
}

#[test]
fn what_is_shown_of_upgrades_is_in_the_schemas() {
    let mut one = One::new(1);
    let id = one.run("app", &json!({}));
    let policy = json!({ "onFailure": "pause", "verify": { "command": ["ok"], "forMillis": 0 },
        "deadlineMillis": 1000 });
    one.upgrade(&id, "nginx:2", &json!({ "policy": policy }), 202);
    one.bench.settle();
    let upgrade = one.see(&id)["upgrade"].clone();
    assert_eq!(upgrade["policy"]["maxFailures"], Value::Null, "nobody said it");
    one.act(&id, "rollback", Value::Null, 202);
    one.bench.settle();
    let last = one.see(&id)["lastUpgrade"].clone();
    assert_eq!(last["decidedTS"], last["endedTS"]);
    assert!(last["decidedTS"].is_u64(), "{last}");
    let told = json!({ "stackId": one.stack, "remove": [id] });
    let told = one.bench.ask("POST ~/projects/1a1/?action=forecast", told, 200);
    let requests = upgrade["requests"].clone();
    let parts =
        [&upgrade, &upgrade["policy"], &upgrade["policy"]["verify"], &last, &requests, &told];
    let types = [
        "serviceUpgrade",
        "upgradePolicy",
        "upgradeVerification",
        "upgradeOutcome",
        "upgradeRequests",
        "forecast",
    ];
    for (part, kind) in parts.into_iter().zip(types) {
        let schema = one.bench.get(&format!("~/schemas/{kind}"));
        let envelope = ["type", "id", "links", "actions"];
        let known =
            |name: &str| envelope.contains(&name) || schema["resourceFields"].get(name).is_some();
        let unknown: Vec<&String> =
            part.as_object().unwrap().keys().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{kind}: {unknown:?}");
    }
}
