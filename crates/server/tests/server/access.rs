//! Who gets in where.

use axum::http::Method;
use drover_core::{Change, Time};
use serde_json::json;

use crate::cluster::{Cluster, basic};
use crate::fake_agent::{FakeAgent, open};

/// Every route there is, and what it answers without a key.
const WITHOUT_KEY: &[(&str, &str, u16)] = &[
    ("GET", "/ping", 200),
    // Its key is the token in the body: here there is no body.
    ("POST", "/agent/register", 400),
    ("GET", "/agent/connect", 401),
    ("GET", "/v1/logs/", 401),
    ("GET", "/v1/exec/", 401),
    ("GET", "/v1/logs/?token=guess", 401),
    ("GET", "/", 401),
    ("GET", "/nothing/here", 401),
    ("GET", "/v1", 401),
    ("GET", "/v1-catalog", 401),
    ("GET", "/v1-catalog/templates", 401),
    // Its key is the one in the query: here there is none, then one that is wrong.
    ("POST", "/v1-webhooks/endpoint", 403),
    ("POST", "/v1-webhooks/endpoint?key=guess&projectId=1a5", 403),
    ("GET", "/v1-webhooks/endpoint?key=guess&projectId=1a5", 405),
    ("GET", "/v1-webhooks/receivers?projectId=1a5", 401),
    // Its key is the one in the body: here there is none.
    ("POST", "/v2-beta/token", 422),
    ("DELETE", "/v2-beta/token", 401),
    ("GET", "/v2-beta/token", 405),
    ("GET", "/v2-beta", 401),
    ("GET", "/v2-beta/subscribe", 401),
    ("GET", "/v2-beta/projects/1a5/subscribe", 401),
    ("GET", "/v2-beta/schemas", 401),
    ("GET", "/v2-beta/docs", 401),
    ("GET", "/v2-beta/openapi.json", 401),
    ("GET", "/v1/dockersocket/", 401),
    ("GET", "/v1/hoststats?token=guess", 401),
    ("GET", "/v1/containerstats?token=guess", 401),
    ("GET", "/v2-beta/services", 401),
    ("POST", "/v2-beta/services", 401),
    ("PUT", "/v2-beta/services/1s7", 401),
    ("DELETE", "/v2-beta/services/1s7", 401),
    ("POST", "/v2-beta/services/1s7/?action=upgrade", 401),
    ("POST", "/v2-beta/projects/1a5/scripts/transform", 401),
];

#[tokio::test]
async fn nothing_is_open_but_what_is_said() {
    let cluster = Cluster::start().await;
    for (method, path, want) in WITHOUT_KEY {
        let got = cluster.send(method.parse().unwrap(), path, &[], "").await;
        assert_eq!(got.status, *want, "{method} {path}");
        assert!(got.headers.contains_key("x-api-schemas"), "{method} {path}");
        assert!(got.headers.contains_key("x-rancher-version"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_api_is_described_for_people_and_for_programs() {
    let cluster = Cluster::start().await;
    let page = cluster.get("/v2-beta/projects/1a5/docs").await;
    let kind = page.headers["content-type"].to_str().unwrap();
    assert_eq!((page.status, kind), (200, "text/html; charset=utf-8"));
    assert!(String::from_utf8_lossy(&page.bytes).contains("POST /services/{id}?action=upgrade"));
    assert_eq!(cluster.get("/v2-beta/openapi.json").await.json["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_collection_needs_a_key() {
    let cluster = Cluster::start().await;
    let root = cluster.get("/v2-beta").await.json;
    let links = root["links"].as_object().unwrap();
    assert!(links.len() > 5);
    for (name, link) in links {
        let path = link.as_str().unwrap().strip_prefix(&format!("http://{}", cluster.address));
        let got = cluster.send(Method::GET, path.unwrap(), &[], "").await;
        assert_eq!(got.status, 401, "{name}");
    }
}

#[tokio::test]
async fn a_401_challenges_unless_asked_not_to() {
    let cluster = Cluster::start().await;
    let check = async |headers: &[(&str, &str)], challenged: bool| {
        let got = cluster.send(Method::GET, "/v2-beta", headers, "").await;
        assert_eq!((got.status, got.json["code"].as_str()), (401, Some("Unauthorized")));
        assert_eq!(got.headers.contains_key("www-authenticate"), challenged, "{headers:?}");
    };
    check(&[], true).await;
    check(&[("x-api-no-challenge", "true")], false).await;
    check(&[("upgrade", "websocket")], false).await;
    check(&[("authorization", &basic("no:body"))], true).await;
    check(&[("authorization", "Bearer x")], true).await;
}

#[tokio::test]
async fn a_project_key_sees_its_project_only() {
    let cluster = Cluster::start().await;
    let other = cluster.post("/v2-beta/projects", &json!({"name": "other"})).await;
    assert_eq!(other.status, 201, "{}", other.json);
    let other = other.json["id"].as_str().unwrap().to_owned();
    let made = cluster.post("/v2-beta/projects/1a5/apikeys", &json!({"name": "ci"})).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
    let key = basic(&format!("{}:{}", text("publicValue"), text("secretValue")));
    let status = async |path: &str| {
        cluster.send(Method::GET, path, &[("authorization", &key)], "").await.status
    };
    assert_eq!(status("/v2-beta/projects/1a5/stacks").await, 200);
    assert_eq!(status("/v2-beta/stacks").await, 200);
    assert_eq!(status(&format!("/v2-beta/projects/{other}")).await, 404);
    assert_eq!(status(&format!("/v2-beta/projects/{other}/stacks")).await, 404);
}

#[tokio::test]
async fn a_removed_key_opens_nothing() {
    let cluster = Cluster::start().await;
    let world = cluster.store.world();
    let key = world.credentials.values().next().unwrap();
    let removed = drover_core::Credential { removed_at: Some(Time(1)), ..(**key).clone() };
    let change = vec![Change::PutCredential(removed)];
    cluster.store.commit(None, "test", Time(1), change).await.unwrap();
    assert_eq!(cluster.get("/v2-beta").await.status, 401);
}

#[tokio::test]
async fn agents_and_users_do_not_pass_for_each_other() {
    let cluster = Cluster::start().await;
    let agent = FakeAgent::join(&cluster, "m1").await;
    let key = format!("{}:{}", agent.host.access, agent.host.secret.reveal());
    let auth = basic(&key);
    let got = cluster.send(Method::GET, "/v2-beta", &[("authorization", &auth)], "").await;
    assert_eq!((got.status, got.json["code"].as_str()), (403, Some("Forbidden")));
    assert!(open(&cluster, "/agent/connect", Some(&cluster.admin)).await.is_err());
    assert!(open(&cluster, "/v2-beta/subscribe", Some(&key)).await.is_err());
}
