//! Webhooks over HTTP: who may call them, and what is written down.

use axum::http::Method;
use serde_json::{Value, json};

use crate::agents::deploy;
use crate::cluster::{Cluster, Got, basic};

/// A webhook that scales a service up; its URL's path, and the service's.
async fn hook(cluster: &Cluster) -> (String, String) {
    let service = deploy(cluster).await;
    let id = service["id"].as_str().unwrap();
    let body = json!({
        "name": "more", "driver": "scaleService",
        "scaleServiceConfig": { "serviceId": id, "action": "up", "max": 2 },
    });
    let made = cluster.post("/v1-webhooks/receivers?projectId=1a5", &body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let url = made.json["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", cluster.address)).unwrap().to_owned();
    (path, format!("/v2-beta/projects/1a5/services/{id}"))
}

async fn call(cluster: &Cluster, path: &str, body: &str) -> Got {
    cluster.send(Method::POST, path, &[], body).await
}

#[tokio::test]
async fn whoever_has_the_url_can_call_it() {
    let cluster = Cluster::start().await;
    let (path, service) = hook(&cluster).await;
    assert!(path.starts_with("/v1-webhooks/endpoint?key="), "{path}");
    assert!(path.ends_with("&projectId=1a5"), "{path}");
    let done = call(&cluster, &path, "").await;
    assert_eq!((done.status, &done.json["message"]), (200, &json!("shop/web: scale 1 → 2")));
    assert_eq!(cluster.get(&service).await.json["scale"], 2);
    let crossed = call(&cluster, &path, "{}").await;
    assert_eq!((crossed.status, &crossed.json["code"]), (400, &json!("BadRequest")));
    assert_eq!(cluster.get(&service).await.json["scale"], 2);

    let audits = cluster.get("/v2-beta/projects/1a5/auditlogs").await.json;
    let fired = |row: &&Value| row["eventType"].as_str().is_some_and(|t| t.contains("fire"));
    let rows: Vec<&Value> = audits["data"].as_array().unwrap().iter().filter(fired).collect();
    assert_eq!(rows.len(), 2, "{audits:#}");
    let key = path.split("key=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!audits.to_string().contains(key), "the key is in no answer");
}

#[tokio::test]
async fn a_wrong_key_and_a_body_too_large_are_refused() {
    let cluster = Cluster::start().await;
    let (path, service) = hook(&cluster).await;
    let other = path.replace("1a5", "1a6");
    for wrong in ["/v1-webhooks/endpoint?key=x&projectId=1a5", "/v1-webhooks/endpoint?key=", &other]
    {
        assert_eq!(call(&cluster, wrong, "").await.status, 403, "{wrong}");
    }
    assert_eq!(call(&cluster, &path, &" ".repeat((512 << 10) + 1)).await.status, 413);
    assert_eq!(call(&cluster, &path, "{").await.status, 400);
    assert_eq!(cluster.get(&service).await.json["scale"], 1);

    let listed = cluster.get("/v1-webhooks/receivers?projectId=1a5").await.json;
    let row = &listed["data"][0];
    assert_eq!((&row["name"], &row["url"]), (&json!("more"), &Value::Null));
    let own = row["id"].as_str().unwrap();
    let own = format!("/v1-webhooks/receivers/{own}?projectId=1a5");
    let headers = [("authorization", &*basic(&cluster.admin))];
    assert_eq!(cluster.send(Method::DELETE, &own, &headers, "").await.status, 200);
    assert_eq!(call(&cluster, &path, "").await.status, 403);
}
