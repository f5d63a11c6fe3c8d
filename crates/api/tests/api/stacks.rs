//! Stacks.

use drover_core::{Change, Stack};
use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

fn make(bench: &mut Bench, body: Value) -> String {
    bench.ask("POST ~/stacks", body, 201)["id"].as_str().unwrap().to_owned()
}

fn service(bench: &mut Bench, stack: &str, name: &str) -> String {
    let body = json!({ "name": name, "stackId": stack, "startOnCreate": true,
                       "launchConfig": { "imageUuid": "docker:nginx" } });
    bench.ask("POST ~/services", body, 201)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_stack() {
    let mut bench = Bench::new(0);
    let made = bench.ask("POST ~/stacks", json!({ "name": "web", "links": null }), 201);
    insta::assert_json_snapshot!(made, @r#"
    {
      "id": "1st2",
      "type": "stack",
      "baseType": "stack",
      "kind": "stack",
      "name": "web",
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": "healthy",
      "uuid": "f63fd2b6-400b-8a68-99f5-70fbc7a2ede5",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "serviceIds": [],
      "system": false,
      "externalId": null,
      "environment": {},
      "outputs": null,
      "group": null,
      "startOnCreate": false,
      "dockerCompose": null,
      "rancherCompose": null,
      "links": {
        "self": "http://h/v2-beta/projects/1a1/stacks/1st2",
        "account": "http://h/v2-beta/projects/1a1/stacks/1st2/account",
        "services": "http://h/v2-beta/projects/1a1/stacks/1st2/services"
      },
      "actions": {
        "update": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=update",
        "remove": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=remove",
        "activateservices": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=activateservices",
        "deactivateservices": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=deactivateservices",
        "addoutputs": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=addoutputs",
        "exportconfig": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=exportconfig",
        "upgradeservices": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=upgradeservices"
      }
    }
    "#);
}

#[test]
fn names_are_checked_and_unique_while_they_live() {
    let mut bench = Bench::new(0);
    let id = make(&mut bench, json!({ "name": "web" }));
    for (body, code) in [
        (json!({}), "MissingRequired"),
        (json!({ "name": "a_b" }), "InvalidCharacters"),
        (json!({ "name": "-a" }), "InvalidCharacters"),
        (json!({ "name": "WEB" }), "NotUnique"),
        (json!({ "name": "x", "environment": [] }), "InvalidFormat"),
        (json!({ "name": "x", "dockerCompose": "web: {}" }), "InvalidOption"),
    ] {
        let error = bench.ask("POST ~/stacks", body.clone(), 422);
        assert_eq!(error["code"], code, "{body}");
    }
    bench.ask("POST ~/stacks", json!("x"), 400);
    bench.ask(&format!("DELETE ~/stacks/{id}"), Value::Null, 200);
    make(&mut bench, json!({ "name": "web" }));
}

#[test]
fn a_put_changes_what_it_may_and_ignores_the_rest() {
    let mut bench = Bench::new(0);
    let id = make(&mut bench, json!({ "name": "web", "externalId": "x" }));
    let url = format!("PUT ~/stacks/{id}");
    let body = json!({ "id": "1st99", "state": "removed", "dockerCompose": "b: {}", "nonsense": [1],
                       "description": "d", "externalId": null, "links": null, "actions": null });
    let got = bench.ask(&url, body, 200);
    let want = json!({ "id": id, "state": "active", "dockerCompose": null, "description": "d",
                       "externalId": null });
    assert_eq!(some(&got, &["id", "state", "dockerCompose", "description", "externalId"]), want);
}

#[test]
fn removing_a_stack_removes_its_services_and_it_stays_readable() {
    let mut bench = Bench::new(1);
    let id = make(&mut bench, json!({ "name": "web" }));
    let service = service(&mut bench, &id, "app");
    bench.settle();
    let url = format!("~/stacks/{id}");
    let going = bench.ask(&format!("DELETE {url}"), Value::Null, 200);
    assert_eq!(
        some(&going, &["state", "transitioning"]),
        json!({ "state": "removing", "transitioning": "yes" })
    );
    assert_eq!(bench.get("~/stacks")["data"], json!([]));
    bench.settle();
    let gone = bench.get(&url);
    assert_eq!(
        some(&gone, &["state", "transitioning"]),
        json!({ "state": "removed", "transitioning": "no" })
    );
    assert_eq!(bench.get(&format!("~/services/{service}"))["state"], "removed");
    assert_eq!(actions(&gone), [""; 0]);
    bench.ask(&format!("PUT {url}"), json!({ "description": "x" }), 405);
}

#[test]
fn tombstones_are_forgotten_in_the_end() {
    let mut bench = Bench::new(1);
    let id = make(&mut bench, json!({ "name": "web" }));
    let service = service(&mut bench, &id, "app");
    bench.settle();
    bench.ask(&format!("DELETE ~/stacks/{id}"), Value::Null, 200);
    bench.now = bench.now + drover_api::KEPT_MS;
    let early = drover_api::purge(&bench.world, bench.now);
    assert_eq!(early, [], "its containers are still there");
    bench.settle();
    let changes = drover_api::purge(&bench.world, bench.now);
    assert_eq!(changes.len(), 2);
    let (world, _) = bench.world.commit(&changes).unwrap();
    bench.world = world;
    bench.ask(&format!("GET ~/stacks/{id}"), Value::Null, 404);
    bench.ask(&format!("GET ~/services/{service}"), Value::Null, 404);
}

#[test]
fn all_services_are_switched_or_none() {
    let mut bench = Bench::new(2);
    let id = make(&mut bench, json!({ "name": "web" }));
    let (a, b) = (service(&mut bench, &id, "a"), service(&mut bench, &id, "b"));
    bench.settle();
    let off = format!("POST ~/stacks/{id}/?action=deactivateservices");
    let on = format!("POST ~/stacks/{id}/?action=activateservices");
    bench.ask(&off, Value::Null, 202);
    bench.settle();
    assert_eq!(bench.get(&format!("~/services/{a}"))["state"], "inactive");
    bench.ask(&on, Value::Null, 202);
    bench.settle();
    assert_eq!(bench.get(&format!("~/services/{b}"))["state"], "active");
    let upgrade =
        json!({ "inServiceStrategy": { "launchConfig": { "imageUuid": "docker:nginx:2" } } });
    bench.ask(&format!("POST ~/services/{b}?action=upgrade"), upgrade, 202);
    bench.settle();
    let error = bench.ask(&off, Value::Null, 422);
    assert_eq!(error["code"], "InvalidState");
    assert_eq!(bench.get(&format!("~/services/{a}"))["state"], "active", "nothing was changed");
}

#[test]
fn outputs_and_whether_it_was_to_start_are_read_back() {
    let mut bench = Bench::new(0);
    let asked = json!({ "name": "web", "startOnCreate": true, "outputs": { "url": "http://a" } });
    let id = make(&mut bench, asked);
    let url = format!("~/stacks/{id}");
    let stack = bench.get(&url);
    assert_eq!(
        (&stack["startOnCreate"], &stack["outputs"]["url"]),
        (&json!(true), &json!("http://a"))
    );
    let more = json!({ "outputs": { "url": "http://b", "key": "k" } });
    bench.ask(&format!("POST {url}/?action=addoutputs"), more.clone(), 202);
    assert_eq!(bench.get(&url)["outputs"], more["outputs"]);
    bench.ask(&format!("PUT {url}"), json!({ "outputs": { "key": "l" } }), 200);
    assert_eq!(bench.get(&url)["outputs"], json!({ "key": "l" }));
}

#[test]
fn a_stack_made_of_files_is_exported_as_these() {
    let mut bench = Bench::new(0);
    let id = make(&mut bench, json!({ "name": "web" }));
    let stack = bench.world.stacks.values().next().unwrap();
    let made = Stack {
        docker_compose: Some("web:\n  image: x\n".into()),
        rancher_compose: Some("web: {}\n".into()),
        ..(**stack).clone()
    };
    bench.commit(&[Change::PutStack(made)]).unwrap();
    let config = bench.ask(&format!("POST ~/stacks/{id}/?action=exportconfig"), json!({}), 200);
    assert_eq!(config["dockerComposeConfig"], "web:\n  image: x\n");
    assert_eq!(config["rancherComposeConfig"], "web: {}\n");
}

#[test]
fn links_lead_to_services() {
    let mut bench = Bench::new(0);
    let id = make(&mut bench, json!({ "name": "web" }));
    let other = make(&mut bench, json!({ "name": "other" }));
    let service = service(&mut bench, &id, "app");
    assert_eq!(bench.one(&format!("~/stacks/{id}/services"))["id"], service.as_str());
    assert_eq!(bench.get(&format!("~/stacks/{other}/services"))["data"], json!([]));
    assert_eq!(bench.get(&format!("~/services/{service}/stack"))["id"], id.as_str());
    bench.ask(&format!("GET ~/stacks/{id}/nonsense"), Value::Null, 404);
}
