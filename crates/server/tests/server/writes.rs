//! Writes that happen at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::cluster::Cluster;

#[tokio::test]
async fn writes_at_once_all_succeed_and_get_numbers_of_their_own() {
    let cluster = Arc::new(Cluster::start().await);
    let mut writing = tokio::task::JoinSet::new();
    for n in 0..40 {
        let cluster = cluster.clone();
        writing.spawn(async move {
            let stack = json!({"name": format!("stack{n}")});
            cluster.post("/v2-beta/projects/1a5/stacks", &stack).await
        });
    }
    // Someone who does not queue commits all the while.
    let mut ids = BTreeSet::new();
    while let Some(made) = writing.join_next().await {
        let made = made.unwrap();
        assert_eq!(made.status, 201, "{}", made.json);
        ids.insert(made.json["id"].as_str().unwrap().to_owned());
        let setting = drover_core::Change::SetSetting { name: "x".into(), value: None };
        cluster.store.commit(None, "test", drover_core::Time(1), vec![setting]).await.unwrap();
    }
    assert_eq!((ids.len(), cluster.store.world().stacks.len()), (40, 40));
}

#[tokio::test]
async fn of_two_with_one_name_one_is_refused() {
    let cluster = Cluster::start().await;
    let stack = json!({"name": "web"});
    let path = "/v2-beta/projects/1a5/stacks";
    let (one, two) = tokio::join!(cluster.post(path, &stack), cluster.post(path, &stack));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
}

#[tokio::test]
async fn who_wrote_what_is_in_the_log() {
    let cluster = Cluster::start().await;
    cluster.post("/v2-beta/projects/1a5/stacks", &json!({"name": "web"})).await;
    let log = cluster.store.log(None, 1).await.unwrap();
    assert_eq!(log[0].logged.by, cluster.admin.split_once(':').unwrap().0);
}

#[tokio::test]
async fn a_stack_without_files_is_written_as_files() {
    let cluster = Cluster::start().await;
    let service = crate::agents::deploy(&cluster).await;
    let stack = service["stackId"].as_str().unwrap();
    let path = format!("/v2-beta/projects/1a5/stacks/{stack}/?action=exportconfig");
    let got = cluster.post(&path, &json!({})).await;
    assert_eq!((got.status, &got.json["type"]), (200, &json!("composeConfig")), "{}", got.json);
    let docker = got.json["dockerComposeConfig"].as_str().unwrap();
    assert!(docker.contains("web:") && docker.contains("nginx:1"), "{docker}");
    let rancher = got.json["rancherComposeConfig"].as_str().unwrap();
    assert!(rancher.starts_with("version:"), "{rancher}");
}
