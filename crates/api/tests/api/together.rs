//! Several services upgraded as one, and what is foretold of that.

use serde_json::{Value, json};

use crate::bench::{Bench, some};

/// A stack of two running services: their ids, the stack's first.
fn two(bench: &mut Bench) -> [String; 3] {
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let stack = id(&bench.ask("POST ~/stacks", json!({ "name": "shop" }), 201));
    let mut make = |name: &str| {
        let body = json!({ "name": name, "stackId": stack, "startOnCreate": true,
                           "launchConfig": { "imageUuid": "docker:app:1" } });
        id(&bench.ask("POST ~/services", body, 201))
    };
    let (db, web) = (make("db"), make("web"));
    bench.settle();
    [stack, db, web]
}

fn member(service: &str, image: &str, after: &[&str]) -> Value {
    json!({ "serviceId": service, "after": after, "inServiceStrategy": {
        "intervalMillis": 0, "launchConfig": { "imageUuid": format!("docker:{image}") } } })
}

fn upgrade(bench: &mut Bench, stack: &str, services: &[Value], status: u16) -> Value {
    let body = json!({ "services": services });
    bench.ask(&format!("POST ~/stacks/{stack}/?action=upgradeservices"), body, status)
}

#[test]
fn one_finish_for_all() {
    let mut bench = Bench::new(2);
    let [stack, db, web] = two(&mut bench);
    upgrade(&mut bench, &stack, &[member(&db, "app:2", &[]), member(&web, "app:2", &[&db])], 202);
    let together = bench.get(&format!("~/services/{web}"))["upgrade"]["together"].clone();
    assert_eq!(together["after"], json!([db]));
    let early = bench.ask(&format!("POST ~/services/{db}?action=finishupgrade"), Value::Null, 422);
    assert_eq!(early["code"], "ActionNotAvailable", "{early}");
    bench.settle();
    for service in [&db, &web] {
        assert_eq!(bench.get(&format!("~/services/{service}"))["state"], "upgraded");
    }
    bench.ask(&format!("POST ~/services/{web}?action=finishupgrade"), Value::Null, 202);
    bench.settle();
    for service in [&db, &web] {
        assert_eq!(bench.get(&format!("~/services/{service}"))["state"], "active");
    }
}

#[test]
fn several_go_back_as_one_to_what_they_were_long_ago() {
    let mut bench = Bench::new(2);
    let [stack, db, web] = two(&mut bench);
    let finish = |bench: &mut Bench| {
        bench.settle();
        bench.ask(&format!("POST ~/services/{web}?action=finishupgrade"), Value::Null, 202);
        bench.settle();
    };
    for image in ["app:2", "app:3"] {
        upgrade(&mut bench, &stack, &[member(&db, image, &[]), member(&web, image, &[&db])], 202);
        finish(&mut bench);
    }
    let back = |service: &str, to: u32| json!({ "serviceId": service, "toRevision": to });
    let error = upgrade(&mut bench, &stack, &[back(&db, 1), back(&web, 9)], 422);
    assert_eq!(
        error["message"],
        "revision 9 of web was never there: there are 1, 2, 3, and it runs 3"
    );
    assert_eq!(bench.get(&format!("~/services/{db}"))["state"], "active", "all or none");
    let pace = json!({ "serviceId": web, "toRevision": 2, "after": [db], "inServiceStrategy": { "batchSize": 7 } });
    upgrade(&mut bench, &stack, &[back(&db, 1), pace], 202);
    assert_eq!(
        bench.get(&format!("~/services/{web}"))["upgrade"]["inServiceStrategy"]["batchSize"],
        7
    );
    finish(&mut bench);
    for (service, image) in [(&db, "docker:app:1"), (&web, "docker:app:2")] {
        let held = bench.get(&format!("~/services/{service}"));
        assert_eq!(
            (&held["state"], &held["launchConfig"]["imageUuid"]),
            (&json!("active"), &json!(image))
        );
    }
}

