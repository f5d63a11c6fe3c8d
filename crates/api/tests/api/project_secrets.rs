//! Secrets: made, read as clients read them, told to hosts that need them and to no others.

use std::collections::BTreeMap;

use drover_core::derive::assignment;
use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

/// `hunter2`, as clients send it.
const VALUE: &str = "aHVudGVyMg==";

fn secret(bench: &mut Bench, name: &str) -> Value {
    bench.ask("POST ~/secrets", json!({ "name": name, "value": VALUE }), 201)
}

fn url(row: &Value) -> String {
    format!("~/{}s/{}", row["type"].as_str().unwrap(), row["id"].as_str().unwrap())
}

/// A service that runs, with these secrets.
fn service(bench: &mut Bench, secrets: Value) -> Value {
    let stack = bench.ask("POST ~/stacks", json!({ "name": "app" }), 201)["id"].clone();
    let launch = json!({ "imageUuid": "docker:a", "secrets": secrets });
    let service =
        json!({ "name": "web", "stackId": stack, "startOnCreate": true, "launchConfig": launch });
    let made = bench.ask("POST ~/services", service, 201);
    bench.settle();
    made
}

/// What each host is told, by name.
fn told(bench: &Bench) -> Vec<BTreeMap<String, String>> {
    let told = bench.world.hosts.keys().map(|host| {
        let secrets = assignment(&bench.world, *host).secrets;
        secrets.into_iter().map(|(name, value)| (name, value.reveal().to_owned())).collect()
    });
    told.collect()
}

#[test]
fn as_clients_make_and_read_them() {
    let mut bench = Bench::new(0);
    let body = json!({ "name": "db", "value": VALUE, "description": "for the shop" });
    let made = bench.ask("POST ~/secrets", body, 201);
    assert_eq!(
        some(&made, &["type", "name", "description", "value", "state", "transitioning"]),
        json!({ "type": "secret", "name": "db", "description": "for the shop", "value": null,
                "state": "active", "transitioning": "no" })
    );
    assert!(actions(&made).contains(&"remove"), "{made}");
    assert_eq!(bench.one("/v2-beta/secrets?name=DB")["id"], made["id"]);
    assert_eq!(
        bench.get("~/secrets?limit=-2&removed_null=1&state_ne=removing&system=false")["data"][0]["value"],
        Value::Null
    );
    bench.ask("GET ~/secrets/db", Value::Null, 404);
    // The whole object comes back; only what is said of it is new.
    let edit = json!({ "name": "other", "description": "", "value": "eA==", "links": null });
    let edited = bench.ask(&format!("PUT {}", url(&made)), edit, 200);
    assert_eq!(
        some(&edited, &["name", "description"]),
        json!({ "name": "db", "description": null })
    );
    assert_eq!(bench.world.secrets.values().next().unwrap().value.reveal(), VALUE);
}

#[test]
fn what_is_refused() {
    let mut bench = Bench::new(0);
    secret(&mut bench, "db");
    for (body, code, field) in [
        (json!({ "value": VALUE }), "MissingRequired", "name"),
        (json!({ "name": "x" }), "MissingRequired", "value"),
        (json!({ "name": "x", "value": "h!unter2" }), "InvalidFormat", "value"),
        (json!({ "name": "a/b", "value": VALUE }), "InvalidCharacters", "name"),
        (json!({ "name": "DB", "value": VALUE }), "NotUnique", "name"),
    ] {
        let said = bench.ask("POST ~/secrets", body.clone(), 422);
        assert_eq!((&said["code"], &said["fieldName"]), (&json!(code), &json!(field)), "{body}");
        assert!(!said.to_string().contains("unter2"), "{said}");
    }
    let long = json!({ "name": "x", "value": "QUFB".repeat(200_000) });
    assert_eq!(bench.ask("POST ~/secrets", long, 422)["code"], "MaxLengthExceeded");
}

