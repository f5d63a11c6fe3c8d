//! Wrong keys: how often they may be tried, who is not held up by them, and what is written down.

use axum::http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Got, basic};

async fn try_key(cluster: &Cluster, key: &str) -> Got {
    cluster.send(Method::GET, "/v2-beta", &[("authorization", &basic(key))], "").await
}

async fn log_in(cluster: &Cluster, key: &str) -> Got {
    let body = json!({ "code": key }).to_string();
    cluster.send(Method::POST, "/v2-beta/token", &[], &body).await
}

/// Entries of the audit log about who was kept out.
async fn kept_out(cluster: &Cluster) -> Vec<Value> {
    let all = cluster.get("/v2-beta/auditlogs").await.json;
    let rows = all["data"].as_array().unwrap().clone();
    rows.into_iter().filter(|row| row["responseCode"].as_u64() >= Some(401)).collect()
}

#[tokio::test]
async fn a_wrong_key_is_tried_a_few_times_and_written_down() {
    let cluster = Cluster::start().await;
    let access = cluster.admin.split(':').next().unwrap().to_owned();
    // Who has the right one comes from the same address, and is known there.
    assert_eq!(try_key(&cluster, &cluster.admin).await.status, 200);
    let made = cluster.post("/v2-beta/projects/1a5/apikeys", &json!({})).await.json;
    let other = made["publicValue"].as_str().unwrap();
    let wrong = format!("{other}:not-the-secret");
    for _ in 0..5 {
        let got = try_key(&cluster, &wrong).await;
        assert_eq!((got.status, got.headers.contains_key("retry-after")), (401, false));
    }
    let held = try_key(&cluster, &wrong).await;
    assert_eq!((held.status, &held.json["code"]), (429, &json!("TooManyRequests")));
    let seconds: u64 = held.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    // It is one key that waits: neither another way in nor the right secret gets around that.
    assert_eq!(log_in(&cluster, &wrong).await.status, 429);
    let right = format!("{other}:{}", made["secretValue"].as_str().unwrap());
    assert_eq!(try_key(&cluster, &right).await.status, 429);
    assert_eq!(try_key(&cluster, &cluster.admin).await.status, 200);

    assert_eq!(log_in(&cluster, "NOBODY:x").await.status, 401);
    let rows = kept_out(&cluster).await;
    let shown: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["eventType"].as_str().unwrap(), row["publicValue"].as_str().unwrap()))
        .collect();
    // Only what was tried, and only names that are known: what was sent may be anything.
    let mut want = vec![("api.apiKey.authenticate", other); 5];
    want.push(("api.token.create", ""));
    let mut got = shown.clone();
    got.sort_unstable();
    assert_eq!(got, want, "{rows:#?}");
    let all = json!(rows).to_string();
    assert!(!all.contains("not-the-secret") && !all.contains("NOBODY"), "{all}");
    assert!(rows.iter().all(|row| row["clientIp"] == "127.0.0.1"), "{all}");
    assert!(!all.contains(&access));
}

#[tokio::test]
async fn many_keys_from_one_address_wait_and_one_that_is_known_there_does_not() {
    let cluster = Cluster::start().await;
    assert_eq!(try_key(&cluster, &cluster.admin).await.status, 200);
    let made = cluster.post("/v2-beta/projects/1a5/apikeys", &json!({})).await.json;
    for n in 0..20 {
        assert_eq!(try_key(&cluster, &format!("K{n}:x")).await.status, 401, "{n}");
    }
    assert_eq!(try_key(&cluster, "K20:x").await.status, 429);
    let (access, secret) = (made["publicValue"].as_str(), made["secretValue"].as_str());
    let new = format!("{}:{}", access.unwrap(), secret.unwrap());
    assert_eq!(try_key(&cluster, &new).await.status, 429, "it never was right from here");
    assert_eq!(try_key(&cluster, &cluster.admin).await.status, 200);
    // Consul's clients and webhooks come by the same rule.
    let token = [("x-consul-token", "K21:x")];
    assert_eq!(cluster.send(Method::GET, "/v1/catalog/nodes", &token, "").await.status, 429);
    let hook = "/v1-webhooks/endpoint?key=guess&projectId=1a5";
    assert_eq!(cluster.send(Method::POST, hook, &[], "").await.status, 429);
    // Who comes without a key is told to bring one.
    assert_eq!(cluster.send(Method::GET, "/v2-beta", &[], "").await.status, 401);
}
