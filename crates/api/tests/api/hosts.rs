//! Hosts: what is shown of them, and what users may do to them.

use drover_api::Then;
use drover_core::protocol::Ask;
use drover_core::{Change, Credential, CredentialId, Grant, HostId};
use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

#[test]
fn a_host_as_clients_read_it() {
    let mut bench = Bench::new(1);
    let mut shown = bench.one("~/hosts");
    shown["links"].take();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "1h2",
      "type": "host",
      "baseType": "host",
      "kind": "host",
      "name": null,
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "58f835af-7667-824a-b97c-ef66801cc229",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "hostname": "h1",
      "agentState": "active",
      "agentIpAddress": "10.0.0.1",
      "agentId": null,
      "labels": {},
      "memory": null,
      "milliCpu": null,
      "localStorageMb": null,
      "computeTotal": null,
      "physicalHostId": "1ph2",
      "hostTemplateId": null,
      "info": {
        "osInfo": {
          "operatingSystem": "",
          "kernelVersion": "",
          "dockerVersion": ""
        },
        "cpuInfo": {
          "count": 4
        },
        "memoryInfo": {
          "memTotal": 8192
        },
        "agentInfo": {
          "version": ""
        },
        "networkInfo": {
          "publicKey": "",
          "takesClear": false,
          "encryptedTo": [],
          "trouble": {}
        }
      },
      "instanceIds": [],
      "publicEndpoints": [],
      "links": null,
      "actions": {
        "deactivate": "http://h/v2-beta/projects/1a1/hosts/1h2/?action=deactivate",
        "evacuate": "http://h/v2-beta/projects/1a1/hosts/1h2/?action=evacuate",
        "update": "http://h/v2-beta/projects/1a1/hosts/1h2/?action=update",
        "dockersocket": "http://h/v2-beta/projects/1a1/hosts/1h2/?action=dockersocket",
        "remove": "http://h/v2-beta/projects/1a1/hosts/1h2/?action=remove"
      }
    }
    "#);
}

#[test]
fn a_host_is_renamed_labelled_and_switched_off_and_on() {
    let mut bench = Bench::new(1);
    let id = bench.one("~/hosts")["id"].as_str().unwrap().to_owned();
    let edit = json!({
        "name": "one", "hostname": "other", "links": null,
        "labels": { "gpu": "yes", "gone": null, "n": 1 }, "memory": "1024",
    });
    let edited = bench.ask(&format!("PUT ~/hosts/{id}"), edit, 200);
    assert_eq!(
        some(&edited, &["name", "hostname", "labels", "memory"]),
        json!({ "name": "one", "hostname": "h1", "labels": { "gpu": "yes", "n": "1" }, "memory": 1024 })
    );
    let off = bench.ask(&format!("POST ~/hosts/{id}/?action=deactivate"), Value::Null, 202);
    assert_eq!(off["state"], "inactive");
    assert_eq!(actions(&off), ["activate", "evacuate", "update", "dockersocket", "remove"]);
    let on = bench.ask(&format!("POST ~/hosts/{id}/?action=activate"), Value::Null, 202);
    assert_eq!(on["state"], "active");
}

#[test]
fn a_removed_host_stays_readable_and_its_agent_is_not_let_in_again() {
    let mut bench = Bench::new(1);
    let host = *bench.world.hosts.keys().next().unwrap();
    let number = bench.world.next_id;
    let credential = Credential {
        id: CredentialId(number),
        grants: Grant::Agent(host),
        name: String::new(),
        description: String::new(),
        public: "A".into(),
        secret_sha256: "00".into(),
        readable: None,
        active: true,
        created_at: bench.now,
        removed_at: None,
    };
    bench.commit(&[Change::PutCredential(credential)]).unwrap();
    let url = format!("~/hosts/1h{host}");
    assert_eq!(bench.ask(&format!("DELETE {url}"), Value::Null, 200)["state"], "removed");
    assert_eq!(bench.get(&url)["state"], "removed");
    assert_eq!(bench.get("~/hosts")["data"], json!([]));
    assert!(!bench.world.credentials[&CredentialId(number)].active);
    bench.ask(&format!("DELETE {url}"), Value::Null, 200);
}

#[test]
fn the_link_to_the_agent_is_told_beside_the_state() {
    let mut bench = Bench::new(1);
    let host = *bench.world.hosts.keys().next().unwrap();
    let mut check = |connected: bool, gone_ms: u64, problem: &str, want: Value| {
        let mut seen = (*bench.world.seen[&host]).clone();
        (seen.connected, seen.caught_up) = (connected, connected);
        problem.clone_into(&mut seen.facts.problem);
        let see = Change::SeeHost { host, seen: Box::new(seen) };
        bench.commit(&[see]).unwrap();
        bench.now = bench.now + gone_ms;
        bench.plan();
        let shown = bench.one("~/hosts");
        let names = ["state", "agentState", "transitioning", "transitioningMessage"];
        let got: Vec<Value> = names.iter().map(|name| shown[*name].clone()).collect();
        assert_eq!(Value::from(got), want);
    };
    let away = "it is not connected";
    check(false, 1000, "", json!(["active", "reconnecting", "no", away]));
    check(false, 3_600_000, "", json!(["active", "disconnected", "no", away]));
    check(true, 0, "no Docker", json!(["active", "active", "error", "no Docker"]));
    check(true, 0, "", json!(["active", "active", "no", null]));
}

