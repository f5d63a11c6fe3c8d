//! Stacks that are made of texts, upgraded and rolled back through the API alone.

use drover_server::Timing;
use drover_store::Store;
use serde_json::{Value, json};

use crate::cluster::{Cluster, soon};
use crate::obedient;

const STACKS: &str = "/v2-beta/projects/1a5/stacks";

/// A server that loses its patience soon, and a host that obeys.
async fn start() -> Cluster {
    let cluster = Cluster::start().await;
    let (store, admin) = cluster.stop().await;
    obedient::host(&store).await;
    on(store, admin).await
}

async fn on(store: Store, admin: String) -> Cluster {
    let timing =
        Timing { reconnect_ms: 3_600_000, trouble_ms: 300, retry_ms: 100, ..Timing::default() };
    Cluster::on(store, admin, timing).await
}

async fn make(cluster: &Cluster, body: &Value) -> String {
    let made = cluster.post(STACKS, body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    assert_eq!(made.json["state"], "activating", "{}", made.json);
    made.json["id"].as_str().unwrap().to_owned()
}

async fn act(cluster: &Cluster, id: &str, action: &str, body: &Value) -> Value {
    let got = cluster.post(&format!("{STACKS}/{id}/?action={action}"), body).await;
    assert_eq!(got.status, 202, "{}", got.json);
    got.json
}

/// Wait until the stack is in a state.
async fn comes_to(cluster: &Cluster, id: &str, state: &str) -> Value {
    let mut feed = cluster.store.feed();
    let path = format!("{STACKS}/{id}");
    let coming = async {
        loop {
            let now = cluster.get(&path).await.json;
            if now["state"] == state {
                return now;
            }
            feed.next().await;
        }
    };
    soon(coming).await
}

async fn services(cluster: &Cluster, id: &str) -> Vec<Value> {
    let rows = cluster.get(&format!("{STACKS}/{id}/services?removed_null=1")).await.json;
    rows["data"].as_array().unwrap().clone()
}

async fn service(cluster: &Cluster, id: &str, name: &str) -> Value {
    let all = services(cluster, id).await;
    all.into_iter().find(|row| row["name"] == name).unwrap_or(Value::Null)
}

fn image(service: &Value) -> &str {
    service["launchConfig"]["imageUuid"].as_str().unwrap_or_default()
}

fn shop(tag: &str, scale: u32) -> Value {
    json!({
        "name": "shop",
        "dockerCompose": format!("db:\n  image: redis:7\nweb:\n  image: nginx:{tag}\n  links: [db]\n"),
        "rancherCompose": format!("web:\n  scale: {scale}\n  metadata: {{tag: '{tag}'}}\n"),
        "startOnCreate": true,
    })
}

#[tokio::test]
async fn a_stack_is_made_of_its_texts_upgraded_and_kept() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 2)).await;
    comes_to(&cluster, &id, "active").await;
    let web = service(&cluster, &id, "web").await;
    assert_eq!((&web["state"], &web["currentScale"]), (&json!("active"), &json!(2)), "{web}");
    assert_eq!(web["linkedServices"]["db"], service(&cluster, &id, "db").await["id"]);

    // As Terraform does.
    let two = shop("2", 2);
    let (path, whole) = (format!("{STACKS}/{id}"), two.to_string());
    let put = cluster.admin(axum::http::Method::PUT, &path, &whole).await;
    assert_eq!(put.status, 200, "{}", put.json);
    let going = act(&cluster, &id, "upgrade", &two).await;
    assert_eq!((&going["state"], &going["transitioning"]), (&json!("upgrading"), &json!("yes")));
    comes_to(&cluster, &id, "upgraded").await;
    let web = service(&cluster, &id, "web").await;
    assert_eq!((&web["state"], image(&web)), (&json!("upgraded"), "docker:nginx:2"), "{web}");
    assert_eq!(service(&cluster, &id, "db").await["state"], "active");
    act(&cluster, &id, "finishupgrade", &json!({})).await;
    comes_to(&cluster, &id, "active").await;
    let web = service(&cluster, &id, "web").await;
    assert_eq!((&web["state"], image(&web)), (&json!("active"), "docker:nginx:2"), "{web}");
    let config = cluster.post(&format!("{STACKS}/{id}/?action=exportconfig"), &json!({})).await;
    assert_eq!(config.json["dockerComposeConfig"], two["dockerCompose"]);
    assert_eq!(config.json["rancherComposeConfig"], two["rancherCompose"]);
}

