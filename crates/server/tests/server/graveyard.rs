//! What is left of containers that were removed: they stay readable by their ids.

use drover_api::Kind;
use drover_server::Timing;
use serde_json::json;

use crate::cluster::Cluster;
use crate::obedient;

/// A client that asks again and again never hears of a container that there is none, from its first word to its last.
#[tokio::test]
async fn whoever_waits_for_a_removal_is_told_of_it() {
    let (store, admin) = Cluster::start().await.stop().await;
    obedient::host(&store).await;
    let timing = Timing { reconnect_ms: 3_600_000, ..Timing::default() };
    let cluster = Cluster::on(store, admin, timing).await;
    let stacks = "/v2-beta/projects/1a5/stacks";
    let stack = json!({
        "name": "shop", "dockerCompose": "web:\n  image: nginx:1\n", "startOnCreate": true,
    });
    let stack = cluster.post(stacks, &stack).await.json["id"].as_str().unwrap().to_owned();
    let number = cluster.until(|world| world.units.values().next().map(|unit| unit.serial)).await;
    let path = format!("/v2-beta/containers/{}", Kind::Container.id(number));
    cluster.admin(axum::http::Method::DELETE, &format!("{stacks}/{stack}"), "").await;
    let (mut states, mut feed) = (Vec::new(), cluster.store.feed());
    let gone = loop {
        let got = cluster.get(&path).await;
        assert_eq!(got.status, 200, "after {states:?}: {}", got.json);
        if got.json["state"] == "removed" && cluster.store.world().units.is_empty() {
            break got.json;
        }
        states.push(got.json["state"].clone());
        if !cluster.store.world().units.is_empty() {
            crate::cluster::soon(feed.next()).await;
        }
    };
    assert_eq!(
        (&gone["name"], &gone["imageUuid"]),
        (&json!("shop-web-1"), &json!("docker:nginx:1"))
    );
    assert!(gone["removed"].is_string(), "{gone}");
    // To ask again for what is done changes nothing, and nothing else can be done with it.
    let again = cluster.admin(axum::http::Method::DELETE, &path, "").await;
    assert_eq!((again.status, &again.json["state"]), (200, &json!("removed")));
    let stopped = cluster.post(&format!("{path}/?action=stop"), &json!({})).await;
    assert_eq!((stopped.status, &stopped.json["code"]), (422, &json!("ActionNotAvailable")));
    let host = cluster.get(&format!("{path}/host")).await;
    assert_eq!((host.status, &host.json["type"]), (200, &json!("host")), "its links lead on");
    // What never was is none, and is not waited for.
    let never = cluster.get("/v2-beta/containers/1i99999").await;
    assert_eq!((never.status, &never.json["code"]), (404, &json!("NotFound")));
    // Memory only.
    let (store, admin) = cluster.stop().await;
    let cluster = Cluster::on(store, admin, timing).await;
    assert_eq!(cluster.get(&path).await.status, 404);
}
