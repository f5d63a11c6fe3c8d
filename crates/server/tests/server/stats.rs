//! What hosts and containers use, over WebSockets; and what becomes of streams and their tokens with the key they were
//! asked for with.

use drover_core::protocol::{Ask, FromServer};
use drover_core::{CpuUse, Sample, Time};
use drover_server::Timing;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::agents::deploy;
use crate::asks::asked;
use crate::cluster::{Cluster, basic, soon};
use crate::fake_agent::{FakeAgent, Socket, open};
use crate::streams::{container, why_closed};

/// A server that says what is used as often as a test can bear.
async fn cluster() -> Cluster {
    Cluster::timed(Timing { stats_ms: 5, ..Timing::default() }).await
}

/// Follow a link to statistics with a key; the path of its stream, with the token.
async fn granted(cluster: &Cluster, key: &str, link: &str) -> String {
    let headers = [("authorization", &*basic(key))];
    let got = cluster.send(axum::http::Method::GET, link, &headers, "").await;
    assert_eq!((got.status, &got.json["type"]), (200, &json!("statsAccess")), "{}", got.json);
    let url = got.json["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("ws://{}", cluster.address)).unwrap();
    format!("{path}?token={}", got.json["token"].as_str().unwrap())
}

/// Say once what is used by each that was asked for.
async fn answer(agent: &mut FakeAgent, (ask, what): (u64, Ask), used: u64) {
    let Ask::Stats { host, containers } = what else { panic!("{what:?}") };
    let own = host.then(String::new);
    for container in own.into_iter().chain(containers) {
        let cpu = CpuUse { total: used, ..CpuUse::default() };
        let sample = Sample { container, at: Time(1), cpu, ..Sample::default() };
        let data = [&ask.to_be_bytes()[..], &serde_json::to_vec(&sample).unwrap()].concat();
        agent.socket.send(Message::binary(data)).await.unwrap();
    }
}

/// The next frame in which as many are told of as wanted: ids and what they used.
async fn told(user: &mut Socket, count: usize) -> Vec<(String, u64)> {
    loop {
        match soon(user.next()).await {
            Some(Ok(Message::Text(text))) => {
                let frame: Vec<Value> = serde_json::from_str(&text).unwrap();
                if frame.len() == count {
                    let one = |s: &Value| {
                        let used = s["cpu"]["usage"]["total"].as_u64().unwrap();
                        (s["id"].as_str().unwrap().to_owned(), used)
                    };
                    return frame.iter().map(one).collect();
                }
            }
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_service_uses_comes_from_all_its_hosts() {
    let cluster = cluster().await;
    let mut agents = [FakeAgent::join(&cluster, "m1").await, FakeAgent::join(&cluster, "m2").await];
    let service = deploy(&cluster).await;
    let id = service["id"].as_str().unwrap();
    let path = format!("/v2-beta/projects/1a5/services/{id}");
    cluster.admin(axum::http::Method::PUT, &path, "{\"scale\": 2}").await;
    for agent in &mut agents {
        let assignment = agent.assigned(|a| a.units.len() == 1).await;
        agent.run_all(&assignment).await;
    }
    cluster.until(|world| world.services.values().next()?.settled).await;
    let link = format!("{path}/containerstats");
    assert_eq!(
        cluster.get(&path).await.json["links"]["containerStats"],
        format!("http://{}{link}", cluster.address)
    );
    let url = granted(&cluster, &cluster.admin, &link).await;
    assert!(url.starts_with("/v1/containerstats?token="), "{url}");
    let mut user = open(&cluster, &url, None).await.unwrap();
    for (agent, used) in agents.iter_mut().zip([10, 20]) {
        let question = asked(agent).await;
        answer(agent, question, used).await;
    }
    let both = told(&mut user, 2).await;
    let containers = cluster.get("/v2-beta/projects/1a5/containers").await.json;
    let ids: Vec<&Value> =
        containers["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert!(both.iter().all(|(id, _)| ids.contains(&&json!(id))), "{both:?}");
    let mut used: Vec<u64> = both.iter().map(|(_, used)| *used).collect();
    used.sort_unstable();
    assert_eq!(used, [10, 20]);

    // Whose agent is away is left out, and nobody waits for it.
    let [one, _two] = agents;
    let host = one.host.host;
    drop(one);
    cluster.until(|world| (!world.is_connected(host)).then_some(())).await;
    assert_eq!(told(&mut user, 1).await[0].1, 20);
    // It is removed: there is nothing to be told of any more.
    cluster.admin(axum::http::Method::DELETE, &path, "").await;
    loop {
        match soon(user.next()).await {
            Some(Ok(Message::Close(Some(close)))) => {
                break assert!(close.reason.contains("removed"), "{close:?}");
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_hosts_use() {
    let cluster = cluster().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let hosts = cluster.get("/v2-beta/projects/1a5/hosts").await.json;
    let id = hosts["data"][0]["id"].as_str().unwrap();
    for link in [
        format!("/v2-beta/projects/1a5/hosts/{id}/hostStats"),
        "/v2-beta/projects/1a5/hoststats".to_owned(),
    ] {
        let url = granted(&cluster, &cluster.admin, &link).await;
        assert!(url.starts_with("/v1/hoststats?token="), "{url}");
        let mut user = open(&cluster, &url, None).await.unwrap();
        let question = asked(&mut agent).await;
        assert_eq!(question.1, Ask::Stats { host: true, containers: [].into() });
        answer(&mut agent, question, 7).await;
        assert_eq!(told(&mut user, 1).await, [(id.to_owned(), 7)]);
        // Once the user has left, the agent need not go on.
        user.close(None).await.unwrap();
        loop {
            match agent.hear().await {
                FromServer::Cancel { .. } => break,
                FromServer::Assign(_) | FromServer::Discover(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_stream_and_its_token_end_with_the_key() {
    let cluster = cluster().await;
    let (mut agent, path) = container(&cluster).await;
    let host = cluster.get(&path).await.json["hostId"].as_str().unwrap().to_owned();
    let host = format!("/v2-beta/projects/1a5/hosts/{host}");
    let made = cluster.post("/v2-beta/projects/1a5/apikeys", &json!({})).await.json;
    let key = format!(
        "{}:{}",
        made["publicValue"].as_str().unwrap(),
        made["secretValue"].as_str().unwrap()
    );
    let act = async |path: &str, action: &str| {
        let headers = [("authorization", &*basic(&key))];
        let body = json!({ "command": ["sh"] }).to_string();
        let path = format!("{path}/?action={action}");
        let got = cluster.send(axum::http::Method::POST, &path, &headers, &body).await;
        let url = got.json["url"].as_str().unwrap_or_else(|| panic!("{}", got.json));
        let path = url.strip_prefix(&format!("ws://{}", cluster.address)).unwrap();
        format!("{path}?token={}", got.json["token"].as_str().unwrap())
    };
    let all = async || {
        vec![
            act(&path, "logs").await,
            act(&path, "execute").await,
            act(&host, "dockersocket").await,
            granted(&cluster, &key, &format!("{path}/containerstats")).await,
            granted(&cluster, &key, &format!("{host}/hoststats")).await,
        ]
    };
    let mut users = Vec::new();
    for url in all().await {
        users.push(open(&cluster, &url, None).await.unwrap());
        asked(&mut agent).await;
    }
    let unused = all().await;
    let own = format!("/v2-beta/projects/1a5/apikeys/{}", made["id"].as_str().unwrap());
    let off = cluster.post(&format!("{own}/?action=deactivate"), &json!({})).await;
    assert_eq!(off.status, 202, "{}", off.json);
    for url in unused {
        let refused = open(&cluster, &url, None).await;
        let is_denied = matches!(&refused, Err(tungstenite::Error::Http(r)) if r.status() == 401);
        assert!(is_denied, "{url}: {refused:?}");
    }
    for (number, user) in users.iter_mut().enumerate() {
        let why = why_closed(user).await;
        assert!(why.contains("switched off"), "{number}: {why}");
    }
}
