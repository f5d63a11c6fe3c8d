//! `webhook`: made, called, listed, renewed, removed.

use serde_json::{Value, json};

use crate::cluster::Cluster;

async fn call(url: &str, body: Value) -> (u16, Value) {
    // A second installation is refused and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_s_life() {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", "web:\n  image: acme/web:1\n  labels: {deploy: auto}\n");
    cluster.drover("up").await.with(0);
    let made = cluster.drover("webhook create more --scale-up shop/web --max 2").await.with(0);
    let url = made.out.trim();
    let (status, done) = call(url, json!({})).await;
    assert_eq!((status, &done["message"]), (200, &json!("shop/web: scale 1 → 2")));
    assert_eq!(call(url, json!({})).await.0, 400);
    let made = cluster
        .drover("webhook create ci --upgrade deploy=auto --tag stable --payload generic")
        .await
        .with(0);
    let pushed = json!({ "image": "acme/web", "tag": "stable" });
    let (status, done) = call(made.out.trim(), pushed.clone()).await;
    assert_eq!((status, &done["message"]), (200, &json!("shop/web: acme/web:1 → acme/web:stable")));
    cluster.drover("wait").await.with(0);
    let listed = cluster.drover("webhook ls").await.with(0);
    listed.said(&[
        "more",
        "scales web up by 1, 1 to 2",
        "ci",
        "upgrades deploy=auto to stable (generic)",
    ]);

    let renewed = cluster.drover("webhook renew more").await.with(0);
    assert_eq!(call(url, json!({})).await.0, 403);
    assert_eq!(call(renewed.out.trim(), json!({})).await.0, 400, "it is at its max");
    cluster.drover("webhook rm more ci").await.with(0);
    assert_eq!(call(renewed.out.trim(), json!({})).await.0, 403);
    cluster.drover("webhook rm more").await.with(1).said(&["there is no webhook `more`"]);
    cluster
        .drover("webhook create x --upgrade nonsense --tag 1")
        .await
        .with(2)
        .said(&["LABEL=VALUE"]);
}