#[test]
fn the_engine_of_a_host_is_reached_through_its_agent() {
    let mut bench = Bench::new(1);
    let id = bench.one("~/hosts")["id"].as_str().unwrap().to_owned();
    let action = format!("POST ~/hosts/{id}/?action=dockersocket");
    bench.ask(&action, Value::Null, 200);
    let host = *bench.world.hosts.keys().next().unwrap();
    assert_eq!(bench.then, Some(Then::HostAccess { ask: Ask::Docker, host }));
    let mut seen = (*bench.world.seen[&host]).clone();
    seen.connected = false;
    bench.commit(&[Change::SeeHost { host, seen: Box::new(seen) }]).unwrap();
    let error = bench.ask(&action, Value::Null, 409);
    assert!(error["message"].as_str().unwrap().contains("agent is not connected"), "{error}");
}

#[test]
fn what_is_not_there_yet_says_what_to_do_instead() {
    let mut bench = Bench::new(1);
    let error = bench.ask("POST ~/hosts", json!({ "hostname": "h2" }), 405);
    insta::assert_snapshot!(error["message"].as_str().unwrap(), @"hosts register themselves: make a registrationToken and run its command on the machine");
    assert_eq!(HostId(2), *bench.world.hosts.keys().next().unwrap());
}

#[test]
fn a_host_lists_its_containers_and_its_public_ports() {
    let mut bench = Bench::new(2);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let service = json!({
        "name": "web", "stackId": stack["id"], "scale": 2, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:nginx", "ports": ["8080:80"] },
    });
    bench.ask("POST ~/services", service, 201);
    bench.settle();
    let hosts = bench.get("~/hosts");
    for host in hosts["data"].as_array().unwrap() {
        let id = host["id"].as_str().unwrap();
        assert_eq!(host["publicEndpoints"].as_array().unwrap().len(), 1, "{host:#}");
        let container = bench.one(&format!("~/hosts/{id}/instances"));
        assert_eq!(host["instanceIds"], json!([container["id"]]));
        let back = bench.one(&format!("~/containers/{}/hosts", container["id"].as_str().unwrap()));
        assert_eq!(back["id"], host["id"]);
    }
}

/// Two hosts with two units each.
fn with_web() -> (Bench, String) {
    let mut bench = Bench::new(2);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "s" }), 201);
    let service = json!({
        "name": "web", "stackId": stack["id"], "scale": 4, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:nginx" },
    });
    bench.ask("POST ~/services", service, 201);
    bench.settle();
    let id = bench.get("~/hosts")["data"][0]["id"].as_str().unwrap().to_owned();
    (bench, id)
}

#[test]
fn a_host_is_emptied_and_says_how_far_it_is() {
    let (mut bench, id) = with_web();
    let names = ["state", "transitioning", "transitioningMessage"];
    let asked = bench.ask(&format!("POST ~/hosts/{id}/?action=evacuate"), Value::Null, 202);
    assert_eq!(
        some(&asked, &names),
        json!({ "state": "evacuating", "transitioning": "yes", "transitioningMessage": "0 of 2 units have left" })
    );
    assert_eq!(actions(&asked), ["activate", "deactivate", "update", "dockersocket", "remove"]);
    let again = bench.ask(&format!("POST ~/hosts/{id}/?action=evacuate"), Value::Null, 422);
    let words = again["message"].as_str().unwrap();
    assert!(words.contains("it is being emptied already"), "{words}");
    bench.plan();
    let shown = bench.get(&format!("~/hosts/{id}"));
    let words = shown["transitioningMessage"].as_str().unwrap();
    assert!(words.contains("waits: its replacement does not serve yet"), "{words}");
    bench.settle();
    let shown = bench.get(&format!("~/hosts/{id}"));
    assert_eq!(
        some(&shown, &names),
        json!({ "state": "inactive", "transitioning": "no", "transitioningMessage": null })
    );
    assert_eq!(shown["instanceIds"], json!([]));
    let on = bench.ask(&format!("POST ~/hosts/{id}/?action=activate"), Value::Null, 202);
    assert_eq!(on["state"], "active");
}

#[test]
fn emptying_is_called_off_by_activate_and_by_deactivate() {
    for (action, state) in [("activate", "active"), ("deactivate", "inactive")] {
        let (mut bench, id) = with_web();
        bench.ask(&format!("POST ~/hosts/{id}/?action=evacuate"), Value::Null, 202);
        bench.plan();
        let off = bench.ask(&format!("POST ~/hosts/{id}/?action={action}"), Value::Null, 202);
        assert_eq!(off["state"], state);
        bench.settle();
        let shown = bench.get(&format!("~/hosts/{id}"));
        assert_eq!(shown["instanceIds"].as_array().unwrap().len(), 2, "what had not left stays");
    }
}

#[test]
fn a_host_that_nothing_could_leave_is_not_emptied() {
    let (mut bench, id) = with_web();
    let other = bench.get("~/hosts")["data"][1]["id"].as_str().unwrap().to_owned();
    bench.ask(&format!("POST ~/hosts/{other}/?action=deactivate"), Value::Null, 202);
    let error = bench.ask(&format!("POST ~/hosts/{id}/?action=evacuate"), Value::Null, 422);
    let words = error["message"].as_str().unwrap();
    assert!(words.starts_with("h1 can't be emptied: s-web-"), "{words}");
    assert!(words.contains("no host fits: 2 hosts are deactivated"), "{words}");
    assert_eq!(bench.get(&format!("~/hosts/{id}"))["state"], "active");
}
