//! Upgrades from one service to another, as Rancher's clients ask for them.

use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

struct Pair {
    bench: Bench,
    stack: String,
    v1: String,
    v2: String,
}

impl Pair {
    /// `v1` at a scale, and `v2` at 0 as the client leaves it; both run.
    fn new(scale: u32) -> Self {
        let mut bench = Bench::new(2);
        let stack = bench.ask("POST ~/stacks", json!({ "name": "roll" }), 201);
        let stack = stack["id"].as_str().unwrap().to_owned();
        let mut pair = Self { bench, stack, v1: String::new(), v2: String::new() };
        pair.v1 = pair.make("v1", scale);
        pair.v2 = pair.make("v2", 0);
        pair
    }

    fn make(&mut self, name: &str, scale: u32) -> String {
        let body = json!({
            "name": name, "stackId": self.stack, "scale": scale,
            "launchConfig": { "imageUuid": format!("docker:{name}:1") },
        });
        let made = self.bench.ask("POST ~/services", body, 201);
        let id = made["id"].as_str().unwrap().to_owned();
        self.bench.settle();
        self.act(&id, "activate", Value::Null, 202);
        self.bench.settle();
        id
    }

    fn act(&mut self, id: &str, action: &str, body: Value, status: u16) -> Value {
        self.bench.ask(&format!("POST ~/services/{id}/?action={action}"), body, status)
    }

    fn upgrade(&mut self, from: &str, more: Value, status: u16) -> Value {
        let mut strategy = json!({ "toServiceId": self.v2, "finalScale": 2, "batchSize": 1,
                                   "intervalMillis": 100, "updateLinks": true });
        for (name, value) in more.as_object().into_iter().flatten() {
            strategy[name] = value.clone();
        }
        let body = json!({ "links": null, "actions": null, "toServiceStrategy": strategy });
        self.act(from, "upgrade", body, status)
    }

    fn see(&mut self, id: &str) -> Value {
        self.bench.get(&format!("~/services/{id}"))
    }

    /// State and scale of both.
    fn states(&mut self) -> [(String, Value); 2] {
        [self.v1.clone(), self.v2.clone()].map(|id| {
            let seen = self.see(&id);
            (seen["state"].as_str().unwrap().to_owned(), seen["scale"].clone())
        })
    }
}

fn at(state: &str, scale: u32) -> (String, Value) {
    (state.to_owned(), json!(scale))
}

#[test]
fn forth_is_what_rancher_s_client_sees() {
    let mut pair = Pair::new(2);
    let (v1, v2) = (pair.v1.clone(), pair.v2.clone());
    let begun = pair.upgrade(&v1, json!({}), 202);
    assert_eq!(
        some(&begun, &["state", "transitioning", "scale", "currentScale", "healthState"]),
        json!({ "state": "upgrading", "transitioning": "yes", "scale": 2, "currentScale": 2,
                "healthState": "healthy" })
    );
    assert_eq!(actions(&begun)[..4], ["update", "cancelupgrade", "rollback", "remove"]);
    let strategy = begun["upgrade"]["toServiceStrategy"].clone();
    assert_eq!(
        some(
            &strategy,
            &["toServiceId", "finalScale", "updateLinks", "batchSize", "intervalMillis"]
        ),
        json!({ "toServiceId": v2, "finalScale": 2, "updateLinks": true, "batchSize": 1,
                "intervalMillis": 100 })
    );
    assert_eq!(begun["upgrade"]["inServiceStrategy"], Value::Null);
    pair.bench.plan();
    assert_eq!(pair.states(), [at("upgrading", 2), at("active", 1)]);
    let message = pair.see(&v1)["transitioningMessage"].clone();
    assert!(message.as_str().unwrap().starts_with("upgrading: 0 of 2 moved to v2"), "{message}");
    pair.bench.settle();
    assert_eq!(pair.states(), [at("upgraded", 0), at("active", 2)]);
    // `--cleanup` removes a source at scale 0 without finishing first.
    pair.bench.ask(&format!("DELETE ~/services/{v1}"), Value::Null, 200);
    pair.bench.settle();
    assert_eq!(pair.states(), [at("removed", 0), at("active", 2)]);
}

#[test]
fn back_restores_both_and_finish_is_for_good() {
    let mut pair = Pair::new(2);
    let v1 = pair.v1.clone();
    pair.upgrade(&v1, json!({ "finalScale": 3 }), 202);
    pair.bench.settle();
    pair.act(&v1, "rollback", Value::Null, 202);
    assert_eq!(pair.states()[0].0, "rolling-back");
    pair.bench.settle();
    assert_eq!(pair.states(), [at("active", 2), at("active", 0)]);
    let last = pair.see(&v1)["lastUpgrade"].clone();
    assert_eq!(
        some(&last, &["phase", "toServiceId"]),
        json!({ "phase": "rolling-back", "toServiceId": pair.v2 })
    );
    pair.upgrade(&v1, json!({ "finalScale": 3 }), 202);
    pair.bench.plan();
    pair.act(&v1, "cancelupgrade", Value::Null, 202);
    pair.bench.settle();
    assert_eq!(pair.states()[0].0, "canceled-upgrade");
    pair.act(&v1, "continueupgrade", Value::Null, 202);
    pair.bench.settle();
    pair.act(&v1, "finishupgrade", Value::Null, 202);
    pair.bench.settle();
    assert_eq!(pair.states(), [at("active", 0), at("active", 3)]);
    assert_eq!(pair.bench.units(&v1), [""; 0]);
}

