//! Containers: what is shown of them, and what their actions ask of an agent.

use drover_api::Then;
use drover_core::protocol::Ask;
use drover_core::{Grant, ProjectId};
use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

/// A stack with a running service `web` of two containers and a sidekick each.
fn running() -> Bench {
    let mut bench = Bench::new(1);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "shop" }), 201);
    let service = json!({
        "name": "web", "stackId": stack["id"], "startOnCreate": true,
        "launchConfig": {
            "imageUuid": "docker:nginx", "ports": ["80"], "environment": { "MODE": "prod" },
        },
        "secondaryLaunchConfigs": [{
            "name": "data", "imageUuid": "docker:busybox",
            "networkMode": "container", "networkLaunchConfig": "web",
            "dataVolumesFromLaunchConfigs": ["web"],
        }],
    });
    bench.ask("POST ~/services", service, 201);
    bench.settle();
    bench
}

#[test]
fn a_container_as_clients_read_it() {
    let mut bench = running();
    let id = bench.get("~/containers?name=shop-web-1")["data"][0]["id"].clone();
    let mut shown = bench.get(&format!("~/containers/{}", id.as_str().unwrap()));
    let links = shown["links"].take();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "1i5",
      "type": "container",
      "baseType": "instance",
      "kind": "container",
      "name": "shop-web-1",
      "description": null,
      "state": "running",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "10853780-8a1e-8d9b-b573-2c71995ea6fe",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "imageUuid": "docker:nginx",
      "environment": {
        "MODE": "prod"
      },
      "labels": {},
      "networkMode": "managed",
      "ports": [
        "49153:80/tcp"
      ],
      "dataVolumesFrom": [],
      "userPorts": [
        "49153:80/tcp"
      ],
      "externalId": "5-",
      "hostId": "1h2",
      "primaryIpAddress": null,
      "serviceId": "1s4",
      "serviceIds": [
        "1s4"
      ],
      "stackId": "1st3",
      "deploymentUnitUuid": "17b10dee-a5b9-8a3c-8fab-06a7063146f4",
      "createIndex": 1,
      "startCount": 1,
      "exitCode": null,
      "version": "1",
      "mounts": [],
      "dataVolumeMounts": {},
      "primaryNetworkId": "1n1",
      "system": false,
      "systemContainer": null,
      "nativeContainer": false,
      "links": null,
      "actions": {
        "stop": "http://h/v2-beta/projects/1a1/containers/1i5/?action=stop",
        "restart": "http://h/v2-beta/projects/1a1/containers/1i5/?action=restart",
        "update": "http://h/v2-beta/projects/1a1/containers/1i5/?action=update",
        "logs": "http://h/v2-beta/projects/1a1/containers/1i5/?action=logs",
        "execute": "http://h/v2-beta/projects/1a1/containers/1i5/?action=execute",
        "remove": "http://h/v2-beta/projects/1a1/containers/1i5/?action=remove"
      }
    }
    "#);
    assert_eq!(
        links["self"],
        shown["actions"]["stop"].as_str().unwrap().replace("/?action=stop", "")
    );
}

