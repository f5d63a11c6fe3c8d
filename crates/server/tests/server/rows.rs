//! What an infrastructure tool makes, reads back, edits and removes, over HTTP: a project with a secret, a volume and a token.

use axum::http::Method;
use serde_json::{Value, json};

use crate::agents::deploy;
use crate::cluster::{Cluster, Got};
use crate::fake_agent::FakeAgent;

async fn ask(cluster: &Cluster, method: Method, path: &str, body: Value, status: u16) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Got { status: found, json, .. } = cluster.admin(method, path, &body).await;
    assert_eq!(found, status, "{path}: {json:#}");
    json
}

fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_tool_applies_refreshes_and_destroys() {
    let cluster = Cluster::start().await;
    let templates =
        cluster.get("/v2-beta/projecttemplates?isPublic=true&name=cattle&sort=created").await;
    let template = templates.json["data"][0]["id"].clone();
    let body =
        json!({ "name": "tfdev", "description": "made by a tool", "projectTemplateId": template });
    let project = ask(&cluster, Method::POST, "/v2-beta/projects", body, 201).await;
    let scope = format!("/v2-beta/projects/{}", id(&project));
    let members = json!({ "members": [{ "externalId": "650430", "externalIdType": "github_user", "role": "owner" }] });
    let set =
        ask(&cluster, Method::POST, &format!("{scope}/?action=setmembers"), members, 200).await;
    assert_eq!(set["data"][0]["role"], "owner");
    let listed = cluster.get(&format!("{scope}/projectmembers")).await.json;
    assert_eq!(listed["data"][0]["externalId"], "650430");

    let make = async |plural: &str, body: Value| {
        let made = ask(&cluster, Method::POST, &format!("{scope}/{plural}"), body, 201).await;
        (format!("{scope}/{plural}/{}", id(&made)), made)
    };
    let (secret, _) = make("secrets", json!({ "name": "tfsecret", "value": "aHVudGVyMg==" })).await;
    let (volume, _) = make("volumes", json!({ "name": "tfvol", "driver": "local" })).await;
    let (token, made) =
        make("registrationtokens", json!({ "name": "tok", "description": "hosts" })).await;
    let edit = json!({ "name": "tfsecret", "description": "", "value": "aHVudGVyMg==" });
    ask(&cluster, Method::PUT, &secret, edit, 200).await;
    let edit = json!({ "name": "tfvol", "description": "", "driver": "local" });
    ask(&cluster, Method::PUT, &volume, edit, 200).await;
    // A refresh finds everything as it was.
    assert_eq!(cluster.get(&secret).await.json["value"], Value::Null);
    assert_eq!(cluster.get(&volume).await.json["driver"], "local");
    let read = cluster.get(&token).await.json;
    for name in ["token", "registrationUrl", "command", "image"] {
        assert_eq!((&read[name], read[name].is_string()), (&made[name], true), "{name}");
    }
    let found = cluster.get("/v2-beta/secrets?name=tfsecret").await.json;
    assert_eq!(found["data"][0]["name"], "tfsecret");

    // Away with it: what was removed can be read for a while, as removed.
    for path in [&secret, &volume] {
        ask(&cluster, Method::DELETE, path, Value::Null, 200).await;
        assert_eq!(cluster.get(path).await.json["state"], "removed");
    }
    let off =
        ask(&cluster, Method::POST, &format!("{token}/?action=deactivate"), json!({}), 202).await;
    assert_eq!(off["state"], "inactive");
    ask(&cluster, Method::POST, &format!("{token}/?action=remove"), json!({}), 202).await;
    assert_eq!(cluster.get(&token).await.json["state"], "removed");
    let off =
        ask(&cluster, Method::POST, &format!("{scope}/?action=deactivate"), json!({}), 202).await;
    assert_eq!(off["state"], "inactive");
    let refused =
        ask(&cluster, Method::POST, &format!("{scope}/stacks"), json!({ "name": "s" }), 422).await;
    assert_eq!(refused["code"], "InvalidState");
    ask(&cluster, Method::POST, &format!("{scope}/?action=activate"), json!({}), 202).await;
    ask(&cluster, Method::DELETE, &scope, Value::Null, 200).await;
    assert_eq!(cluster.get(&scope).await.json["state"], "removed");
}

#[tokio::test]
async fn an_agent_is_told_of_a_volume_that_was_asked_for_later() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let service = deploy(&cluster).await;
    agent.assigned(|held| held.units.len() == 1).await;
    let strategy =
        json!({ "launchConfig": { "imageUuid": "docker:a", "dataVolumes": ["shared:/data"] } });
    let path = format!("/v2-beta/projects/1a5/services/{}/?action=upgrade", id(&service));
    ask(&cluster, Method::POST, &path, json!({ "inServiceStrategy": strategy }), 202).await;
    let body = json!({ "name": "shared", "driver": "nfs", "driverOpts": { "export": "/x" } });
    ask(&cluster, Method::POST, "/v2-beta/projects/1a5/volumes", body, 201).await;
    let told =
        agent.assigned(|held| held.units.values().any(|unit| !unit.volumes.is_empty())).await;
    let volume = told.units.values().find_map(|unit| unit.volumes.get("shared")).unwrap();
    assert_eq!(
        (volume.name.as_str(), volume.driver.as_str(), volume.kept),
        ("shared", "nfs", true)
    );
}

#[tokio::test]
async fn drivers_and_what_follows_from_hosts_are_listed() {
    let cluster = Cluster::start().await;
    let _agent = FakeAgent::join(&cluster, "m1").await;
    let scope = "/v2-beta/projects/1a5";
    let stack =
        ask(&cluster, Method::POST, &format!("{scope}/stacks"), json!({ "name": "s" }), 201).await;
    let body = json!({
        "name": "drv", "stackId": stack["id"], "launchConfig": { "imageUuid": "docker:example/driver" },
        "storageDriver": { "name": "mydrv", "scope": "environment" },
    });
    let made =
        ask(&cluster, Method::POST, &format!("{scope}/storagedriverservices"), body, 201).await;
    assert_eq!(made["type"], "storageDriverService");
    for (list, name) in
        [("services", "drv"), ("storageDriverServices", "drv"), ("storageDrivers", "mydrv")]
    {
        let rows =
            cluster.get(&format!("{scope}/{}", list.to_lowercase())).await.json["data"].clone();
        assert_eq!(rows[0]["name"], name, "{list}: {rows:#}");
    }
    let links = cluster.get(&format!("{scope}/hosts")).await.json["data"][0]["links"].clone();
    for name in ["volumes", "storagePools", "ipAddresses", "physicalHost", "hostLabels"] {
        let path = links[name].as_str().unwrap().split_once("/v2-beta").unwrap().1.to_owned();
        assert_eq!(cluster.get(&format!("/v2-beta{path}")).await.status, 200, "{name}");
    }
}