#[test]
fn all_or_none() {
    let mut bench = Bench::new(2);
    let [stack, db, web] = two(&mut bench);
    for (services, code) in [
        (vec![member(&db, "app:2", &[&web]), member(&web, "app:2", &[])], "InvalidReference"),
        (vec![member(&db, "app:2", &[]), member(&db, "app:3", &[])], "InvalidOption"),
        (vec![member(&db, "app:2", &[]), member("1s99", "app:2", &[])], "InvalidReference"),
        (vec![member(&db, "app:2", &[]), json!({ "serviceId": web })], "MissingRequired"),
    ] {
        let error = upgrade(&mut bench, &stack, &services, 422);
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(bench.get(&format!("~/services/{db}"))["state"], "active");
    }
}

#[test]
fn what_would_come_of_it() {
    let mut bench = Bench::new(2);
    let [stack, db, web] = two(&mut bench);
    let mut ask = |body: Value| bench.ask("POST ~/projects/1a1/?action=forecast", body, 200);
    let body =
        json!({ "stackId": stack, "upgrade": [member(&db, "app:latest", &[])], "remove": [web] });
    let told = ask(body.clone());
    let rows = told["services"].as_array().unwrap();
    assert_eq!(
        some(&rows[0], &["name", "action", "servingNow", "servingLeast", "servingThen"]),
        json!({ "name": "db", "action": "upgrade", "servingNow": 1, "servingLeast": 0, "servingThen": 1 })
    );
    assert_eq!(rows[0]["warnings"][0]["code"], "mutableTag");
    assert_eq!(some(&rows[1], &["name", "action"]), json!({ "name": "web", "action": "remove" }));
    assert_eq!(told["digest"], ask(body)["digest"], "the same world, the same forecast");
    assert_eq!(
        some(&told, &["id", "links", "actions"]),
        json!({ "id": null, "links": {}, "actions": {} })
    );
    let body = json!({ "stackName": "new", "create": [
        { "name": "api", "scale": 2, "launchConfig": { "imageUuid": "docker:app:1" } }] });
    let told = ask(body);
    assert_eq!(told["services"][0]["made"].as_array().unwrap().len(), 2, "{told}");
    let stacks = bench.get("~/stacks");
    assert_eq!(stacks["data"].as_array().unwrap().len(), 1, "nothing was made");
}

#[test]
fn what_is_foretold_must_make_sense() {
    let mut bench = Bench::new(1);
    let [stack, db, _] = two(&mut bench);
    for (body, status) in [
        (json!({ "stackName": "x", "create": ["y"] }), 400),
        (json!({ "stackName": "x", "create": [[1]] }), 400),
        (json!({ "stackId": stack, "update": [7] }), 400),
        (json!({ "stackId": stack, "upgrade": ["y"] }), 422),
        (
            json!({ "stackId": stack, "upgrade": [{ "serviceId": db, "inServiceStrategy": 7 }] }),
            422,
        ),
        (json!({ "stackId": stack, "remove": [{}] }), 422),
    ] {
        bench.ask("POST ~/projects/1a1/?action=forecast", body, status);
    }
}

#[test]
fn what_looks_and_decides_nothing_is_foretold() {
    let mut bench = Bench::new(1);
    let [stack, db, _] = two(&mut bench);
    let mut codes = |policy: Value| {
        let mut member = member(&db, "app:2", &[]);
        member["inServiceStrategy"]["policy"] = policy;
        let body = json!({ "stackId": stack, "upgrade": [member] });
        let told = bench.ask("POST ~/projects/1a1/?action=forecast", body, 200);
        let warnings = told["services"][0]["warnings"].as_array().unwrap().clone();
        warnings.iter().any(|warning| warning["code"] == "verifyDecidesNothing")
    };
    assert!(codes(json!({ "verify": { "stop": true } })));
    assert!(!codes(json!({ "verify": { "stop": true }, "onFailure": "pause" })));
    assert!(!codes(json!({})));
}
