//! Volumes: asked for, declared by stacks, named by services; who mounts them, and where they lie.

use drover_core::derive::assignment;
use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

fn stack(bench: &mut Bench, name: &str) -> Value {
    bench.ask("POST ~/stacks", json!({ "name": name }), 201)["id"].clone()
}

/// A service that runs, with these members of its launch config.
fn service(bench: &mut Bench, stack: &Value, mut launch: Value) -> Value {
    launch["imageUuid"] = json!("docker:a");
    let body =
        json!({ "name": "web", "stackId": stack, "startOnCreate": true, "launchConfig": launch });
    let made = bench.ask("POST ~/services", body, 201);
    bench.settle();
    made
}

fn volume(bench: &mut Bench, name: &str) -> Value {
    let list = bench.get(&format!("~/volumes?name={name}"));
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list:#}");
    list["data"][0].clone()
}

fn url(row: &Value) -> String {
    format!("~/volumes/{}", row["id"].as_str().unwrap())
}

#[test]
fn made_edited_and_removed_as_clients_do() {
    let mut bench = Bench::new(1);
    let body =
        json!({ "name": "myvol", "driver": "local", "driverOpts": { "size": 1 }, "links": null });
    let made = bench.ask("POST ~/volumes", body.clone(), 201);
    assert_eq!(
        some(
            &made,
            &[
                "type",
                "name",
                "driver",
                "driverOpts",
                "state",
                "transitioning",
                "hostId",
                "mounts",
                "description"
            ]
        ),
        json!({ "type": "volume", "name": "myvol", "driver": "local", "driverOpts": { "size": "1" },
                "state": "inactive", "transitioning": "no", "hostId": null, "mounts": [], "description": null })
    );
    assert_eq!(actions(&made), ["update", "remove"]);
    assert_eq!(bench.one("~/volumes?name=myvol&removed_null=1")["id"], made["id"]);
    // What is in use is listed by default; what nobody mounts is not.
    assert_eq!(
        bench.get("~/volumes?state_ne=inactive&state_ne=stopped&state_ne=removing")["data"],
        json!([])
    );
    bench.ask("GET ~/volumes/myvol", Value::Null, 404);
    let edit = json!({ "name": "other", "driver": "nfs", "description": "data" });
    let edited = bench.ask(&format!("PUT {}", url(&made)), edit, 200);
    assert_eq!(
        some(&edited, &["name", "driver", "description"]),
        json!({ "name": "myvol", "driver": "local", "description": "data" })
    );
    for (refused, code) in [
        (body, "NotUnique"),
        (json!({}), "MissingRequired"),
        (json!({ "name": "a/b" }), "InvalidCharacters"),
        (json!({ "name": "x", "hostId": "1h2" }), "InvalidOption"),
        (json!({ "name": "x", "sizeMb": 5 }), "InvalidOption"),
    ] {
        assert_eq!(bench.ask("POST ~/volumes", refused.clone(), 422)["code"], code, "{refused}");
    }
    assert_eq!(bench.ask(&format!("DELETE {}", url(&made)), Value::Null, 200)["state"], "removed");
    assert_eq!(bench.get(&url(&made))["state"], "removed");
    bench.ask("POST ~/volumes", json!({ "name": "myvol" }), 201);
    bench.now = bench.now + drover_api::KEPT_MS;
    let changes = drover_api::purge(&bench.world, bench.now);
    bench.commit(&changes).unwrap();
    bench.ask(&format!("GET {}", url(&made)), Value::Null, 404);
}

#[test]
fn one_that_was_asked_for_is_made_with_its_driver_where_it_is_mounted() {
    let mut bench = Bench::new(2);
    let body = json!({ "name": "shared", "driver": "nfs", "driverOpts": { "export": "/x" } });
    let made = bench.ask("POST ~/volumes", body, 201);
    let stack = stack(&mut bench, "app");
    let web = service(&mut bench, &stack, json!({ "dataVolumes": ["shared:/data:ro"] }));
    let held = bench.get(&url(&made));
    let container =
        bench.get(&format!("~/services/{}/instances", web["id"].as_str().unwrap()))["data"][0]
            .clone();
    assert_eq!(
        some(&held, &["state", "hostId", "externalId"]),
        json!({ "state": "active", "hostId": container["hostId"], "externalId": "shared" })
    );
    let entry = json!({
        "type": "mountEntry", "instanceId": container["id"], "instanceName": "app-web-1", "path": "/data",
        "permission": "ro", "volumeId": made["id"], "volumeName": "shared",
    });
    assert_eq!(held["mounts"], json!([entry]));
    assert_eq!(container["mounts"], json!([entry]));
    assert_eq!(container["dataVolumeMounts"], json!({ "/data": made["id"] }));
    let mount = bench.get(&format!("{}/mounts", url(&made)))["data"][0].clone();
    assert_eq!(
        some(&mount, &["type", "instanceId", "volumeId", "path", "permissions", "state"]),
        json!({ "type": "mount", "instanceId": container["id"], "volumeId": made["id"], "path": "/data",
                "permissions": "ro", "state": "active" })
    );
    // The agent is told what to make.
    let told = bench.world.hosts.keys().map(|host| assignment(&bench.world, *host));
    let told: Vec<_> =
        told.flat_map(|held| held.units.into_values()).flat_map(|unit| unit.volumes).collect();
    let [(name, volume)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (name.as_str(), volume.name.as_str(), volume.driver.as_str()),
        ("shared", "shared", "nfs")
    );
    assert_eq!(volume.options["export"], "/x");
    assert!(volume.kept && !volume.external);
}

