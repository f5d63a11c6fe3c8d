//! Projects: made, renamed, removed with everything in them.

use std::collections::BTreeMap;

use drover_api::Then;
use drover_core::Grant;
use drover_core::doctor::diagnose;
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};
use crate::shape::wrong;

#[test]
fn a_project_as_clients_read_it() {
    let mut bench = Bench::new(0);
    let mut shown = bench.get("/v2-beta/projects/1a1");
    let inside = bench.get("~/projects/1a1");
    assert_eq!(inside["name"], shown["name"]);
    shown["links"].take();
    shown["actions"].take();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "1a1",
      "type": "project",
      "baseType": "account",
      "kind": "project",
      "name": "Default",
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": "healthy",
      "uuid": "f26e47db-c1fd-8231-aff7-c8aacb045c9f",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "orchestration": "cattle",
      "projectTemplateId": "1pt1",
      "version": "2",
      "members": [],
      "virtualMachine": false,
      "defaultNetworkId": "1n1",
      "hostRemoveDelaySeconds": null,
      "servicesPortRange": {
        "type": "servicesPortRange",
        "startPort": 49153,
        "endPort": 65535
      },
      "links": null,
      "actions": null
    }
    "#);
}

#[test]
fn names_are_unique_whatever_their_case() {
    let mut bench = Bench::new(0);
    let error = bench.ask("POST /v2-beta/projects", json!({ "name": "default" }), 422);
    assert_eq!((&error["code"], &error["fieldName"]), (&json!("NotUnique"), &json!("name")));
    bench.ask("POST /v2-beta/projects", json!({}), 422);
    let made = bench.ask("POST /v2-beta/projects", json!({ "name": "prod" }), 201);
    let url = format!("PUT /v2-beta/projects/{}", made["id"].as_str().unwrap());
    let edited = bench.ask(&url, json!({ "name": "Prod", "description": "x" }), 200);
    assert_eq!((&edited["name"], &edited["description"]), (&json!("Prod"), &json!("x")));
    bench.ask(&url, json!({ "name": "Default" }), 422);
}

#[test]
fn a_key_of_one_project_neither_makes_nor_removes_any() {
    let mut bench = Bench::new(0);
    bench.grant = Grant::Project(PROJECT);
    assert_eq!(bench.one("/v2-beta/projects")["id"], "1a1");
    bench.ask("POST /v2-beta/projects", json!({ "name": "x" }), 403);
    bench.ask("DELETE /v2-beta/projects/1a1", Value::Null, 403);
}

#[test]
fn removing_a_project_removes_what_is_in_it() {
    let mut bench = Bench::new(1);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let config = json!({ "imageUuid": "docker:x" });
    let service = json!({ "name": "web", "stackId": stack["id"], "launchConfig": config });
    bench.ask("POST ~/services", service, 201);
    let volume = json!({ "name": "data", "stackId": stack["id"] });
    bench.ask("POST ~/volumetemplates", volume, 201);
    bench.ask("POST ~/registries", json!({ "serverAddress": "r:5000" }), 201);
    bench.ask("POST ~/registrationtokens", json!({}), 201);
    bench.settle();
    let gone = bench.ask("DELETE /v2-beta/projects/1a1", Value::Null, 200);
    assert_eq!(gone["state"], "removed");
    bench.settle();
    for list in
        ["stacks", "services", "hosts", "volumetemplates", "registries", "registrationtokens"]
    {
        assert_eq!(bench.get(&format!("~/{list}"))["data"], json!([]), "{list}");
    }
}

#[test]
fn in_an_inactive_project_nothing_is_made_or_changed() {
    let mut bench = Bench::new(1);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201)["id"].clone();
    let config = json!({ "imageUuid": "docker:x" });
    let service = |name: &str| json!({ "name": name, "stackId": stack, "startOnCreate": true, "launchConfig": config });
    let web = bench.ask("POST ~/services", service("web"), 201)["id"].as_str().unwrap().to_owned();
    bench.settle();
    let off = bench.ask("POST /v2-beta/projects/1a1/?action=deactivate", json!({}), 202);
    assert_eq!((&off["state"], &off["transitioning"]), (&json!("inactive"), &json!("no")));
    bench.settle();
    assert_eq!(bench.units(&web), ["1.1 running"], "what runs runs on");
    bench.get(&format!("~/services/{web}"));
    for (request, body) in [
        ("POST ~/services".to_owned(), service("api")),
        ("POST /v2-beta/services".to_owned(), service("api")),
        ("POST ~/stacks".to_owned(), json!({ "name": "t" })),
        ("POST ~/secrets".to_owned(), json!({ "name": "t", "value": "eA==" })),
        ("POST ~/registrationtokens".to_owned(), json!({})),
        (format!("PUT ~/services/{web}"), json!({ "scale": 3 })),
        (format!("POST ~/services/{web}/?action=deactivate"), json!({})),
    ] {
        let said = bench.ask(&request, body, 422);
        assert_eq!(said["code"], "InvalidState", "{request}");
        assert!(
            said["message"].as_str().unwrap().starts_with("project Default is inactive"),
            "{said}"
        );
    }
    bench.ask("PUT /v2-beta/projects/1a1", json!({ "description": "asleep" }), 200);
    bench.ask(&format!("DELETE ~/services/{web}"), Value::Null, 200);
    let on = bench.ask("POST /v2-beta/projects/1a1/?action=activate", json!({}), 202);
    assert_eq!(on["state"], "active");
    bench.ask("POST ~/stacks", json!({ "name": "t" }), 201);
}

