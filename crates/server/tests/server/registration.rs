//! Machines become hosts.

use drover_core::Secret;
use drover_core::protocol::Registered;

use crate::cluster::Cluster;
use crate::fake_agent::{FakeAgent, open, register, token};

#[tokio::test]
async fn a_token_is_for_one_machine() {
    let cluster = Cluster::start().await;
    let token = token(&cluster).await;
    let first = register(&cluster, &token, "m1").await;
    assert_eq!(first.status, 201, "{}", first.json);
    let first: Registered = serde_json::from_value(first.json).unwrap();
    let other = register(&cluster, &token, "m2").await;
    let said = other.json["message"].as_str().unwrap();
    assert_eq!((other.status, &other.json["code"]), (409, &"Conflict".into()));
    let id = format!("host m1.example (1h{}) on 20", first.host);
    assert!(said.contains(&id) && said.contains("make another one"), "{said}");
    assert_eq!(cluster.store.world().hosts.len(), 1);
}

#[tokio::test]
async fn the_same_machine_gets_a_new_key_for_the_same_host() {
    let cluster = Cluster::start().await;
    let token = token(&cluster).await;
    let first = register(&cluster, &token, "m1").await.json;
    let again = register(&cluster, &token, "m1").await;
    assert_eq!((again.status, &again.json["host"]), (201, &first["host"]));
    let key = |json: &serde_json::Value| {
        format!("{}:{}", json["access"].as_str().unwrap(), json["secret"].as_str().unwrap())
    };
    let connect = async |key: String| open(&cluster, "/agent/connect", Some(&key)).await.is_ok();
    assert!(connect(key(&again.json)).await);
    assert!(!connect(key(&first)).await, "the old key still opens the link");
    assert_eq!(cluster.store.world().hosts.len(), 1);
}

#[tokio::test]
async fn another_token_for_a_known_machine_is_the_same_host() {
    let cluster = Cluster::start().await;
    let (one, two) = (token(&cluster).await, token(&cluster).await);
    let first = register(&cluster, &one, "m1").await.json;
    let again = register(&cluster, &two, "m1").await.json;
    assert_eq!(first["host"], again["host"]);
    let other = register(&cluster, &two, "m2").await;
    assert_eq!(other.status, 409, "the second token is used too");
}

#[tokio::test]
async fn what_is_no_token_registers_nothing() {
    let cluster = Cluster::start().await;
    let check = async |token: &str, identity: &str, status: u16, says: &str| {
        let got = register(&cluster, &Secret::new(token), identity).await;
        let said = got.json["message"].as_str().unwrap_or_default();
        assert_eq!(got.status, status, "{said}");
        assert!(said.contains(says), "{said}");
    };
    let token = token(&cluster).await;
    let public = token.reveal().split_once(':').unwrap().0;
    check("guess", "m1", 401, "not valid").await;
    check(&cluster.admin, "m1", 401, "not valid").await;
    check(&format!("{public}:guess"), "m1", 401, "not valid").await;
    check("guess", " ", 422, "`identity` is empty").await;
    assert!(cluster.store.world().hosts.is_empty());
}

#[tokio::test]
async fn a_host_that_joined_is_seen() {
    let cluster = Cluster::start().await;
    let agent = FakeAgent::join(&cluster, "m1").await;
    let host = agent.host.host;
    let seen = cluster.until(|world| world.seen.get(&host).filter(|s| s.connected).cloned()).await;
    assert_eq!((seen.facts.agent_version.as_str(), seen.facts.cpus), ("test", 2));
    assert_eq!(agent.host.cluster, cluster.store.world().cluster());
}

/// A token as Rancher's clients make it.
async fn common_token(cluster: &Cluster) -> (String, String) {
    let path = "/v2-beta/projects/1a5/registrationtokens";
    let made = cluster.post(path, &serde_json::json!({ "name": "tok" })).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
    let read = cluster.get(&format!("{path}/{}", text("id"))).await;
    assert_eq!(read.json["token"], made.json["token"], "read again");
    (text("token"), format!("{path}/{}", text("id")))
}

#[tokio::test]
async fn a_token_as_ranchers_clients_make_it_is_for_all_until_it_is_switched_off() {
    let cluster = Cluster::start().await;
    let (token, path) = common_token(&cluster).await;
    let token = Secret::new(token);
    for machine in ["m1", "m2"] {
        assert_eq!(register(&cluster, &token, machine).await.status, 201);
    }
    let switch = async |action: &str| {
        let path = format!("{path}/?action={action}");
        assert!(cluster.post(&path, &serde_json::json!({})).await.status < 300, "{action}");
    };
    switch("deactivate").await;
    assert_eq!(register(&cluster, &token, "m3").await.status, 401);
    switch("activate").await;
    assert_eq!(register(&cluster, &token, "m3").await.status, 201);
    switch("deactivate").await;
    switch("remove").await;
    assert_eq!(register(&cluster, &token, "m4").await.status, 401);
}

#[tokio::test]
async fn the_token_opens_its_script_and_nothing_else_does() {
    let cluster = Cluster::start().await;
    let (token, path) = common_token(&cluster).await;
    let get = async |token: &str| {
        cluster.send(axum::http::Method::GET, &format!("/v1/scripts/{token}"), &[], "").await
    };
    let got = get(&token).await;
    let text = String::from_utf8_lossy(&got.bytes).into_owned();
    assert_eq!(got.status, 200, "{text}");
    assert!(got.headers["content-type"].to_str().unwrap().starts_with("text/x-shellscript"));
    let url = format!("DROVER_URL='http://{}'", cluster.address);
    for part in ["#!/bin/sh", &url, &format!("DROVER_TOKEN='{token}'"), "exec drover agent"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let public = token.split_once(':').unwrap().0;
    for wrong in ["guess", public, &format!("{public}:guess"), &cluster.admin, "api.crt"] {
        let refused = get(wrong).await;
        assert_eq!(refused.status, 404, "{wrong}");
        assert!(!refused.json.to_string().contains("guess"), "{}", refused.json);
    }
    cluster.post(&format!("{path}/?action=deactivate"), &serde_json::json!({})).await;
    assert_eq!(get(&token).await.status, 404);
}
