//! The revisions of a service: what is told of each, and the way back to any of them.

use serde_json::{Value, json};

use crate::one::One;

/// A service that was upgraded twice and confirmed: revisions 1, 2 and 3.
fn three() -> (One, String) {
    let mut one = One::new(2);
    let id = one.run("app", &json!({ "scale": 2 }));
    for (image, reason) in [("nginx:2", json!("a fix")), ("nginx:3", Value::Null)] {
        let launch = json!({ "imageUuid": format!("docker:{image}") });
        let body = json!({ "inServiceStrategy": { "launchConfig": launch }, "reason": reason });
        one.act(&id, "upgrade", body, 202);
        one.bench.settle();
        one.act(&id, "finishupgrade", Value::Null, 202);
        one.bench.settle();
    }
    (one, id)
}

#[test]
fn what_there_was_is_listed_with_who_made_it_and_why() {
    let (mut one, id) = three();
    let all = one.bench.get(&format!("~/services/{id}/revisions"))["data"].take();
    let told = |row: &Value| {
        json!([
            row["revision"],
            row["launchConfig"]["imageUuid"],
            row["madeBy"],
            row["reason"],
            row["current"]
        ])
    };
    let told: Vec<Value> = all.as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        told,
        [
            json!([1, "docker:nginx:1", "key", "", false]),
            json!([2, "docker:nginx:2", "key", "a fix", false]),
            json!([3, "docker:nginx:3", "key", "", true]),
        ]
    );
    let second = &all[1];
    let itself = one.bench.get(&format!("~/servicerevisions/{}", second["id"].as_str().unwrap()));
    assert_eq!(itself, *second);
    let filtered = one.bench.get(&format!("~/servicerevisions?serviceId={id}&revision=2"));
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
}

#[test]
fn any_of_them_can_be_gone_back_to() {
    let (mut one, id) = three();
    one.act(&id, "rollback", json!({ "toRevision": 1, "batchSize": 2 }), 202);
    let begun = one.see(&id);
    assert_eq!(begun["state"], "upgrading");
    assert_eq!([&begun["upgrade"]["fromRevision"], &begun["upgrade"]["toRevision"]], [3, 1]);
    one.bench.settle();
    assert_eq!(one.state(&id), "upgraded");
    one.act(&id, "rollback", Value::Null, 202);
    one.bench.settle();
    assert_eq!(one.see(&id)["launchConfig"]["imageUuid"], "docker:nginx:3", "out of that again");
    one.act(&id, "rollback", json!({ "toRevision": 2 }), 202);
    one.bench.settle();
    one.act(&id, "finishupgrade", Value::Null, 202);
    one.bench.settle();
    let now = one.see(&id);
    assert_eq!(
        (&now["state"], &now["launchConfig"]["imageUuid"]),
        (&json!("active"), &json!("docker:nginx:2"))
    );
    let all = one.bench.get(&format!("~/services/{id}/revisions"));
    assert_eq!(all["data"].as_array().unwrap().len(), 3, "it is the same revision again");
    one.upgrade(&id, "nginx:4", &json!({}), 202);
    assert_eq!(one.see(&id)["upgrade"]["toRevision"], 4, "and the next one is new");
}

#[test]
fn what_can_t_be_gone_back_to() {
    let (mut one, id) = three();
    let refused = |one: &mut One, to: i64, status: u16, want: &str| {
        let error = one.act(&id, "rollback", json!({ "toRevision": to }), status);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(want), "{to}: {error}");
        assert_eq!(error["fieldName"], "toRevision", "{error}");
    };
    refused(
        &mut one,
        9,
        422,
        "revision 9 of app was never there: there are 1, 2, 3, and it runs 3",
    );
    refused(&mut one, 3, 422, "runs revision 3 already");
    refused(&mut one, 0, 422, "");
    one.upgrade(&id.clone(), "nginx:4", &json!({}), 202);
    refused(&mut one, 1, 422, "an upgrade of app is in progress");
    assert_eq!(one.see(&id)["upgrade"]["toRevision"], 4);
}