#[tokio::test]
async fn a_rollback_brings_back_containers_and_all_else_of_before() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 1)).await;
    comes_to(&cluster, &id, "active").await;
    act(&cluster, &id, "upgrade", &shop("2", 1)).await;
    comes_to(&cluster, &id, "upgraded").await;
    assert_eq!(service(&cluster, &id, "web").await["metadata"]["tag"], "2");
    act(&cluster, &id, "rollback", &json!({})).await;
    let back = comes_to(&cluster, &id, "active").await;
    assert_eq!(back["dockerCompose"], shop("1", 1)["dockerCompose"]);
    let web = service(&cluster, &id, "web").await;
    assert_eq!((image(&web), &web["metadata"]["tag"]), ("docker:nginx:1", &json!("1")), "{web}");
    assert_eq!(web["state"], "active");
}

#[tokio::test]
async fn what_is_not_to_start_is_only_made() {
    let cluster = start().await;
    let mut body = shop("1", 1);
    body["startOnCreate"] = json!(false);
    let id = make(&cluster, &body).await;
    let mut feed = cluster.store.feed();
    comes_to(&cluster, &id, "active").await;
    // Each is registering until the planner has seen it.
    let settling = async {
        loop {
            let rows = services(&cluster, &id).await;
            let states: Vec<Value> = rows.iter().map(|row| row["state"].clone()).collect();
            if !states.contains(&json!("registering")) {
                return states;
            }
            feed.next().await;
        }
    };
    assert_eq!(soon(settling).await, ["inactive", "inactive"]);
}

#[tokio::test]
async fn what_cannot_run_is_said_on_the_stack_and_tried_again() {
    let cluster = start().await;
    let id = make(&cluster, &shop(obedient::MISSING, 1)).await;
    let stuck = comes_to(&cluster, &id, "error").await;
    assert_eq!(stuck["transitioning"], "error");
    let why = stuck["transitioningMessage"].as_str().unwrap();
    assert!(why.contains("web is stuck") && why.contains("no such image"), "{why}");
    // Someone else makes it good.
    let web = service(&cluster, &id, "web").await;
    let path = format!("/v2-beta/projects/1a5/services/{}", web["id"].as_str().unwrap());
    let config =
        json!({ "inServiceStrategy": { "launchConfig": { "imageUuid": "docker:nginx:1" } } });
    let got = cluster.post(&format!("{path}/?action=upgrade"), &config).await;
    assert_eq!(got.status, 202, "{}", got.json);
    comes_to(&cluster, &id, "active").await;
}

#[tokio::test]
async fn an_upgrade_that_cannot_run_leaves_the_way_back() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 1)).await;
    comes_to(&cluster, &id, "active").await;
    act(&cluster, &id, "upgrade", &shop(obedient::MISSING, 1)).await;
    let stuck = comes_to(&cluster, &id, "error").await;
    let why = stuck["transitioningMessage"].as_str().unwrap();
    assert!(why.contains("no such image"), "{why}");
    act(&cluster, &id, "rollback", &json!({})).await;
    comes_to(&cluster, &id, "active").await;
    assert_eq!(image(&service(&cluster, &id, "web").await), "docker:nginx:1");
}

#[tokio::test]
async fn an_upgrade_is_stopped_half_way_and_taken_back() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 1)).await;
    comes_to(&cluster, &id, "active").await;
    act(&cluster, &id, "upgrade", &shop(obedient::MISSING, 1)).await;
    cluster.until(|world| world.upgrades.values().next().map(|_| ())).await;
    act(&cluster, &id, "cancelupgrade", &json!({})).await;
    comes_to(&cluster, &id, "canceled-upgrade").await;
    assert_eq!(service(&cluster, &id, "web").await["state"], "canceled-upgrade");
    act(&cluster, &id, "rollback", &json!({})).await;
    comes_to(&cluster, &id, "active").await;
}

#[tokio::test]
async fn what_cannot_be_confirmed_to_the_end_is_stopped_and_taken_back() {
    let cluster = start().await;
    let id = make(&cluster, &shop(obedient::STAYS, 1)).await;
    comes_to(&cluster, &id, "active").await;
    act(&cluster, &id, "upgrade", &shop("2", 1)).await;
    comes_to(&cluster, &id, "upgraded").await;
    act(&cluster, &id, "finishupgrade", &json!({})).await;
    // The old container can't be removed, and so it never ends.
    cluster
        .until(|world| {
            let mut upgrades = world.upgrades.values();
            upgrades.any(|u| u.phase == drover_core::UpgradePhase::Finishing).then_some(())
        })
        .await;
    assert_eq!(comes_to(&cluster, &id, "finishing-upgrade").await["transitioning"], "yes");
    act(&cluster, &id, "cancelupgrade", &json!({})).await;
    comes_to(&cluster, &id, "canceled-upgrade").await;
    assert_eq!(service(&cluster, &id, "web").await["state"], "canceled-upgrade");
    assert_eq!(service(&cluster, &id, "db").await["state"], "active");
    act(&cluster, &id, "rollback", &json!({})).await;
    let back = comes_to(&cluster, &id, "active").await;
    assert_eq!(back["dockerCompose"], shop(obedient::STAYS, 1)["dockerCompose"]);
}

