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
      "removeTimeTS": null,
      "serviceIds": [],
      "system": false,
      "externalId": null,
      "previousExternalId": null,
      "environment": {},
      "previousEnvironment": null,
      "answers": {},
      "templates": {},
      "outputs": null,
      "group": null,
      "startOnCreate": false,
      "dockerCompose": null,
      "rancherCompose": null,
      "links": {
        "self": "http://h/v2-beta/projects/1a1/stacks/1st2",
        "account": "http://h/v2-beta/projects/1a1/stacks/1st2/account",
        "services": "http://h/v2-beta/projects/1a1/stacks/1st2/services",
        "composeConfig": "http://h/v2-beta/projects/1a1/stacks/1st2/composeconfig"
      },
      "actions": {
        "upgrade": "http://h/v2-beta/projects/1a1/stacks/1st2/?action=upgrade",
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
        (json!({ "name": "x", "dockerCompose": "web: {}" }), "InvalidFormat"),
        (json!({ "name": "x", "rancherCompose": "web: {}" }), "MissingRequired"),
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
fn texts_are_kept_as_given_and_their_mistakes_are_the_answer() {
    let mut bench = Bench::new(0);
    let docker = "web:\n  image: nginx:${TAG}\n";
    let body = json!({ "name": "shop", "dockerCompose": docker, "rancherCompose": "web: {scale: 2}",
                       "environment": { "TAG": "1" }, "answers": { "N": 2 }, "startOnCreate": true,
                       "templates": { "README.md": "r" }, "externalId": "catalog://l:w:0" });
    let made = bench.ask("POST ~/stacks", body.clone(), 201);
    for name in ["dockerCompose", "rancherCompose", "environment", "templates", "externalId"] {
        assert_eq!(made[name], body[name], "{name}");
    }
    assert_eq!(made["answers"], json!({ "N": "2" }));
    assert_eq!(
        some(&made, &["state", "transitioning"]),
        json!({ "state": "activating", "transitioning": "yes" })
    );
    let id = made["id"].as_str().unwrap();
    let config = bench.ask(&format!("POST ~/stacks/{id}/?action=exportconfig"), json!({}), 200);
    assert_eq!(config["dockerComposeConfig"], docker);
    assert_eq!(config["rancherComposeConfig"], "web: {scale: 2}");
    for (body, field, says) in [
        (
            json!({ "dockerCompose": "version: '2'\nservices:\n  web:\n    imagee: a\n" }),
            "dockerCompose",
            "docker-compose.yml:4:",
        ),
        (
            json!({ "dockerCompose": docker, "rancherCompose": "web:\n  scale: many\n" }),
            "rancherCompose",
            "rancher-compose.yml:2:",
        ),
        (
            json!({ "dockerCompose": "web:\n  image: a\n  env_file: x.env\n" }),
            "dockerCompose",
            "put x.env among its `templates`",
        ),
    ] {
        let mut body = body;
        body["name"] = json!("other");
        let error = bench.ask("POST ~/stacks", body, 422);
        assert_eq!((&error["code"], &error["fieldName"]), (&json!("InvalidFormat"), &json!(field)));
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
    let with_file = json!({ "name": "other", "templates": {
        "docker-compose.yml": "web:\n  image: a\n  env_file: x.env\n", "x.env": "A=1\n",
    }});
    let made = bench.ask("POST ~/stacks", with_file, 201);
    let url = format!("POST ~/stacks/{}/?action=exportconfig", made["id"].as_str().unwrap());
    let config = bench.ask(&url, json!({}), 200);
    assert_eq!(config["dockerComposeConfig"], "web:\n  image: a\n  env_file: x.env\n");
}

#[test]
fn templates_are_filled_in_with_answers_and_the_defaults_of_questions() {
    let mut bench = Bench::new(0);
    let docker = "{{- if eq .Values.kind \"front\" }}\nweb:\n  image: nginx:${tag}\n{{- else }}\n{{ .Stack.Name }}:\n  \
                  image: {{ .Values.image }}\n{{- end }}\n";
    let rancher = ".catalog:\n  version: v2\n  questions:\n  - {variable: tag, default: 7}\n  - {variable: kind, \
                   default: front}\n{{ .Stack.Name }}:\n  scale: 1\n";
    let images = |bench: &Bench, id: &str| {
        let id = drover_core::StackId(drover_api::Kind::Stack.parse(id).unwrap());
        let spec = drover_api::stack_spec(&bench.world, &bench.world.stacks[&id]).unwrap();
        let one = |service: &drover_compose::ServiceSpec| {
            format!("{}={}", service.name, service.template.primary.image)
        };
        spec.services.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let body = json!({ "name": "shop", "dockerCompose": docker, "rancherCompose": rancher });
    let id = make(&mut bench, body.clone());
    assert_eq!(images(&bench, &id), "web=nginx:7");
    end(&mut bench, &id, Ok(()));
    assert_eq!(bench.get(&format!("~/stacks/{id}"))["dockerCompose"], docker, "kept as given");
    let next = json!({ "environment": { "kind": "back" }, "answers": { "kind": "front", "image": "a:1" } });
    bench.ask(&format!("POST ~/stacks/{id}/?action=upgrade"), next, 202);
    assert_eq!(images(&bench, &id), "shop=a:1");
    for (docker, says) in [
        ("web:\n  image: {{ nope }}\n", "docker-compose.yml:2:13: there is no function `nope`"),
        ("{{ if true }}\nweb: 5\n{{ end }}\n", "after its templates were filled in"),
        ("# notemplating\nweb:\n  image: {{ .x }}\n", "docker-compose.yml:3:"),
    ] {
        let error =
            bench.ask("POST ~/stacks", json!({ "name": "bad", "dockerCompose": docker }), 422);
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
}

/// The stack's rollout has ended.
pub(crate) fn end(bench: &mut Bench, id: &str, outcome: Result<(), String>) {
    let id = drover_core::StackId(drover_api::Kind::Stack.parse(id).unwrap());
    let held = &bench.world.stacks[&id];
    let ended = held.ended(held.rollout.as_ref().unwrap(), outcome, bench.now).unwrap();
    bench.commit(&[Change::PutStack(ended)]).unwrap();
}

#[test]
fn an_upgrade_replaces_the_texts_and_a_rollback_brings_them_back() {
    let mut bench = Bench::new(0);
    let one = json!({ "dockerCompose": "web:\n  image: a:1\n", "rancherCompose": "web: {scale: 1}",
                      "environment": { "A": "1" }, "externalId": "catalog://l:w:0" });
    let mut first = one.clone();
    first["name"] = json!("shop");
    let id = make(&mut bench, first);
    let url = format!("~/stacks/{id}");
    let act = |action: &str| format!("POST {url}/?action={action}");
    bench.ask(&act("upgrade"), one.clone(), 422);
    end(&mut bench, &id, Ok(()));
    assert_eq!(bench.get(&url)["state"], "active");
    for action in ["finishupgrade", "rollback", "cancelupgrade"] {
        bench.ask(&act(action), json!({}), 422);
    }
    let bad = json!({ "dockerCompose": "web:\n  imagee: a\n" });
    bench.ask(&act("upgrade"), bad, 422);
    assert_eq!(bench.get(&url)["dockerCompose"], one["dockerCompose"], "nothing was changed");

    // As Terraform does: the whole stack first, of which the texts don't count; then the upgrade.
    let two = json!({ "dockerCompose": "web:\n  image: a:2\n", "externalId": "catalog://l:w:1" });
    bench.ask(&format!("PUT {url}"), json!({ "dockerCompose": "x", "environment": [] }), 200);
    let going = bench.ask(&act("upgrade"), two.clone(), 202);
    assert_eq!((&going["state"], &going["transitioning"]), (&json!("upgrading"), &json!("yes")));
    assert_eq!(going["previousExternalId"], "catalog://l:w:0");
    assert_eq!(going["previousEnvironment"], json!({ "A": "1" }));
    assert_eq!((&going["rancherCompose"], &going["environment"]), (&Value::Null, &json!({})));
    end(&mut bench, &id, Ok(()));
    assert_eq!(bench.get(&url)["state"], "upgraded");

    let going = bench.ask(&act("rollback"), json!({}), 202);
    assert_eq!(going["state"], "rolling-back");
    end(&mut bench, &id, Ok(()));
    let back = bench.get(&url);
    for (name, value) in one.as_object().unwrap() {
        assert_eq!(&back[name], value, "{name}");
    }
    assert_eq!((&back["state"], &back["previousExternalId"]), (&json!("active"), &Value::Null));

    bench.ask(&act("upgrade"), two.clone(), 202);
    end(&mut bench, &id, Ok(()));
    let going = bench.ask(&act("finishupgrade"), json!({}), 202);
    assert_eq!(going["state"], "finishing-upgrade");
    assert!(going["actions"].get("cancelupgrade").is_some(), "{going}");
    end(&mut bench, &id, Ok(()));
    let kept = bench.get(&url);
    assert_eq!((&kept["state"], &kept["dockerCompose"]), (&json!("active"), &two["dockerCompose"]));
    // Other values for the same files.
    bench.ask(&act("upgrade"), json!({ "environment": { "B": "2" } }), 202);
    let kept = bench.get(&url);
    assert_eq!(
        (&kept["environment"], &kept["dockerCompose"]),
        (&json!({ "B": "2" }), &two["dockerCompose"])
    );
}

#[test]
fn an_upgrade_that_failed_says_why_and_keeps_the_way_back() {
    let mut bench = Bench::new(0);
    let id = make(&mut bench, json!({ "name": "shop", "dockerCompose": "web:\n  image: a:1\n" }));
    end(&mut bench, &id, Ok(()));
    let url = format!("~/stacks/{id}");
    let act = |action: &str| format!("POST {url}/?action={action}");
    for tag in [2, 3] {
        let next = json!({ "dockerCompose": format!("web:\n  image: a:{tag}\n") });
        bench.ask(&act("upgrade"), next, 202);
        end(&mut bench, &id, Err("web is stuck: no such image".into()));
        let stuck = bench.get(&url);
        let said = some(&stuck, &["state", "transitioning", "transitioningMessage"]);
        let want = json!({ "state": "error", "transitioning": "error",
                           "transitioningMessage": "web is stuck: no such image" });
        assert_eq!(said, want);
    }
    bench.ask(&act("rollback"), json!({}), 202);
    let back = bench.get(&url);
    assert_eq!(back["dockerCompose"], "web:\n  image: a:1\n", "what was before the first of them");
    bench.ask(&format!("DELETE {url}"), Value::Null, 200);
    assert_eq!(bench.get(&url)["state"], "removed");
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
