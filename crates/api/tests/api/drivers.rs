//! Services that install drivers: made in collections of their own, run as any other.

use serde_json::{Value, json};

use crate::bench::{Bench, actions, some};

fn made(bench: &mut Bench, plural: &str, driver: Value) -> Value {
    let stack = bench.ask("POST ~/stacks", json!({ "name": "app" }), 201)["id"].clone();
    let mut body = json!({
        "name": "drv", "scale": 1, "stackId": stack, "metadata": { "a": 1 },
        "launchConfig": { "type": "container", "imageUuid": "docker:example/driver", "labels": { "x": "y" } },
    });
    for (name, value) in driver.as_object().unwrap() {
        body[name] = value.clone();
    }
    bench.ask(&format!("POST ~/{plural}"), body, 201)
}

#[test]
fn a_storage_driver_lives_as_a_service() {
    let mut bench = Bench::new(1);
    let said =
        json!({ "name": "mydrv", "scope": "environment", "volumeAccessMode": "multiHostRW" });
    let service = made(&mut bench, "storagedriverservices", json!({ "storageDriver": said }));
    assert_eq!(
        some(&service, &["type", "baseType", "state", "storageDriver"]),
        json!({ "type": "storageDriverService", "baseType": "service", "state": "registering", "storageDriver": said })
    );
    let id = service["id"].as_str().unwrap().to_owned();
    assert_eq!(
        service["links"]["self"],
        format!("http://h/v2-beta/projects/1a1/storagedriverservices/{id}")
    );
    bench.settle();
    let own = format!("~/storagedriverservices/{id}");
    assert!(actions(&bench.get(&own)).contains(&"activate"));
    bench.ask(&format!("POST {own}/?action=setservicelinks"), json!({}), 200);
    bench.ask(&format!("POST {own}/?action=activate"), json!({}), 202);
    bench.settle();
    assert_eq!(bench.get(&own)["state"], "active");
    assert_eq!(bench.units(&id), ["1.1 running"]);
    // Listed with all others, under its own type; in no other kind's list.
    let listed = bench.one("~/services?name=drv&removed_null=<nil>");
    assert_eq!((&listed["type"], &listed["id"]), (&json!("storageDriverService"), &json!(id)));
    assert_eq!(bench.one("~/storagedriverservices")["id"], json!(id));
    bench.ask(&format!("GET ~/networkdriverservices/{id}"), Value::Null, 404);
    // The driver itself.
    let driver = bench.one("~/storagedrivers");
    assert_eq!(
        some(
            &driver,
            &["type", "name", "scope", "volumeAccessMode", "serviceId", "volumeCapabilities"]
        ),
        json!({ "type": "storageDriver", "name": "mydrv", "scope": "environment", "volumeAccessMode": "multiHostRW",
                "serviceId": id, "volumeCapabilities": null })
    );
    // A PUT changes what is said, an upgrade what runs.
    let edited =
        bench.ask(&format!("PUT {own}"), json!({ "storageDriver": { "name": "other" } }), 200);
    assert_eq!(edited["storageDriver"], json!({ "name": "other" }));
    let strategy = json!({ "launchConfig": { "imageUuid": "docker:example/driver:2" } });
    let up = bench.ask(
        &format!("POST {own}/?action=upgrade"),
        json!({ "inServiceStrategy": strategy }),
        202,
    );
    assert_eq!(up["type"], "storageDriverService");
    bench.ask(&format!("DELETE {own}"), Value::Null, 200);
    assert_eq!(bench.get("~/storagedrivers")["data"], json!([]));
}

#[test]
fn a_network_driver_is_kept_as_it_is_given() {
    let mut bench = Bench::new(1);
    let said = json!({ "name": "net", "defaultNetwork": { "hostPorts": true }, "cniConfig": { "x": [1] } });
    let service = made(&mut bench, "networkdriverservices", json!({ "networkDriver": said }));
    assert_eq!(service["networkDriver"], said);
    let driver = bench.one("~/networkdrivers");
    assert_eq!(
        some(&driver, &["name", "cniConfig"]),
        json!({ "name": "net", "cniConfig": { "x": [1] } })
    );
    assert_eq!(bench.get("~/storagedriverservices")["data"], json!([]));
    // A plain service has none of it.
    let plain = json!({ "name": "web", "stackId": service["stackId"], "storageDriver": { "name": "x" },
                        "launchConfig": { "imageUuid": "docker:a" } });
    assert!(bench.ask("POST ~/services", plain, 201).get("storageDriver").is_none());
}
