//! Pulls, and what is asked of an agent once.

use drover_core::protocol::{Ask, FromAgent, FromServer};
use drover_server::Timing;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::fake_agent::{FakeAgent, open};
use crate::streams::{container, event};

/// The next thing the agent is asked for.
pub(crate) async fn asked(agent: &mut FakeAgent) -> (u64, Ask) {
    loop {
        match agent.hear().await {
            FromServer::Ask { ask, what } => return (ask, what),
            FromServer::Assign(_) | FromServer::Discover(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn pull(cluster: &Cluster) -> String {
    let body = json!({"image": "docker:busybox:1", "mode": "all"});
    let made = cluster.post("/v2-beta/projects/1a5/pulltasks", &body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    format!("/v2-beta/projects/1a5/pulltasks/{}", made.json["id"].as_str().unwrap())
}

/// Ask again until it is over, as clients do.
async fn over(cluster: &Cluster, path: &str) -> Value {
    for _ in 0..10_000 {
        let task = cluster.get(path).await.json;
        if task["transitioning"] != "yes" {
            return task;
        }
        tokio::task::yield_now().await;
    }
    panic!("the pull is never over");
}

#[tokio::test]
async fn a_pull_is_done_when_all_hosts_are() {
    let cluster = Cluster::start().await;
    let mut one = FakeAgent::join(&cluster, "m1").await;
    let mut two = FakeAgent::join(&cluster, "m2").await;
    let path = pull(&cluster).await;
    let task = cluster.get(&path).await.json;
    let pulling = json!({"m1.example": "Pulling", "m2.example": "Pulling"});
    assert_eq!((&task["transitioning"], &task["status"]), (&json!("yes"), &pulling));
    let (ask, what) = asked(&mut one).await;
    assert!(matches!(&what, Ask::Pull { image, .. } if image.ends_with("busybox:1")), "{what:?}");
    one.say(&FromAgent::Progress { ask, text: "half".into() }).await;
    one.say(&FromAgent::Done { ask, error: String::new() }).await;
    let (ask, _) = asked(&mut two).await;
    two.say(&FromAgent::Done { ask, error: "no such image".into() }).await;
    let task = over(&cluster, &path).await;
    assert_eq!(task["transitioning"], "error", "{task}");
    assert_eq!(task["status"], json!({"m1.example": "Done", "m2.example": "no such image"}));
}

#[tokio::test]
async fn a_pull_on_a_host_that_goes_away_fails() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let path = pull(&cluster).await;
    asked(&mut agent).await;
    agent.socket.close(None).await.unwrap();
    let task = over(&cluster, &path).await;
    assert_eq!(task["transitioning"], "error");
    let why = task["status"]["m1.example"].as_str().unwrap();
    assert!(why.contains("connection to the host"), "{why}");
}

#[tokio::test]
async fn what_is_asked_once_is_seen_in_passing_by_everybody() {
    let cluster = Cluster::timed(Timing { refuse_ms: 0, ..Timing::default() }).await;
    let (mut agent, path) = container(&cluster).await;
    let subscribe = "/v2-beta/projects/1a5/subscribe";
    let mut user = open(&cluster, subscribe, Some(&cluster.admin)).await.unwrap();
    let stopped = cluster.post(&format!("{path}/?action=stop"), &json!({})).await;
    assert_eq!((stopped.status, &stopped.json["state"]), (202, &json!("stopping")));
    assert_eq!(cluster.get(&path).await.json["transitioning"], "yes");
    let state = |state: &'static str| {
        move |event: &Value| {
            event["data"]["resource"]["state"] == state && event["resourceType"] == "container"
        }
    };
    event(&mut user, state("stopping")).await;
    let (ask, what) = asked(&mut agent).await;
    assert!(matches!(what, Ask::Stop { .. }), "{what:?}");
    agent.say(&FromAgent::Done { ask, error: String::new() }).await;
    // What was seen of it is the truth again: nobody reported that it ended.
    event(&mut user, state("running")).await;

    // What fails later than who asked waits is told to all who look.
    cluster.post(&format!("{path}/?action=restart"), &json!({})).await;
    event(&mut user, state("restarting")).await;
    let (ask, _) = asked(&mut agent).await;
    agent.say(&FromAgent::Done { ask, error: "no room".into() }).await;
    let failed = event(&mut user, state("running")).await;
    let message = failed["data"]["resource"]["transitioningMessage"].as_str();
    assert_eq!(message, Some("it was asked to restart: no room"));
}

#[tokio::test]
async fn what_fails_at_once_is_the_answer() {
    let timing = Timing { refuse_ms: 60_000, ..Timing::default() };
    let cluster = std::sync::Arc::new(Cluster::timed(timing).await);
    let (mut agent, path) = container(&cluster).await;
    let asking = tokio::spawn({
        let (cluster, path) = (cluster.clone(), path.clone());
        async move { cluster.admin(axum::http::Method::DELETE, &path, "").await }
    });
    let (ask, what) = asked(&mut agent).await;
    assert!(matches!(what, Ask::Remove { .. }), "{what:?}");
    agent.say(&FromAgent::Done { ask, error: "it is in use".into() }).await;
    let refused = asking.await.unwrap();
    let message = refused.json["message"].as_str().unwrap_or_default();
    assert_eq!((refused.status, message), (409, "host m1.example: it is in use"));
}