#[test]
fn what_stacks_declare_and_services_name_is_there_too() {
    let mut bench = Bench::new(1);
    let stack = stack(&mut bench, "app");
    bench.ask("POST ~/volumetemplates", json!({ "name": "data", "stackId": stack }), 201);
    let launch = json!({ "dataVolumes": ["data:/data", "loose:/l", "/srv:/srv", "/anonymous"] });
    let web = service(&mut bench, &stack, launch);
    let rows = bench.get("~/volumes")["data"].clone();
    let shown: Vec<Value> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| some(row, &["name", "driver", "state", "hostId", "stackId"]))
        .collect();
    let template = bench.one("~/volumetemplates");
    let name = format!("app_data_{}", &template["id"].as_str().unwrap()[3..]);
    let host = bench.one("~/hosts")["id"].clone();
    let declared = json!({ "name": name, "driver": "local", "state": "active", "hostId": host, "stackId": stack });
    let named = json!({ "name": "loose", "driver": "local", "state": "active", "hostId": host, "stackId": null });
    assert!(shown.len() == 2 && shown.contains(&declared) && shown.contains(&named), "{shown:#?}");
    let row = volume(&mut bench, &name);
    assert_eq!(row["volumeTemplateId"], template["id"]);
    assert_eq!(bench.get(&url(&row))["id"], row["id"], "its id is its own");
    // They are whose they are: nothing to remove here.
    let said = bench.ask(&format!("DELETE {}", url(&row)), Value::Null, 405);
    assert!(said["message"].as_str().unwrap().contains("a stack declares it"), "{said}");
    assert_eq!(actions(&row), Vec::<&str>::new());
    // When nobody mounts it any more, what is placed is detached, and what was only named is gone.
    bench.ask(&format!("DELETE ~/services/{}", web["id"].as_str().unwrap()), Value::Null, 200);
    bench.settle();
    let left = bench.one("~/volumes");
    assert_eq!(
        some(&left, &["id", "state", "hostId"]),
        json!({ "id": row["id"], "state": "detached", "hostId": host })
    );
}

#[test]
fn on_several_hosts_a_name_is_several_volumes() {
    let mut bench = Bench::new(2);
    let stack = stack(&mut bench, "app");
    let labels = json!({ "io.rancher.scheduler.global": "true" });
    service(&mut bench, &stack, json!({ "dataVolumes": ["loose:/l"], "labels": labels }));
    let rows = bench.get("~/volumes?name=loose")["data"].clone();
    let hosts: std::collections::BTreeSet<_> =
        rows.as_array().unwrap().iter().map(|row| row["hostId"].to_string()).collect();
    assert_eq!(hosts.len(), 2, "{rows:#}");
    // Asked for, it is one, and lies on no one host.
    bench.ask("POST ~/volumes", json!({ "name": "loose" }), 201);
    let one = volume(&mut bench, "loose");
    assert_eq!((&one["hostId"], one["mounts"].as_array().unwrap().len()), (&Value::Null, 2));
}

#[test]
fn a_launch_config_mounts_by_id() {
    let mut bench = Bench::new(1);
    let made = bench.ask("POST ~/volumes", json!({ "name": "shared" }), 201);
    let (app, other) = (stack(&mut bench, "app"), stack(&mut bench, "other"));
    bench.ask("POST ~/volumetemplates", json!({ "name": "data", "stackId": app }), 201);
    let first =
        json!({ "dataVolumes": ["data:/d"], "dataVolumeMounts": { "/x": made["id"], "/y": null } });
    let web = service(&mut bench, &app, first);
    assert_eq!(web["launchConfig"]["dataVolumes"], json!(["data:/d", "shared:/x"]));
    let name = bench.get("~/volumes")["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["stackId"] == app)
        .unwrap()["id"]
        .clone();
    let strategy =
        json!({ "launchConfig": { "imageUuid": "docker:a", "dataVolumeMounts": { "/z": name } } });
    let path = format!("POST ~/services/{}/?action=upgrade", web["id"].as_str().unwrap());
    let upgrading = bench.ask(&path, json!({ "inServiceStrategy": strategy }), 202);
    assert_eq!(upgrading["launchConfig"]["dataVolumes"], json!(["data:/z"]));
    for (stack, id) in [(&other, &name), (&app, &json!("1v999")), (&app, &json!("1s1"))] {
        let launch = json!({ "imageUuid": "docker:a", "dataVolumeMounts": { "/z": id } });
        let body = json!({ "name": "new", "stackId": stack, "launchConfig": launch });
        let said = bench.ask("POST ~/services", body, 422);
        assert_eq!(
            (&said["code"], &said["fieldName"]),
            (&json!("InvalidReference"), &json!("dataVolumeMounts"))
        );
    }
}

#[test]
fn a_declaration_is_switched_off_and_on() {
    let mut bench = Bench::new(0);
    let stack = stack(&mut bench, "app");
    let made =
        bench.ask("POST ~/volumetemplates", json!({ "name": "data", "stackId": stack }), 201);
    let path = format!("~/volumetemplates/{}", made["id"].as_str().unwrap());
    assert_eq!(actions(&made), ["deactivate", "update", "remove"]);
    for (action, state) in [("deactivate", "inactive"), ("activate", "active")] {
        let shown = bench.ask(&format!("POST {path}/?action={action}"), json!({}), 202);
        assert_eq!(shown["state"], state);
        assert_eq!(bench.get(&path)["state"], state);
    }
}