#[test]
fn a_project_says_which_ports_are_picked() {
    let mut bench = Bench::new(1);
    let range = json!({ "servicesPortRange": { "startPort": 30000, "endPort": "30001" }, "virtualMachine": true });
    let edited = bench.ask("PUT /v2-beta/projects/1a1", range, 200);
    let shown = json!({ "type": "servicesPortRange", "startPort": 30000, "endPort": 30001 });
    assert_eq!((&edited["servicesPortRange"], &edited["virtualMachine"]), (&shown, &json!(true)));
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201)["id"].clone();
    let config = json!({ "imageUuid": "docker:x", "ports": ["80", "81"] });
    bench.ask(
        "POST ~/services",
        json!({ "name": "web", "stackId": stack, "launchConfig": config }),
        201,
    );
    let picked: Vec<u16> = bench
        .world
        .services
        .values()
        .flat_map(|s| s.picked_ports.iter().map(|p| p.public))
        .collect();
    assert_eq!(picked, [30000, 30001]);
    for bad in [
        json!({ "startPort": 9, "endPort": 8 }),
        json!({ "startPort": 0 }),
        json!({ "endPort": 70000 }),
    ] {
        bench.ask("PUT /v2-beta/projects/1a1", json!({ "servicesPortRange": bad }), 422);
    }
}

#[test]
fn a_host_that_is_away_too_long_for_its_project_is_removed() {
    let mut bench = Bench::new(2);
    let away = *bench.world.hosts.keys().next().unwrap();
    let purge = |bench: &mut Bench| {
        let changes = drover_api::purge(&bench.world, bench.now);
        bench.commit(&changes).unwrap();
        bench.get("~/hosts")["data"].as_array().unwrap().len()
    };
    let mut seen = (*bench.world.seen[&away]).clone();
    (seen.connected, seen.since) = (false, bench.now);
    bench.commit(&[drover_core::Change::SeeHost { host: away, seen: Box::new(seen) }]).unwrap();
    bench.now = bench.now + 600_000;
    assert_eq!(purge(&mut bench), 2, "nobody said so");
    let edited =
        bench.ask("PUT /v2-beta/projects/1a1", json!({ "hostRemoveDelaySeconds": 601 }), 200);
    assert_eq!(edited["hostRemoveDelaySeconds"], 601);
    assert_eq!(purge(&mut bench), 2);
    bench.now = bench.now + 1_000;
    assert_eq!(purge(&mut bench), 1);
    assert_eq!(bench.get(&format!("~/hosts/1h{away}"))["state"], "removed");
    bench.ask("PUT /v2-beta/projects/1a1", json!({ "hostRemoveDelaySeconds": null }), 200);
}

#[test]
fn whoever_sees_a_project_may_ask_how_its_network_is() {
    let mut bench = Bench::new(0);
    bench.grant = Grant::Project(PROJECT);
    bench.request("POST /v2-beta/projects/1a1/?action=networkdoctor", &json!({}));
    assert_eq!(bench.then, Some(Then::DiagnoseNetwork { project: PROJECT }));
    bench.ask("POST /v2-beta/projects/1a9/?action=networkdoctor", json!({}), 404);
}

#[test]
fn a_diagnosis_is_as_its_schema_says() {
    let mut bench = Bench::new(1);
    let diagnosis = diagnose((&bench.world, &bench.world), PROJECT, &BTreeMap::new(), bench.now);
    let mut shown = drover_api::network_diagnosis(&diagnosis);
    let list = bench.get("~/schemas");
    let schemas = list["data"].as_array().unwrap().iter();
    let schemas = schemas.map(|s| (s["id"].as_str().unwrap().into(), s.clone())).collect();
    assert_eq!(wrong(&schemas, &shown), [""; 0]);
    for (part, kind) in [("hosts", "networkDiagnosisHost"), ("findings", "networkFinding")] {
        for one in shown[part].as_array_mut().unwrap() {
            one["type"] = kind.into();
            assert_eq!(wrong(&schemas, one).len(), 0, "{one}");
        }
    }
    assert_eq!(shown["findings"][0]["hostIds"], json!(["1h2"]));
}

