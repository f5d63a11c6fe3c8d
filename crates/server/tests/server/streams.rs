//! WebSockets for users: logs, commands, events.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_core::protocol::{Ask, FromAgent, FromServer};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::agents::deploy;
use crate::asks::asked;
use crate::cluster::{Cluster, soon};
use crate::fake_agent::{FakeAgent, Socket, open};

/// A running container: its agent, and its path.
pub(crate) async fn container(cluster: &Cluster) -> (FakeAgent, String) {
    let mut agent = FakeAgent::join(cluster, "m1").await;
    deploy(cluster).await;
    let assignment = agent.assigned(|a| a.units.len() == 1).await;
    agent.run_all(&assignment).await;
    cluster.until(|world| world.services.values().next()?.settled).await;
    let containers = cluster.get("/v2-beta/projects/1a5/containers").await.json;
    let id = containers["data"][0]["id"].as_str().expect("a container").to_owned();
    (agent, format!("/v2-beta/projects/1a5/containers/{id}"))
}

/// Ask for a stream; its URL's path with the token.
async fn granted(cluster: &Cluster, path: &str, action: &str, body: &Value) -> String {
    let got = cluster.post(&format!("{path}/?action={action}"), body).await;
    assert!(matches!(got.status, 200 | 202), "{}", got.json);
    assert_eq!(got.json["type"], "hostAccess");
    let url = got.json["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("ws://{}", cluster.address)).unwrap();
    format!("{path}?token={}", got.json["token"].as_str().unwrap())
}

fn frame(ask: u64, data: &[u8]) -> Message {
    Message::binary([&ask.to_be_bytes()[..], data].concat())
}

/// The reason a stream ends with, whatever comes before that.
pub(crate) async fn why_closed(socket: &mut Socket) -> String {
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Close(Some(close)))) => return close.reason.to_string(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn texts(socket: &mut Socket) -> (Vec<String>, u16) {
    let mut texts = Vec::new();
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Text(text))) => texts.push(text.to_string()),
            Some(Ok(Message::Close(Some(close)))) => return (texts, close.code.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn logs_in_rancher_s_frames() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let url = granted(&cluster, &path, "logs", &json!({"follow": true, "lines": 5})).await;
    assert!(url.starts_with("/v1/logs/?token="), "{url}");
    let mut user = open(&cluster, &url, None).await.unwrap();
    let (ask, what) = asked(&mut agent).await;
    assert!(matches!(what, Ask::Logs { follow: true, tail: Some(5), .. }), "{what:?}");
    for line in [&b"\x01out\n"[..], b"\x02err", b"\x00tty"] {
        agent.socket.send(frame(ask, line)).await.unwrap();
    }
    agent.say(&FromAgent::Done { ask, error: String::new() }).await;
    let (lines, code) = texts(&mut user).await;
    assert_eq!((lines, code), (vec!["01 out".into(), "02 err".into(), "00 tty".into()], 1000));
    let again = open(&cluster, &url, None).await;
    assert!(matches!(again, Err(tungstenite::Error::Http(r)) if r.status() == 401));
}