#[test]
fn members_of_a_unit_have_numbers_in_a_row_and_refer_to_each_other() {
    let mut bench = running();
    let list = bench.get("~/instances?sort=name");
    let rows: Vec<String> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let from = row["dataVolumesFrom"].as_array().unwrap();
            format!(
                "{} {} {} net={} volumes={from:?}",
                row["id"], row["name"], row["state"], row["networkContainerId"]
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    "1i5" "shop-web-1" "running" net=null volumes=[]
    "1i6" "shop-web-data-1" "running" net="1i5" volumes=[String("1i5")]
    "#);
    let service = bench.one("~/services");
    assert_eq!(service["instanceIds"][0], list["data"][0]["id"]);
    let maps = bench.get("~/serviceexposemaps");
    assert_eq!(maps["data"][0]["instanceId"], service["instanceIds"][0]);
}

#[test]
fn actions_ask_the_agent() {
    let mut bench = running();
    let id = bench.get("~/containers?name=shop-web-1")["data"][0]["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let docker = bench.get(&format!("~/containers/{id}"))["externalId"].clone();
    let container = docker.as_str().unwrap().to_owned();
    let now = i64::try_from(bench.now.0 / 1000).unwrap();
    let mut check = |action: &str, body: Value, want: Ask| {
        bench.ask(&format!("POST ~/containers/{id}/?action={action}"), body.clone(), 200);
        let got = match bench.then.clone().unwrap() {
            Then::Ask { ask, .. } | Then::HostAccess { ask, .. } => ask,
            other => panic!("{other:?}"),
        };
        assert_eq!(got, want, "{action} {body}");
    };
    let container = || container.clone();
    check("stop", json!({}), Ask::Stop { container: container(), grace_s: None });
    let stop = Ask::Stop { container: container(), grace_s: Some(5) };
    check("stop", json!({ "timeout": "5", "links": null }), stop);
    check("stop", json!({ "remove": true }), Ask::Remove { container: container() });
    check("restart", Value::Null, Ask::Restart { container: container(), grace_s: None });
    check("remove", Value::Null, Ask::Remove { container: container() });
    let said = |follow, tail, timestamps, since| Ask::Logs {
        container: container(),
        follow,
        tail,
        timestamps,
        since,
    };
    let logs = |follow, tail, timestamps| said(follow, tail, timestamps, None);
    check("logs", json!({}), logs(true, Some(100), true));
    let body = json!({ "follow": false, "lines": -1, "timestamps": false, "since": "" });
    check("logs", body, logs(false, None, false));
    for (since, want) in
        [("17", 17), ("2026-01-31T12:00:00+01:00", 1_769_857_200), ("1h", now - 3600)]
    {
        check("logs", json!({ "since": since }), said(true, Some(100), true, Some(want)));
    }
    let exec = |tty, stdin| {
        let command = vec!["ls".to_owned(), "-l".to_owned()];
        Ask::Exec { container: container(), command, tty, stdin }
    };
    check("execute", json!({ "command": ["ls", "-l"] }), exec(true, true));
    let body = json!({ "command": ["ls", "-l"], "tty": false, "attachStdin": false });
    check("execute", body, exec(false, false));
    let error =
        bench.ask(&format!("POST ~/containers/{id}/?action=logs"), json!({ "since": "noon" }), 422);
    assert_eq!(
        (&error["code"], &error["fieldName"]),
        (&json!("InvalidDateFormat"), &json!("since"))
    );
    let error = bench.ask(&format!("POST ~/containers/{id}/?action=execute"), json!({}), 422);
    assert_eq!(
        (&error["code"], &error["fieldName"]),
        (&json!("MissingRequired"), &json!("command"))
    );
}

#[test]
fn what_is_kept_stopped_says_how_to_start_it() {
    let mut bench = running();
    let service = bench.one("~/services")["id"].clone();
    let service = service.as_str().unwrap();
    bench.ask(&format!("POST ~/services/{service}/?action=deactivate"), Value::Null, 202);
    bench.settle();
    let row = bench.get("~/containers?name=shop-web-1")["data"][0].clone();
    assert_eq!(
        some(&row, &["state", "transitioning"]),
        json!({ "state": "stopped", "transitioning": "no" })
    );
    assert_eq!(actions(&row), ["start", "update", "logs", "remove"]);
    let id = row["id"].as_str().unwrap();
    let error = bench.ask(&format!("POST ~/containers/{id}/?action=start"), Value::Null, 422);
    assert_eq!(
        error["message"],
        "shop-web-1 can't be started: service web keeps it stopped: activate the service"
    );
}

#[test]
fn a_container_of_an_unreachable_host_says_so() {
    let mut bench = running();
    let host = bench.world.hosts.keys().next().copied().unwrap();
    let mut seen = (*bench.world.seen[&host]).clone();
    seen.connected = false;
    bench.commit(&[drover_core::Change::SeeHost { host, seen: Box::new(seen) }]).unwrap();
    let row = bench.get("~/containers?name=shop-web-1")["data"][0].clone();
    assert_eq!(row["state"], "running");
    assert_eq!(row["transitioningMessage"], "h1 is not connected: this is what was last seen");
    let id = row["id"].as_str().unwrap();
    let error = bench.ask(&format!("POST ~/containers/{id}/?action=restart"), Value::Null, 409);
    assert_eq!(error["message"], "shop-web-1 can't be reached: the agent of h1 is not connected");
}

#[test]
fn containers_are_made_by_services_and_put_back_unchanged() {
    let mut bench = running();
    let error = bench.ask("POST ~/containers", json!({ "imageUuid": "docker:x" }), 405);
    assert_eq!(
        error["message"],
        "containers are made by services: make a service with scale 1 instead"
    );
    let row = bench.get("~/containers?name=shop-web-1")["data"][0].clone();
    let url = format!("PUT ~/containers/{}", row["id"].as_str().unwrap());
    assert_eq!(bench.ask(&url, row.clone(), 200), row);
    for unknown in ["1i999", "1s1", "web", "1i0"] {
        bench.ask(&format!("GET ~/containers/{unknown}"), Value::Null, 404);
    }
}

#[test]
fn a_removed_container_stays_readable_by_its_id() {
    let mut bench = running();
    bench.add_host(2); // for its port
    let service = bench.one("~/services")["id"].as_str().unwrap().to_owned();
    bench.ask(&format!("PUT ~/services/{service}"), json!({ "scale": 2 }), 200);
    bench.settle();
    let ids: Vec<String> = bench.get("~/containers")["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shown| shown["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 4);
    let before = bench.get(&format!("~/containers/{}", ids[2]));
    bench.ask(&format!("PUT ~/services/{service}"), json!({ "scale": 1 }), 200);
    bench.now = bench.now + 60_000;
    bench.settle();
    // Lists don't have it, and nothing can be done with it.
    assert_eq!(bench.get("~/containers")["data"].as_array().unwrap().len(), 2);
    for list in ["~/containers?removed_null=1", "~/services/1s4/instances", "~/hosts/1h2/instances"]
    {
        let data = bench.get(list)["data"].clone();
        assert!(!data.to_string().contains(&before["name"].to_string()), "{list}: {data:#}");
    }
    bench.ask(&format!("POST ~/containers/{}?action=stop", ids[2]), Value::Null, 422);
    bench.ask(&format!("DELETE ~/containers/{}", ids[2]), Value::Null, 200);
    for (id, kind) in [(&ids[2], "containers"), (&ids[2], "instances"), (&ids[3], "containers")] {
        let shown = bench.get(&format!("~/{kind}/{id}"));
        assert_eq!((&shown["id"], &shown["state"]), (&json!(id), &json!("removed")));
        assert!(shown["removed"].is_string(), "{shown:#}");
        assert_eq!(actions(&shown), Vec::<&str>::new());
    }
    let after = bench.get(&format!("~/containers/{}", ids[2]));
    for same in ["name", "uuid", "created", "imageUuid", "environment", "hostId", "serviceId"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    // A number that none had, in the middle of those that some have.
    bench.ask("GET ~/containers/1i999", Value::Null, 404);
    // Nobody else's.
    bench.grant = Grant::Project(ProjectId(77));
    bench.ask(&format!("GET /v2-beta/containers/{}", ids[2]), Value::Null, 404);
}
