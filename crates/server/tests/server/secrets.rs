//! Secrets, from a request to the one agent that is told.

use serde_json::json;

use crate::cluster::Cluster;
use crate::fake_agent::FakeAgent;

const VALUE: &str = "aHVudGVyMg==";

#[tokio::test]
async fn the_agent_that_needs_one_is_told_and_told_when_it_changes() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let post = async |path: &str, body: serde_json::Value| {
        let got = cluster.post(&format!("/v2-beta/projects/1a5/{path}"), &body).await;
        assert_eq!(got.status, 201, "{}", got.json);
        assert!(!String::from_utf8_lossy(&got.bytes).contains(VALUE), "{}", got.json);
        got.json
    };
    let secret = post("secrets", json!({ "name": "db", "value": VALUE })).await;
    post("secrets", json!({ "name": "unused", "value": VALUE })).await;
    let stack = post("stacks", json!({ "name": "app" })).await;
    let launch = json!({ "imageUuid": "docker:a", "secrets": [{ "secretId": secret["id"] }] });
    let service = json!({
        "name": "web", "stackId": stack["id"], "startOnCreate": true, "launchConfig": launch,
    });
    post("services", service).await;
    let told = agent.assigned(|held| !held.secrets.is_empty()).await;
    let secrets: Vec<_> =
        told.secrets.iter().map(|(name, v)| (name.as_str(), v.reveal())).collect();
    assert_eq!(secrets, [("db", VALUE)]);
    assert!(!format!("{told:?}").contains(VALUE), "a log that shows an assignment shows no value");

    let path = format!("/v2-beta/projects/1a5/secrets/{}", secret["id"].as_str().unwrap());
    let removed = cluster.admin(axum::http::Method::DELETE, &path, "").await;
    assert_eq!((removed.status, &removed.json["state"]), (200, &json!("removed")));
    agent.assigned(|held| held.secrets.is_empty() && !held.units.is_empty()).await;
    let again = post("secrets", json!({ "name": "db", "value": "bmV3" })).await;
    let told = agent.assigned(|held| !held.secrets.is_empty()).await;
    assert_eq!(told.secrets["db"].reveal(), "bmV3");
    assert_ne!(again["id"], secret["id"]);
    // A tombstone stays readable, and holds nothing.
    let gone = cluster.get(&path).await;
    assert_eq!((gone.status, &gone.json["state"]), (200, &json!("removed")));
    let listed = cluster.get("/v2-beta/projects/1a5/secrets?name=DB").await;
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1, "{}", listed.json);
}
