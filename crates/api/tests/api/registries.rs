//! Registries and their logins.

use drover_core::derive::assignment;
use serde_json::{Value, json};

use crate::bench::Bench;

/// A registry with a login; returns their URLs.
fn login(bench: &mut Bench) -> (String, String) {
    let made = bench.ask("POST ~/registries", json!({ "serverAddress": "https://r:5000/" }), 201);
    let login = json!({ "registryId": made["id"], "publicValue": "me", "secretValue": "hunter2" });
    let login = bench.ask("POST ~/registrycredentials", login, 201);
    let url = |plural: &str, row: &Value| format!("~/{plural}/{}", row["id"].as_str().unwrap());
    (url("registries", &made), url("registrycredentials", &login))
}

/// The password that the only host would pull with.
fn password(bench: &Bench) -> Option<String> {
    let host = *bench.world.hosts.keys().next().unwrap();
    let logins = assignment(&bench.world, host).registries;
    logins.get("r:5000").map(|login| login.password.reveal().to_owned())
}

#[test]
fn registry_and_login_as_clients_read_them() {
    let mut bench = Bench::new(1);
    let (registry, login) = login(&mut bench);
    let (mut registry, mut login) = (bench.get(&registry), bench.get(&login));
    for row in [&mut registry, &mut login] {
        row["links"].take();
        row["actions"].take();
    }
    insta::assert_json_snapshot!(registry, @r#"
    {
      "id": "1sp3",
      "type": "registry",
      "baseType": "storagePool",
      "kind": "registry",
      "name": null,
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "e7dfd174-c351-8382-aac3-90f8aa76068b",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "serverAddress": "r:5000",
      "links": null,
      "actions": null
    }
    "#);
    insta::assert_json_snapshot!(login, @r#"
    {
      "id": "1c4",
      "type": "registryCredential",
      "baseType": "credential",
      "kind": "registryCredential",
      "name": null,
      "description": null,
      "state": "active",
      "transitioning": "no",
      "transitioningMessage": null,
      "transitioningProgress": null,
      "healthState": null,
      "uuid": "1b1f448b-5566-8898-b68a-23d09de7e498",
      "accountId": "1a1",
      "created": "2023-11-14T22:13:20Z",
      "createdTS": 1700000000000,
      "removed": null,
      "removedTS": null,
      "removeTime": null,
      "removeTimeTS": null,
      "registryId": "1sp3",
      "publicValue": "me",
      "secretValue": null,
      "email": null,
      "links": null,
      "actions": null
    }
    "#);
}

#[test]
fn a_host_logs_in_while_both_are_switched_on() {
    let mut bench = Bench::new(1);
    let (registry, login) = login(&mut bench);
    assert_eq!(password(&bench).as_deref(), Some("hunter2"));
    for url in [&registry, &login] {
        let off = bench.ask(&format!("POST {url}/?action=deactivate"), Value::Null, 202);
        assert_eq!((off["state"].as_str(), password(&bench)), (Some("inactive"), None));
        bench.ask(&format!("POST {url}/?action=activate"), Value::Null, 202);
        assert!(password(&bench).is_some());
    }
    let named = json!({ "name": "ci", "description": "reads only" });
    let named = bench.ask(&format!("PUT {login}"), named, 200);
    assert_eq!((&named["name"], &named["description"]), (&json!("ci"), &json!("reads only")));
    // The null that answers show is not the new password.
    bench.ask(&format!("PUT {login}"), json!({ "secretValue": null, "publicValue": "you" }), 200);
    assert_eq!(password(&bench).as_deref(), Some("hunter2"));
    bench.ask(&format!("PUT {login}"), json!({ "secretValue": "new" }), 200);
    assert_eq!(password(&bench).as_deref(), Some("new"));
}

#[test]
fn removed_ones_stay_readable_and_forget_the_password() {
    let mut bench = Bench::new(1);
    let (registry, login) = login(&mut bench);
    let gone = bench.ask(&format!("POST {login}/?action=remove"), Value::Null, 202);
    assert_eq!((gone["state"].as_str(), password(&bench)), (Some("removed"), None));
    assert_eq!(bench.get(&login)["state"], "removed");
    assert_eq!(bench.get("~/registrycredentials")["data"], json!([]));
    assert_eq!(bench.ask(&format!("DELETE {registry}"), Value::Null, 200)["state"], "removed");
    let held = bench.world.registries.values().next().unwrap();
    assert_eq!(held.login.as_ref().unwrap().password.reveal(), "");
    bench.ask(&format!("PUT {registry}"), json!({}), 405);
}

#[test]
fn one_registry_per_address_and_one_login_per_registry() {
    let mut bench = Bench::new(1);
    login(&mut bench);
    let error = bench.ask("POST ~/registries", json!({ "serverAddress": "r:5000" }), 422);
    assert_eq!(error["message"], "this project has a registry r:5000 already");
    let registry = bench.one("~/registries")["id"].clone();
    let login = json!({ "registryId": registry, "publicValue": "a", "secretValue": "b" });
    let error = bench.ask("POST ~/registrycredentials", login, 422);
    assert_eq!(error["message"], "registry r:5000 has a login already: change or remove it");
    for bad in ["", "https://", "me@r", "r/path"] {
        let error = bench.ask("POST ~/registries", json!({ "serverAddress": bad }), 422);
        assert_eq!(error["fieldName"], "serverAddress", "{bad}");
    }
    let nobody = json!({ "registryId": "1sp99", "publicValue": "a", "secretValue": "b" });
    let error = bench.ask("POST ~/registrycredentials", nobody, 422);
    assert_eq!(error["message"], "there is no registry 1sp99");
}
