//! Services: what is refused and what is shown.

use drover_api::Event;
use drover_core::Time;
use drover_core::protocol::HostEvent;
use serde_json::{Value, json};

use crate::bench::{Bench, some};
use crate::one::One;

#[test]
fn a_new_service() {
    let mut one = One::new(0);
    let body = one.body("app", &json!({ "metadata": { "a": [1, 2.5] }, "scale": 2 }));
    let made = one.bench.ask("POST ~/services", body, 201);
    insta::assert_json_snapshot!(made, @r#"
    {
      "id": "1s3",
      "type": "service",
      "baseType": "service",
      "kind": "service",
      "name": "app",
      "description": null,
      "state": "registering",
      "transitioning": "yes",
      "transitioningMessage": "In Progress",
      "transitioningProgress": null,
      "healthState": "unhealthy",
      "uuid": "7be77326-cb6b-8047-a8ab-64c0a0bbbea3",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "stackId": "1st2",
      "scale": 2,
      "currentScale": 0,
      "causes": [],
      "dependsOn": [],
      "rebalance": null,
      "instanceIds": [],
      "publicEndpoints": [],
      "linkedServices": null,
      "launchConfig": {
        "type": "launchConfig",
        "kind": "container",
        "imageUuid": "docker:nginx:1",
        "labels": {},
        "networkMode": "managed",
        "version": "1"
      },
      "secondaryLaunchConfigs": null,
      "metadata": {
        "a": [
          1,
          2.5
        ]
      },
      "upgrade": null,
      "lastUpgrade": null,
      "lbConfig": null,
      "selectorLink": null,
      "selectorContainer": null,
      "retainIp": false,
      "startOnCreate": false,
      "createIndex": 0,
      "system": false,
      "fqdn": null,
      "vip": null,
      "externalId": null,
      "assignServiceIpAddress": false,
      "scalePolicy": null,
      "links": {
        "self": "http://h/v2-beta/projects/1a1/services/1s3",
        "account": "http://h/v2-beta/projects/1a1/services/1s3/account",
        "consumedbyservices": "http://h/v2-beta/projects/1a1/services/1s3/consumedbyservices",
        "consumedservices": "http://h/v2-beta/projects/1a1/services/1s3/consumedservices",
        "instances": "http://h/v2-beta/projects/1a1/services/1s3/instances",
        "revisions": "http://h/v2-beta/projects/1a1/services/1s3/revisions",
        "serviceExposeMaps": "http://h/v2-beta/projects/1a1/services/1s3/serviceexposemaps",
        "serviceLogs": "http://h/v2-beta/projects/1a1/services/1s3/servicelogs",
        "stack": "http://h/v2-beta/projects/1a1/services/1s3/stack",
        "containerStats": "http://h/v2-beta/projects/1a1/services/1s3/containerstats"
      },
      "actions": {
        "remove": "http://h/v2-beta/projects/1a1/services/1s3/?action=remove",
        "setservicelinks": "http://h/v2-beta/projects/1a1/services/1s3/?action=setservicelinks",
        "addservicelink": "http://h/v2-beta/projects/1a1/services/1s3/?action=addservicelink",
        "removeservicelink": "http://h/v2-beta/projects/1a1/services/1s3/?action=removeservicelink"
      }
    }
    "#);
}

#[test]
fn what_is_refused() {
    let mut one = One::new(1);
    let app = one.make(
        "app",
        &json!({ "secondaryLaunchConfigs": [
            { "name": "helper", "imageUuid": "docker:busybox" }
        ]}),
    );
    for (kind, body, field, code) in [
        ("services", json!({ "stackId": one.stack }), "name", "MissingRequired"),
        ("services", json!({ "name": "x" }), "stackId", "MissingRequired"),
        (
            "services",
            json!({ "name": "x", "stackId": "1st99", "launchConfig": { "imageUuid": "docker:x" } }),
            "stackId",
            "InvalidReference",
        ),
        (
            "services",
            json!({ "name": "x", "stackId": one.stack }),
            "launchConfig",
            "MissingRequired",
        ),
        ("services", one.body("a_b", &json!({})), "name", "InvalidCharacters"),
        ("services", one.body("App", &json!({})), "name", "NotUnique"),
        ("services", one.body("helper", &json!({})), "name", "NotUnique"),
        ("services", one.body("x", &json!({ "scale": -1 })), "scale", "MinLimitExceeded"),
        ("services", one.body("x", &json!({ "scale": "many" })), "scale", "InvalidFormat"),
        ("services", one.body("x", &json!({ "metadata": "m" })), "metadata", "InvalidFormat"),
        (
            "services",
            one.body(
                "x",
                &json!({ "launchConfig": { "imageUuid": "docker:x", "labels": {
            "io.rancher.scheduler.affinity:nonsense": "a=b" } } }),
            ),
            "labels",
            "InvalidOption",
        ),
        (
            "externalservices",
            one.body("x", &json!({ "externalIpAddresses": ["nowhere"] })),
            "externalIpAddresses",
            "InvalidFormat",
        ),
        (
            "loadbalancerservices",
            one.body(
                "x",
                &json!({ "lbConfig": { "portRules": [
            { "sourcePort": 80, "serviceId": "1s99", "targetPort": 80 } ] } }),
            ),
            "serviceId",
            "InvalidReference",
        ),
    ] {
        let before = one.bench.world.revision;
        let error = one.bench.ask(&format!("POST ~/{kind}"), body.clone(), 422);
        assert_eq!(
            some(&error, &["fieldName", "code"]),
            json!({ "fieldName": field, "code": code }),
            "{body}"
        );
        assert_eq!(one.bench.world.revision, before);
    }
    let links = json!({ "serviceLinks": [{ "serviceId": app }] });
    let error = one.act(&app, "setservicelinks", links, 422);
    assert_eq!(error["code"], "InvalidReference", "a link to itself");
}

#[test]
fn start_on_create() {
    let mut one = One::new(1);
    let id = one.make("app", &json!({ "startOnCreate": true }));
    assert_eq!(one.state(&id), "activating");
    one.bench.settle();
    assert_eq!(one.state(&id), "active");
}

#[test]
fn what_stands_in_the_way_is_the_message() {
    let mut one = One::new(0);
    let id = one.make("app", &json!({ "startOnCreate": true }));
    one.bench.plan();
    let app = one.see(&id);
    assert_eq!(
        some(&app, &["state", "transitioning"]),
        json!({ "state": "activating", "transitioning": "error" })
    );
    let message = app["transitioningMessage"].as_str().unwrap();
    assert!(message.contains("host"), "{message}");
}

#[test]
fn a_healing_service_stays_active() {
    let mut one = One::new(2);
    let id = one.run("app", &json!({ "scale": 2 }));
    one.bench.ask(&format!("PUT ~/services/{id}"), json!({ "scale": 4 }), 200);
    one.bench.plan();
    let app = one.see(&id);
    let want = json!({ "state": "active", "transitioning": "no", "healthState": "degraded", "currentScale": 2 });
    assert_eq!(some(&app, &["state", "transitioning", "healthState", "currentScale"]), want);
}

#[test]
fn a_service_can_be_removed_in_every_state() {
    let upgrade =
        json!({ "inServiceStrategy": { "launchConfig": { "imageUuid": "docker:nginx:2" } } });
    let restart = json!({ "rollingRestartStrategy": {} });
    for (ways, state) in [
        (&[][..], "registering"),
        (&["settle"], "inactive"),
        (&["settle", "activate"], "activating"),
        (&["settle", "activate", "settle"], "active"),
        (&["settle", "activate", "settle", "restart"], "restarting"),
        (&["settle", "activate", "settle", "deactivate"], "deactivating"),
        (&["settle", "activate", "settle", "upgrade"], "upgrading"),
        (&["settle", "activate", "settle", "upgrade", "rollback"], "rolling-back"),
        (&["settle", "activate", "settle", "upgrade", "cancelupgrade"], "canceling-upgrade"),
        (
            &["settle", "activate", "settle", "upgrade", "cancelupgrade", "settle"],
            "canceled-upgrade",
        ),
        (&["settle", "activate", "settle", "upgrade", "settle"], "upgraded"),
        (
            &["settle", "activate", "settle", "upgrade", "settle", "finishupgrade"],
            "finishing-upgrade",
        ),
    ] {
        let mut one = One::new(1);
        let id = one.make("app", &json!({ "scale": 2 }));
        for way in ways {
            let body = match *way {
                "upgrade" => upgrade.clone(),
                "restart" => restart.clone(),
                _ => Value::Null,
            };
            if *way == "settle" {
                one.bench.settle();
            } else {
                one.act(&id, way, body, 202);
            }
        }
        assert_eq!(one.state(&id), state);
        one.bench.ask(&format!("PUT ~/services/{id}"), json!({ "scale": 3 }), 200);
        one.act(&id, "remove", Value::Null, 202);
        one.bench.settle();
        assert_eq!(one.state(&id), "removed", "from {state}");
        assert_eq!(one.bench.units(&id), [""; 0], "from {state}");
    }
}

#[test]
fn an_unknown_action_is_not_an_unavailable_one() {
    let mut one = One::new(1);
    let id = one.run("app", &Value::Null);
    assert_eq!(one.act(&id, "explode", Value::Null, 422)["code"], "InvalidAction");
    let error = one.act(&id, "finishupgrade", Value::Null, 422);
    insta::assert_snapshot!(error["message"].as_str().unwrap().replace(&id, "1s#"), @"`finishupgrade` is not available on service app (1s#), which is active: no upgrade of it is in progress or waits for a decision. Available: deactivate, update, upgrade, rollback, restart, remove, setservicelinks, addservicelink, removeservicelink");
}

#[test]
fn links_are_set_added_and_removed() {
    let mut one = One::new(0);
    let (app, db) = (one.make("app", &Value::Null), one.make("db", &Value::Null));
    let link = |name: &str| json!({ "serviceLink": { "serviceId": db, "name": name } });
    let got = one.act(&app, "addservicelink", link("store"), 200);
    assert_eq!(got["linkedServices"], json!({ "store": db }));
    let before = one.bench.world.revision;
    one.act(&app, "addservicelink", link("store"), 200);
    assert_eq!(one.bench.world.revision, before, "it is there already");
    one.act(&app, "addservicelink", link("db"), 200);
    assert_eq!(one.see(&app)["linkedServices"], json!({ "store": db, "db": db }));
    let map = one.bench.get(&format!("~/serviceconsumemaps?serviceId={app}&sort=name"));
    let names: Vec<&Value> =
        map["data"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["db", "store"]);
    assert_eq!(one.bench.one(&format!("~/services/{db}/consumedbyservices"))["id"], app.as_str());
    assert_eq!(one.bench.one(&format!("~/services/{app}/consumedservices"))["id"], db.as_str());
    one.act(&app, "removeservicelink", link("store"), 200);
    assert_eq!(one.see(&app)["linkedServices"], json!({ "db": db }));
    one.act(&app, "setservicelinks", Value::Null, 200);
    assert_eq!(one.see(&app)["linkedServices"], Value::Null);
}

#[test]
fn what_happened_is_in_the_service_log() {
    let mut one = One::new(1);
    let id = one.run("app", &Value::Null);
    let (unit, host) = one.bench.world.units.values().map(|u| (u.key, u.host)).next().unwrap();
    let event = |number: u64, text: &str| Event {
        id: number,
        host,
        event: HostEvent { number, at: Time(1_700_000_000_000), unit, text: text.into() },
    };
    one.bench.events = vec![event(2, "app-1 is back"), event(1, "app-1 exited with code 137")];
    let log = one.bench.get("~/servicelogs?sort=id&order=desc&limit=100");
    let told = log["data"].as_array().unwrap().iter().map(|row| &row["description"]);
    assert_eq!(told.collect::<Vec<_>>(), ["app-1 is back", "app-1 exited with code 137"]);
    let first = one.bench.get("~/servicelogs/1sl1");
    assert_eq!(first["serviceId"], id.as_str());
    assert_eq!(first["instanceId"], one.see(&id)["instanceIds"][0]);
    assert_eq!(
        one.bench.get(&format!("~/services/{id}/servicelogs"))["data"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_link_to_what_was_removed_is_not_shown() {
    let mut one = One::new(0);
    let (app, db) = (one.make("app", &Value::Null), one.make("db", &Value::Null));
    one.act(&app, "setservicelinks", json!({ "serviceLinks": [{ "serviceId": db }] }), 200);
    one.bench.ask(&format!("DELETE ~/services/{db}"), Value::Null, 200);
    assert_eq!(one.see(&app)["linkedServices"], Value::Null);
    assert_eq!(one.bench.get("~/serviceconsumemaps")["data"], json!([]));
}

#[test]
fn a_kind_is_found_in_its_own_collection_and_in_all_services() {
    let mut one = One::new(0);
    let body = one.body("out", &json!({ "hostname": "db.example.com", "launchConfig": null }));
    let made = one.bench.ask("POST ~/externalservices", body, 201);
    assert_eq!(
        some(&made, &["type", "baseType", "hostname"]),
        json!({ "type": "externalService", "baseType": "service", "hostname": "db.example.com" })
    );
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        made["links"]["self"],
        format!("http://h/v2-beta/projects/1a1/externalservices/{id}")
    );
    assert_eq!(one.bench.one("~/services")["type"], "externalService");
    assert_eq!(one.bench.one("~/externalservices")["id"], id);
    one.bench.ask(&format!("GET ~/dnsservices/{id}"), Value::Null, 404);
    one.bench.ask(&format!("DELETE ~/services/{id}"), Value::Null, 200);
    assert_eq!(one.bench.get(&format!("~/externalservices/{id}"))["state"], "removed");
}

#[test]
fn what_is_outside_has_a_check_of_its_own() {
    let mut one = One::new(0);
    let check =
        |port: u16| json!({ "port": port, "interval": 1000, "requestLine": "GET / HTTP/1.0" });
    let body = json!({ "externalIpAddresses": ["192.0.2.1"], "healthCheck": check(80) });
    let made = one.bench.ask("POST ~/externalservices", one.body("out", &body), 201);
    assert_eq!(made["healthCheck"]["port"], 80);
    assert_eq!(made["healthCheck"]["requestLine"], "GET / HTTP/1.0");
    let path = format!("~/externalservices/{}", made["id"].as_str().unwrap());
    let put = format!("PUT {path}");
    let changed = one.bench.ask(&put, json!({ "healthCheck": check(81) }), 200);
    assert_eq!(changed["healthCheck"]["port"], 81);
    let kept = one.bench.ask(&put, json!({ "externalIpAddresses": ["192.0.2.2"] }), 200);
    assert_eq!(kept["healthCheck"]["port"], 81, "what is not named stays");
    let gone = one.bench.ask(&put, json!({ "healthCheck": null }), 200);
    assert_eq!(gone["healthCheck"], Value::Null);
    one.bench.ask(&put, json!({ "healthCheck": { "interval": 5 } }), 422);
}

#[test]
fn balancer_rules_change_without_an_upgrade() {
    let mut one = One::new(1);
    let app = one.run("app", &Value::Null);
    let rule = |port: u16| json!({ "portRules": [{ "sourcePort": port, "serviceId": app, "targetPort": 80 }] });
    let body = one.body(
        "lb",
        &json!({ "launchConfig": { "imageUuid": "docker:rancher/lb", "ports": ["80:80"] },
                                       "lbConfig": rule(80) }),
    );
    let lb =
        one.bench.ask("POST ~/loadbalancerservices", body, 201)["id"].as_str().unwrap().to_owned();
    let got = one.bench.ask(
        &format!("PUT ~/loadbalancerservices/{lb}"),
        json!({ "lbConfig": rule(81) }),
        200,
    );
    assert_eq!(got["lbConfig"]["portRules"][0]["sourcePort"], 81);
    assert_eq!(got["launchConfig"]["version"], "1");
    // The target goes; an edit that leaves the rule alone still works.
    one.bench.ask(&format!("DELETE ~/services/{app}"), Value::Null, 200);
    let whole = json!({ "description": "d", "lbConfig": rule(81) });
    one.bench.ask(&format!("PUT ~/loadbalancerservices/{lb}"), whole, 200);
}

#[test]
fn a_scale_that_is_found_out_is_not_its_users_to_set() {
    let mut bench = Bench::new(2);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let config = json!({ "imageUuid": "docker:db" });
    let body = |policy: Value| {
        json!({
            "name": "db", "stackId": stack["id"], "startOnCreate": true, "launchConfig": config,
            "scale": 9, "scalePolicy": policy,
        })
    };
    let error = bench.ask("POST ~/services", body(json!({ "min": 3, "max": 2 })), 422);
    assert_eq!(error["code"], "MaxLimitExceeded");
    bench.ask("POST ~/services", body(json!({ "min": 0 })), 422);
    let made =
        bench.ask("POST ~/services", body(json!({ "min": 1, "max": "5", "increment": 2 })), 201);
    let url = format!("PUT ~/services/{}", made["id"].as_str().unwrap());
    let policy = json!({ "min": 1, "max": 5, "increment": 2 });
    assert_eq!((&made["scale"], &made["scalePolicy"]), (&json!(1), &policy));
    bench.settle();
    assert_eq!(bench.one("~/services")["scale"], 5);
    // What clients send back is no edit.
    let same = bench.ask(&url, json!({ "scale": 2 }), 200);
    assert_eq!(same["scale"], 5);
    bench.ask(&url, json!({ "scalePolicy": { "min": 1, "max": 2 } }), 200);
    bench.settle();
    assert_eq!(bench.one("~/services")["scale"], 2);
    let none = bench.ask(&url, json!({ "scalePolicy": null }), 200);
    assert_eq!((&none["scale"], &none["scalePolicy"]), (&json!(2), &Value::Null));
    assert_eq!(bench.ask(&url, json!({ "scale": 3 }), 200)["scale"], 3);
    // Both at once: who takes the policy away sets the scale again.
    bench.ask(&url, json!({ "scalePolicy": policy }), 200);
    let set = bench.ask(&url, json!({ "scale": 4, "scalePolicy": null }), 200);
    assert_eq!((&set["scale"], &set["scalePolicy"]), (&json!(4), &Value::Null));
    let mut global = body(policy.clone());
    global["name"] = json!("logs");
    global["launchConfig"]["labels"] = json!({ "io.rancher.scheduler.global": "true" });
    assert_eq!(bench.ask("POST ~/services", global.clone(), 422)["fieldName"], "scalePolicy");
    global["scalePolicy"] = Value::Null;
    let logs = bench.ask("POST ~/services", global, 201);
    let url = format!("PUT ~/services/{}", logs["id"].as_str().unwrap());
    assert_eq!(bench.ask(&url, json!({ "scalePolicy": policy }), 422)["fieldName"], "scalePolicy");
}

#[test]
fn what_a_service_waits_for() {
    let mut one = One::new(0);
    let db = one.make("db", &Value::Null);
    let need = |id: &str, condition: &str| json!({ "serviceId": id, "condition": condition });
    let web = one.make("web", &json!({ "dependsOn": [need(&db, "service_healthy")] }));
    assert_eq!(one.see(&web)["dependsOn"], json!([need(&db, "service_healthy")]));
    let mut put = |id: &str, needs: Value, status| {
        let body = json!({ "dependsOn": needs });
        one.bench.ask(&format!("PUT ~/services/{id}"), body, status)
    };
    for (id, needs, why) in [
        (&db, json!([{ "serviceId": web }]), "db would wait for itself by way of web"),
        (&db, json!([{ "serviceId": db }]), "db would wait for itself by way of db"),
        (&web, json!([{ "serviceId": "1s999" }]), "there is no service 1s999 in its stack"),
        (&web, json!([need(&db, "service_happy")]), "is none of service_started, service_"),
    ] {
        let refused = put(id, needs, 422);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    let shown = put(&web, json!([{ "serviceId": db }, { "serviceId": db }]), 200);
    assert_eq!(
        shown["dependsOn"],
        json!([need(&db, "service_started")]),
        "once, and as Compose has it"
    );
    // One that is gone is not shown, nor refused when a client sends it back.
    one.bench.ask(&format!("DELETE ~/services/{db}"), Value::Null, 200);
    assert_eq!(one.see(&web)["dependsOn"], json!([]));
    let body = json!({ "dependsOn": [need(&db, "service_healthy")] });
    one.bench.ask(&format!("PUT ~/services/{web}"), body, 200);
}

#[test]
fn what_clients_say_of_a_service_comes_back() {
    let mut one = One::new(1);
    let said =
        json!({ "externalId": "tool/7", "vip": "10.43.0.7", "assignServiceIpAddress": true });
    let id = one.make("web", &said);
    assert_eq!(some(&one.see(&id), &["externalId", "vip", "assignServiceIpAddress"]), said);
    // They are said when it is made.
    one.bench.ask(&format!("PUT ~/services/{id}"), json!({ "externalId": "x", "vip": null }), 200);
    assert_eq!(some(&one.see(&id), &["externalId", "vip", "assignServiceIpAddress"]), said);
    let plain = one.make("plain", &Value::Null);
    let none = json!({ "externalId": null, "vip": null, "assignServiceIpAddress": false });
    assert_eq!(some(&one.see(&plain), &["externalId", "vip", "assignServiceIpAddress"]), none);
}