#[test]
fn the_load_can_go_back_and_forth_without_a_finish() {
    let mut pair = Pair::new(2);
    let (v1, v2) = (pair.v1.clone(), pair.v2.clone());
    pair.upgrade(&v1, json!({}), 202);
    pair.bench.settle();
    pair.upgrade(&v2, json!({ "toServiceId": v1 }), 202);
    pair.bench.settle();
    assert_eq!(pair.states(), [at("active", 2), at("upgraded", 0)]);
    // An upgrade in place of the target finishes it likewise.
    let strategy = json!({ "launchConfig": { "imageUuid": "docker:v1:2" } });
    pair.act(&v1, "upgrade", json!({ "inServiceStrategy": strategy }), 202);
    pair.bench.settle();
    assert_eq!(pair.states(), [at("upgraded", 2), at("active", 0)]);
}

#[test]
fn links_and_rules_follow_at_the_end() {
    let mut pair = Pair::new(1);
    let (v1, v2) = (pair.v1.clone(), pair.v2.clone());
    let user = pair.make("user", 1);
    let link = json!({ "serviceLink": { "serviceId": v1, "name": "app" } });
    pair.act(&user, "addservicelink", link, 200);
    pair.upgrade(&v1, json!({ "finalScale": 1 }), 202);
    pair.bench.settle();
    assert_eq!(pair.see(&user)["linkedServices"], json!({ "app": v1 }), "nothing is written yet");
    pair.act(&v1, "finishupgrade", Value::Null, 202);
    pair.bench.settle();
    assert_eq!(pair.see(&user)["linkedServices"], json!({ "app": v2 }));
}

#[test]
fn scales_written_back_as_they_were_shown_change_nothing() {
    let mut pair = Pair::new(3);
    let (v1, v2) = (pair.v1.clone(), pair.v2.clone());
    pair.upgrade(&v1, json!({ "finalScale": 3 }), 202);
    pair.bench.plan();
    for id in [&v1, &v2] {
        let whole = pair.see(id);
        pair.bench.ask(&format!("PUT ~/services/{id}"), whole, 200);
    }
    pair.bench.settle();
    assert_eq!(pair.states(), [at("upgraded", 0), at("active", 3)]);
    pair.act(&v1, "rollback", Value::Null, 202);
    let error = pair.bench.ask(&format!("PUT ~/services/{v2}"), json!({ "scale": 9 }), 422);
    assert_eq!(
        some(&error, &["code", "fieldName"]),
        json!({ "code": "InvalidState", "fieldName": "scale" })
    );
    pair.bench.settle();
    assert_eq!(pair.states(), [at("active", 3), at("active", 0)]);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut pair = Pair::new(2);
    let (v1, v2) = (pair.v1.clone(), pair.v2.clone());
    let stack = pair.stack.clone();
    let alias = json!({ "name": "www", "stackId": stack });
    let alias = pair.bench.ask("POST ~/dnsservices", alias, 201)["id"].clone();
    let global = json!({ "name": "all", "stackId": stack, "launchConfig": {
        "imageUuid": "docker:a", "labels": { "io.rancher.scheduler.global": "true" } } });
    let global = pair.bench.ask("POST ~/services", global, 201)["id"].clone();
    for (more, code, field) in [
        (json!({ "toServiceId": null }), "NotNullable", "toServiceId"),
        (json!({ "toServiceId": "1s999" }), "InvalidReference", "toServiceId"),
        (json!({ "toServiceId": v1 }), "InvalidOption", "toServiceId"),
        (json!({ "toServiceId": alias }), "InvalidOption", "toServiceId"),
        (json!({ "toServiceId": global }), "InvalidOption", "toServiceId"),
        (json!({ "finalScale": 0 }), "MinLimitExceeded", "finalScale"),
        (json!({ "batchSize": 0 }), "MinLimitExceeded", "batchSize"),
    ] {
        let error = pair.upgrade(&v1, more.clone(), 422);
        let want = json!({ "code": code, "fieldName": field });
        assert_eq!(some(&error, &["code", "fieldName"]), want, "{more} {error}");
    }
    let neither = pair.act(&v1, "upgrade", json!({}), 422);
    assert_eq!(neither["code"], "MissingRequired");
    assert_eq!(pair.states(), [at("active", 2), at("active", 0)], "nothing has moved");
    let third = pair.make("v3", 1);
    pair.upgrade(&v1, json!({}), 202);
    let error = pair.upgrade(&third, json!({}), 422);
    assert_eq!(error["code"], "InvalidState");
    assert!(
        error["message"].as_str().unwrap().contains("the upgrade of v1 to v2 is not over yet"),
        "{error}"
    );
    let strategy = json!({ "launchConfig": { "imageUuid": "docker:v2:2" } });
    pair.act(&v2, "upgrade", json!({ "inServiceStrategy": strategy }), 422);
}