#[tokio::test]
async fn a_stack_s_texts_are_a_link_of_it() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 1)).await;
    comes_to(&cluster, &id, "active").await;
    let link = cluster.get(&format!("{STACKS}/{id}")).await.json["links"]["composeConfig"].clone();
    assert_eq!(link, json!(format!("http://{}{STACKS}/{id}/composeconfig", cluster.address)));
    let texts = cluster.get(&format!("{STACKS}/{id}/composeconfig")).await;
    assert_eq!((texts.status, &texts.json["type"]), (200, &json!("composeConfig")));
    assert_eq!(texts.json["dockerComposeConfig"], shop("1", 1)["dockerCompose"]);
    // One that was made service by service is written anew.
    let made = cluster.post(STACKS, &json!({ "name": "other" })).await.json;
    let other = made["id"].as_str().unwrap();
    let body = json!({ "name": "app", "stackId": other, "launchConfig": { "imageUuid": "docker:nginx:1" } });
    cluster.post("/v2-beta/projects/1a5/services", &body).await;
    let texts = cluster.get(&format!("{STACKS}/{other}/composeConfig")).await.json;
    assert!(texts["dockerComposeConfig"].as_str().unwrap().contains("nginx:1"), "{texts}");
    assert_eq!(cluster.get(&format!("{STACKS}/1st999/composeconfig")).await.status, 404);
}

#[tokio::test]
async fn the_next_server_goes_on() {
    let cluster = Cluster::start().await;
    let (store, admin) = cluster.stop().await;
    let cluster = on(store, admin).await;
    // No host: it can't be done yet.
    let id = make(&cluster, &shop("1", 1)).await;
    cluster.until(|world| (world.services.len() == 2).then_some(())).await;
    let (store, admin) = cluster.stop().await;
    let cluster = on(store.clone(), admin).await;
    obedient::host(&store).await;
    comes_to(&cluster, &id, "active").await;
    assert_eq!(services(&cluster, &id).await.len(), 2, "none was made twice");
}

#[tokio::test]
async fn the_next_server_goes_on_with_an_upgrade_and_begins_none_anew() {
    let cluster = start().await;
    let id = make(&cluster, &shop("1", 1)).await;
    comes_to(&cluster, &id, "active").await;
    act(&cluster, &id, "upgrade", &shop(obedient::MISSING, 1)).await;
    let web = cluster.until(|world| world.upgrades.keys().next().copied()).await;
    let (store, admin) = cluster.stop().await;
    let cluster = on(store, admin).await;
    let stuck = comes_to(&cluster, &id, "error").await;
    let why = stuck["transitioningMessage"].as_str().unwrap();
    assert!(why.contains("no such image"), "{why}");
    assert_eq!(cluster.store.world().revisions(web).count(), 2);
}

#[tokio::test]
async fn removing_a_stack_ends_its_rollout() {
    let cluster = start().await;
    let id = make(&cluster, &shop(obedient::MISSING, 1)).await;
    cluster.until(|world| (world.services.len() == 2).then_some(())).await;
    let path = format!("{STACKS}/{id}");
    let got = cluster.admin(axum::http::Method::DELETE, &path, "").await;
    assert_eq!(got.status, 200, "{}", got.json);
    comes_to(&cluster, &id, "removed").await;
    assert!(services(&cluster, &id).await.is_empty());
}

#[tokio::test]
async fn a_stack_may_get_another_name_meanwhile() {
    let cluster = start().await;
    let id = make(&cluster, &shop(obedient::MISSING, 1)).await;
    comes_to(&cluster, &id, "error").await;
    let (path, named) = (format!("{STACKS}/{id}"), json!({ "name": "store" }).to_string());
    let put = cluster.admin(axum::http::Method::PUT, &path, &named).await;
    assert_eq!(put.status, 200, "{}", put.json);
    act(&cluster, &id, "upgrade", &shop("1", 1)).await;
    // What was begun with the image that is not there is not what the texts say any more; it is not lost either.
    comes_to(&cluster, &id, "upgraded").await;
    assert_eq!(cluster.store.world().stacks.len(), 1);
}