#[test]
fn a_service_names_them_by_id_and_shows_both() {
    let mut bench = Bench::new(1);
    let (db, key) = (secret(&mut bench, "db"), secret(&mut bench, "key"));
    let asked = json!([
        { "secretId": db["id"], "name": "password", "uid": "1000", "gid": "7", "mode": "0400" },
        { "secretId": "KEY" },
    ]);
    let made = service(&mut bench, asked);
    let shown = json!([
        { "type": "secretReference", "secretName": "db", "name": "password", "uid": "1000", "gid": "7",
          "mode": "0400", "secretId": db["id"] },
        { "type": "secretReference", "secretName": "key", "name": "KEY", "secretId": key["id"] },
    ]);
    let held = bench.get(&url(&made));
    assert_eq!(held["launchConfig"]["secrets"], shown);
    assert_eq!(bench.get(&format!("{}/instances", url(&made)))["data"][0]["secrets"], shown);
    assert_eq!(
        bench.get(&format!("{}/revisions", url(&made)))["data"][0]["launchConfig"]["secrets"],
        shown
    );
    // What was read is taken back as it is.
    let strategy = json!({ "launchConfig": held["launchConfig"] });
    bench.ask(
        &format!("POST {}/?action=upgrade", url(&made)),
        json!({ "inServiceStrategy": strategy }),
        202,
    );
    let upgrading = bench.get(&url(&made));
    assert_eq!(upgrading["launchConfig"]["secrets"], shown);
    assert_eq!(upgrading["upgrade"]["inServiceStrategy"]["previousLaunchConfig"]["secrets"], shown);
}

#[test]
fn a_service_can_name_none_that_is_not_there() {
    let mut bench = Bench::new(1);
    let gone = secret(&mut bench, "gone");
    bench.ask(&format!("DELETE {}", url(&gone)), Value::Null, 200);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "app" }), 201)["id"].clone();
    for name in [gone["id"].clone(), json!("gone"), json!("1se999"), json!("1s1")] {
        let launch = json!({ "imageUuid": "docker:a", "secrets": [{ "secretId": name }] });
        let body = json!({ "name": "web", "stackId": stack, "launchConfig": launch });
        let said = bench.ask("POST ~/services", body, 422);
        assert_eq!(
            (&said["code"], &said["fieldName"]),
            (&json!("InvalidReference"), &json!("secrets"))
        );
    }
}

#[test]
fn only_hosts_that_need_one_are_told() {
    let mut bench = Bench::new(3);
    let (db, _) = (secret(&mut bench, "db"), secret(&mut bench, "unused"));
    let made = service(&mut bench, json!([{ "secretId": db["id"] }]));
    let told_to = |bench: &Bench| told(bench).iter().filter(|told| !told.is_empty()).count();
    let with: Vec<_> = told(&bench).into_iter().flatten().collect();
    assert_eq!(with, [("db".to_owned(), VALUE.to_owned())]);
    // Removed: nothing new is made with it, and its value is gone.
    bench.ask(&format!("DELETE {}", url(&db)), Value::Null, 200);
    assert_eq!(told_to(&bench), 0);
    let held = bench.get(&url(&db));
    assert_eq!(some(&held, &["state", "value"]), json!({ "state": "removed", "value": null }));
    assert!(
        bench
            .world
            .secrets
            .values()
            .all(|held| held.removed_at.is_none() || held.value.reveal().is_empty())
    );
    let shown = bench.get(&url(&made))["launchConfig"]["secrets"][0].clone();
    assert_eq!(
        some(&shown, &["secretName", "secretId"]),
        json!({ "secretName": "db", "secretId": null })
    );
    // An upgrade of something else goes on with it, and made again it is read again.
    let strategy = json!({ "launchConfig": { "imageUuid": "docker:b", "secrets": [shown] } });
    bench.ask(
        &format!("POST {}/?action=upgrade", url(&made)),
        json!({ "inServiceStrategy": strategy }),
        202,
    );
    secret(&mut bench, "db");
    assert_eq!(told_to(&bench), 1);
    bench.ask(&format!("DELETE {}", url(&made)), Value::Null, 200);
    bench.settle();
    assert_eq!(told_to(&bench), 0);
}

#[test]
fn a_removed_project_takes_them_along() {
    let mut bench = Bench::new(0);
    secret(&mut bench, "db");
    bench.ask("DELETE /v2-beta/projects/1a1", Value::Null, 200);
    let held = bench.world.secrets.values().next().unwrap();
    assert!(held.removed_at.is_some() && held.value.reveal().is_empty());
    bench.now = bench.now + drover_api::KEPT_MS;
    let changes = drover_api::purge(&bench.world, bench.now);
    bench.commit(&changes).unwrap();
    assert!(bench.world.secrets.is_empty() && bench.world.projects.is_empty());
}
