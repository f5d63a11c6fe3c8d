//! Volume templates, settings, pull tasks, and the types that are only there to be looked into.

use std::collections::BTreeMap;

use drover_api::{Pull, PullProgress, Then};
use drover_core::Grant;
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, some};

#[test]
fn a_stack_declares_volumes() {
    let mut bench = Bench::new(0);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201)["id"].clone();
    let body = json!({
        "name": "data", "stackId": stack, "driver": "local", "driverOpts": { "size": 1 },
        "perContainer": true, "links": null,
    });
    let made = bench.ask("POST ~/volumetemplates", body.clone(), 201);
    let names =
        ["type", "state", "name", "stackId", "driver", "driverOpts", "external", "perContainer"];
    insta::assert_json_snapshot!(some(&made, &names), @r#"
    {
      "type": "volumeTemplate",
      "state": "active",
      "name": "data",
      "stackId": "1st2",
      "driver": "local",
      "driverOpts": {
        "size": "1"
      },
      "external": false,
      "perContainer": true
    }
    "#);
    let stack = stack.as_str().unwrap();
    let found = bench.one(&format!("~/volumetemplates?name=data&stackId={stack}"));
    assert_eq!(found["id"], made["id"]);
    let error = bench.ask("POST ~/volumetemplates", body, 422);
    assert_eq!(error["message"], "stack s declares a volume data already");
    let error = bench.ask("POST ~/volumetemplates", json!({ "name": "x", "stackId": "1st9" }), 422);
    assert_eq!(error["fieldName"], "stackId");
    let url = format!("~/volumetemplates/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.ask(&format!("DELETE {url}"), Value::Null, 200)["state"], "removed");
    assert_eq!(bench.get(&url)["state"], "removed");
}

#[test]
fn settings_have_bare_names() {
    let mut bench = Bench::new(0);
    insta::assert_json_snapshot!(bench.get("~/settings/lb.instance.image"), @r#"
    {
      "id": "1as!lb.instance.image",
      "type": "setting",
      "baseType": "setting",
      "name": "lb.instance.image",
      "value": "rancher/lb-service-haproxy:v0.9.14",
      "activeValue": "rancher/lb-service-haproxy:v0.9.14",
      "inDb": false,
      "source": "Code Packaged Defaults",
      "links": {
        "self": "http://h/v2-beta/projects/1a1/settings/1as!lb.instance.image"
      },
      "actions": {}
    }
    "#);
    assert_eq!(bench.get("~/activesettings/1as!api.host")["value"], "");
    bench.ask("GET ~/settings/rancher.compose.version", Value::Null, 200);
    bench.ask("GET ~/settings/no.such", Value::Null, 404);
    let url = "PUT /v2-beta/settings/api.host";
    let set = bench.ask(url, json!({ "value": "http://me" }), 200);
    let shown = some(&set, &["value", "activeValue", "inDb", "source"]);
    assert_eq!(
        shown,
        json!({ "value": "http://me", "activeValue": "http://me", "inDb": true, "source": "Database" })
    );
    bench.grant = Grant::Project(PROJECT);
    assert_eq!(bench.ask(url, json!({ "value": "x" }), 403)["code"], "Forbidden");
}

#[test]
fn drovers_own_settings_are_hidden() {
    let mut bench = Bench::new(0);
    let set = drover_core::Change::SetSetting {
        name: drover_core::CLUSTER_SETTING.into(),
        value: Some("cluster-one".into()),
    };
    bench.commit(&[set]).unwrap();
    assert!(!bench.get("/v2-beta/settings")["data"].to_string().contains("cluster-one"));
    let url = format!("/v2-beta/settings/{}", drover_core::CLUSTER_SETTING);
    bench.ask(&format!("GET {url}"), Value::Null, 404);
    bench.ask(&format!("PUT {url}"), json!({ "value": "mine" }), 404);
}

#[test]
fn a_pull_is_the_servers_to_carry_out() {
    let mut bench = Bench::new(0);
    let body = json!({ "image": "docker:busybox:1", "mode": "cached", "labels": { "gpu": "yes" } });
    bench.ask("POST ~/pulltasks", body, 200);
    let want = Then::Pull {
        project: PROJECT,
        image: "busybox:1".into(),
        labels: BTreeMap::from([("gpu".into(), "yes".into())]),
        only_if_present: true,
    };
    assert_eq!(bench.then, Some(want));
    bench.ask("POST ~/pulltasks", json!({}), 422);
    let error = bench.ask("POST ~/pulltasks", json!({ "image": "x", "mode": "some" }), 422);
    assert_eq!(error["message"], "`mode`: `some` is none of all, cached");
}

#[test]
fn a_pull_is_followed_by_its_id() {
    let mut bench = Bench::new(0);
    let mut check = |progress, said: &str, want: Value| {
        bench.pulls = vec![Pull {
            id: 7,
            project: PROJECT,
            image: "busybox".into(),
            labels: BTreeMap::new(),
            only_if_present: false,
            status: BTreeMap::from([("h1".into(), "Done".into()), ("h2".into(), said.into())]),
            progress,
            created_at: bench.now,
        }];
        let shown = bench.get("~/pulltasks/1go7");
        let names = ["state", "transitioning", "transitioningMessage"];
        let got: Vec<Value> = names.iter().map(|name| shown[*name].clone()).collect();
        assert_eq!(Value::from(got), want);
        assert_eq!(shown["status"]["h2"], said);
    };
    check(PullProgress::Pulling, "Pulling", json!(["activating", "yes", "In Progress"]));
    check(PullProgress::Done, "Done", json!(["active", "no", null]));
    check(PullProgress::Failed, "no such image", json!(["active", "error", "h2: no such image"]));
}

#[test]
fn clients_may_look_into_types_that_are_empty() {
    let mut bench = Bench::new(0);
    for plural in
        ["volumes", "machines", "projectMembers", "mounts", "snapshots", "auditLogs", "identities"]
    {
        assert_eq!(bench.get(&format!("~/{plural}"))["data"], json!([]), "{plural}");
        bench.ask(&format!("GET ~/{plural}/1x5"), Value::Null, 404);
    }
    let error = bench.ask("POST ~/machines", json!({ "hostname": "h" }), 405);
    assert!(error["message"].as_str().unwrap().contains("registrationToken"), "{error}");
    let found = bench.one("/v2-beta/projecttemplates?isPublic=true&name=cattle&sort=created");
    assert_eq!((&found["id"], &found["name"]), (&json!("1pt1"), &json!("Cattle")));
}

#[test]
fn clients_have_compose_services_translated() {
    let mut bench = Bench::new(0);
    let body = json!({ "Name": "/app", "Config": { "Image": "nginx" }, "HostConfig": {} });
    let answer = bench.ask("POST ~/scripts/transform", body.clone(), 200);
    assert_eq!(answer["imageUuid"], "docker:nginx");
    // Hashed by clients as it is: an id, links or actions would make every service look changed.
    assert_eq!(answer, drover_api::transform(&body).unwrap());
    let error = bench.ask("POST ~/scripts/transform", json!({ "Config": 1 }), 422);
    assert_eq!(error["message"], "`Config` must be an object");
}