#[tokio::test]
async fn a_failed_stream_says_why() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let url = granted(&cluster, &path, "logs", &json!({})).await;
    let mut user = open(&cluster, &url, None).await.unwrap();
    let (ask, _) = asked(&mut agent).await;
    agent.say(&FromAgent::Done { ask, error: "no such container".into() }).await;
    match soon(user.next()).await {
        Some(Ok(Message::Close(Some(close)))) => {
            assert_eq!((u16::from(close.code), close.reason.as_str()), (1011, "no such container"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_reads_and_writes() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let body = json!({"command": ["cat"], "attachStdin": true, "attachStdout": true, "tty": true});
    let url = granted(&cluster, &path, "execute", &body).await;
    let mut user = open(&cluster, &url, None).await.unwrap();
    let (ask, what) = asked(&mut agent).await;
    assert!(matches!(what, Ask::Exec { tty: true, stdin: true, .. }), "{what:?}");
    user.send(Message::text(STANDARD.encode(":resizeTTY:80,24"))).await.unwrap();
    let resize = FromServer::Resize { ask, width: 80, height: 24 };
    assert_eq!(agent.hear().await, resize, "it is no input");
    user.send(Message::text(STANDARD.encode("hi\n"))).await.unwrap();
    loop {
        match soon(agent.socket.next()).await.unwrap().unwrap() {
            Message::Binary(data) => break assert_eq!(Message::Binary(data), frame(ask, b"hi\n")),
            Message::Text(_) | Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    agent.socket.send(frame(ask, b"hi\n")).await.unwrap();
    agent.say(&FromAgent::Done { ask, error: String::new() }).await;
    assert_eq!(texts(&mut user).await, (vec![STANDARD.encode("hi\n")], 1000));
}

#[tokio::test]
async fn a_user_who_leaves_cancels_the_ask() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let url = granted(&cluster, &path, "logs", &json!({"follow": true})).await;
    let mut user = open(&cluster, &url, None).await.unwrap();
    let (number, _) = asked(&mut agent).await;
    user.close(None).await.unwrap();
    loop {
        match agent.hear().await {
            FromServer::Cancel { ask } => break assert_eq!(ask, number),
            FromServer::Assign(_) | FromServer::Discover(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_from_a_host_that_is_away_is_refused() {
    let cluster = Cluster::start().await;
    let (mut agent, path) = container(&cluster).await;
    let url = granted(&cluster, &path, "logs", &json!({})).await;
    let host = agent.host.host;
    agent.socket.close(None).await.unwrap();
    cluster.until(|world| (!world.is_connected(host)).then_some(())).await;
    let refused = open(&cluster, &url, None).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(r)) if r.status() == 409));
}

/// The next event of a subscription that is as wanted.
pub(crate) async fn event(user: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        match soon(user.next()).await {
            Some(Ok(Message::Text(text))) => {
                let event = serde_json::from_str(&text).unwrap();
                if wanted(&event) {
                    return event;
                }
            }
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn subscribers_hear_what_changed() {
    let cluster = Cluster::start().await;
    let path = "/v2-beta/projects/1a5/subscribe?eventNames=resource.change";
    let mut user = open(&cluster, path, Some(&cluster.admin)).await.unwrap();
    assert_eq!(event(&mut user, |_| true).await["name"], "ping");
    let service = deploy(&cluster).await;
    let stack = event(&mut user, |e| e["resourceType"] == "stack").await;
    assert_eq!(
        (&stack["name"], &stack["resourceId"]),
        (&json!("resource.change"), &service["stackId"])
    );
    let own = stack["data"]["resource"]["links"]["self"].as_str().unwrap();
    assert!(own.starts_with(&format!("http://{}/v2-beta/projects/1a5/stacks/", cluster.address)));
    // No host is there yet: what the planner says of it is news too.
    let told = |e: &Value| {
        let message = e["data"]["resource"]["transitioningMessage"].as_str();
        e["resourceType"] == "service" && message.is_some_and(|m| m.contains("host"))
    };
    assert_eq!(event(&mut user, told).await["resourceId"], service["id"]);
    let id = service["id"].as_str().unwrap();
    let path = format!("/v2-beta/projects/1a5/services/{id}");
    cluster.admin(axum::http::Method::DELETE, &path, "").await;
    event(&mut user, |e| e["resourceId"] == id && e["data"]["resource"]["state"] == "removed")
        .await;
}

#[tokio::test]
async fn subscribers_hear_what_they_asked_for_with_what_it_leads_to() {
    let cluster = Cluster::start().await;
    let (_agent, path) = container(&cluster).await;
    let subscribe = "/v2-beta/projects/1a5/subscribe";
    let other = format!("{subscribe}?eventNames=service.kubernetes.change");
    let mut deaf = open(&cluster, &other, Some(&cluster.admin)).await.unwrap();
    let all = format!("{subscribe}?eventNames=resource.change&include=hosts&include=nonsense");
    let mut user = open(&cluster, &all, Some(&cluster.admin)).await.unwrap();
    let id = path.rsplit('/').next().unwrap();
    // Both are subscribed before anything changes.
    for user in [&mut deaf, &mut user] {
        event(user, |e| e["name"] == "ping").await;
    }
    let unit = cluster.until(|world| world.units.values().next().map(|unit| unit.key)).await;
    let mut seen = cluster.store.world().observed(unit).unwrap().clone();
    seen.tick += 1_000_000;
    let seen = std::collections::BTreeMap::from([(unit, seen)]);
    let host = cluster.until(|world| world.hosts.keys().next().copied()).await;
    cluster.store.report(host, seen, drover_core::Time(2)).await.unwrap();
    let told = event(&mut user, |e| e["resourceId"] == id).await;
    let resource = &told["data"]["resource"];
    assert_eq!(resource["hosts"][0]["id"], resource["hostId"], "{resource:#}");
    assert!(resource.get("nonsense").is_none());
    let next = event(&mut deaf, |_| true).await;
    assert_eq!(next["name"], "ping", "nothing but signs of life: {next}");
}

#[tokio::test]
async fn the_engine_of_a_host_is_spoken_with_through_its_agent() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let hosts = cluster.get("/v2-beta/projects/1a5/hosts").await.json;
    let id = hosts["data"][0]["id"].as_str().unwrap();
    let path = format!("/v2-beta/projects/1a5/hosts/{id}");
    let url = granted(&cluster, &path, "dockersocket", &Value::Null).await;
    assert!(url.starts_with("/v1/dockersocket/?token="), "{url}");
    let mut user = open(&cluster, &url, None).await.unwrap();
    let (ask, what) = asked(&mut agent).await;
    assert_eq!(what, Ask::Docker);
    user.send(Message::text(STANDARD.encode("GET /_ping"))).await.unwrap();
    let Message::Binary(data) = soon(agent.socket.next()).await.unwrap().unwrap() else { panic!() };
    assert_eq!(Message::Binary(data), frame(ask, b"GET /_ping"));
    agent.socket.send(frame(ask, b"OK")).await.unwrap();
    agent.say(&FromAgent::Done { ask, error: String::new() }).await;
    assert_eq!(texts(&mut user).await, (vec![STANDARD.encode("OK")], 1000));
}