/// All units of a service on one of two hosts, the other one empty.
fn crowded() -> Bench {
    let mut bench = Bench::new(2);
    let off = bench.get("~/hosts")["data"][1]["id"].as_str().unwrap().to_owned();
    bench.ask(&format!("POST ~/hosts/{off}/?action=deactivate"), Value::Null, 202);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let service = json!({
        "name": "web", "stackId": stack["id"], "scale": 2, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:nginx" },
    });
    bench.ask("POST ~/services", service, 201);
    bench.settle();
    bench.ask(&format!("POST ~/hosts/{off}/?action=activate"), Value::Null, 202);
    bench
}

const REBALANCE: &str = "POST /v2-beta/projects/1a1/?action=rebalance";

#[test]
fn a_rebalancing_is_shown_first_and_what_was_shown_is_done() {
    let mut bench = crowded();
    let plan = bench.ask(REBALANCE, json!({ "dryRun": true }), 200);
    insta::assert_json_snapshot!(plan, @r#"
    {
      "id": null,
      "type": "rebalancePlan",
      "links": {},
      "actions": {},
      "dryRun": true,
      "moves": [
        {
          "instanceId": "1i7",
          "name": "s-web-2",
          "serviceId": "1s5",
          "service": "web",
          "stack": "s",
          "fromHostId": "1h2",
          "from": "h1",
          "toHostId": "1h3",
          "to": "h2",
          "reason": "2 of web on h1, 0 on h2"
        }
      ],
      "notes": []
    }
    "#);
    assert!(bench.one("~/services")["rebalance"].is_null(), "nothing was begun");
    let begun = bench.ask(REBALANCE, json!({ "moves": plan["moves"] }), 200);
    assert_eq!(begun["moves"], plan["moves"]);
    bench.plan();
    let service = bench.one("~/services");
    assert_eq!(service["rebalance"][0]["toHostId"], plan["moves"][0]["toHostId"]);
    let words = service["transitioningMessage"].as_str().unwrap();
    assert!(words.contains("rebalancing: 1 to go"), "{words}");
    let again = bench.ask(REBALANCE, json!({ "dryRun": true }), 200);
    assert_eq!(
        (&again["moves"], &again["notes"]),
        (&json!([]), &json!(["web is being rebalanced already"]))
    );
    bench.settle();
    assert!(bench.one("~/services")["rebalance"].is_null());
    for host in bench.get("~/hosts")["data"].as_array().unwrap() {
        assert_eq!(host["instanceIds"].as_array().unwrap().len(), 1, "{host:#}");
    }
    // Asked for what is done, it says so.
    let late = bench.ask(REBALANCE, json!({ "moves": plan["moves"] }), 200);
    assert_eq!(late["moves"], json!([]));
    let plan = bench.ask(REBALANCE, json!({}), 200);
    assert_eq!((&plan["moves"], &plan["notes"]), (&json!([]), &json!([])));
}

#[test]
fn a_rebalancing_is_called_off() {
    let mut bench = crowded();
    let service = bench.one("~/services")["id"].clone();
    bench.ask(REBALANCE, json!({ "serviceIds": [service] }), 200);
    bench.plan();
    let url = "POST /v2-beta/projects/1a1/?action=cancelrebalance";
    bench.ask(url, json!({ "serviceIds": [service] }), 200);
    bench.settle();
    let hosts = bench.get("~/hosts");
    let on = |n: usize| hosts["data"][n]["instanceIds"].as_array().unwrap().len();
    assert_eq!((on(0), on(1)), (2, 0));
    bench.ask(url, json!({}), 200);
}

#[test]
fn a_rebalancing_of_what_is_not_there_is_refused() {
    let mut bench = crowded();
    let error = bench.ask(REBALANCE, json!({ "serviceIds": ["1s999"] }), 422);
    assert_eq!(error["code"], "InvalidReference");
    let bad = json!({ "moves": [{ "instanceId": "x", "toHostId": "1h1" }] });
    assert_eq!(bench.ask(REBALANCE, bad, 422)["code"], "InvalidReference");
    bench.ask(REBALANCE, json!({ "moves": [{ "toHostId": "1h1" }] }), 422);
    let gone = json!({ "moves": [{ "instanceId": "1i999", "toHostId": "1h1" }] });
    assert_eq!(bench.ask(REBALANCE, gone, 200)["moves"], json!([]));
}
