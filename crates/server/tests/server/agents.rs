//! The link to an agent: assignments out, reports in, and what its ends mean.

use drover_core::protocol::{FromAgent, FromServer, HostEvent, PROTOCOL, Report};
use drover_core::{HostId, Phase, Time, World};
use drover_server::Timing;
use drover_store::EventFilter;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::cluster::{Cluster, soon};
use crate::fake_agent::{FakeAgent, open};

/// A service `web` of one container, running once an agent says so.
pub(crate) async fn deploy(cluster: &Cluster) -> Value {
    let stack = cluster.post("/v2-beta/projects/1a5/stacks", &json!({"name": "shop"})).await.json;
    let service = json!({
        "name": "web", "stackId": stack["id"], "scale": 1, "startOnCreate": true,
        "launchConfig": {"imageUuid": "docker:nginx:1"},
    });
    let made = cluster.post("/v2-beta/projects/1a5/services", &service).await;
    assert_eq!(made.status, 201, "{}", made.json);
    made.json
}

fn connected(world: &World, host: HostId) -> bool {
    world.seen.get(&host).is_some_and(|seen| seen.connected)
}

#[tokio::test]
async fn a_service_runs_once_its_agent_says_so() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let empty = agent.assigned(|_| true).await;
    assert_eq!((empty.units.len(), empty.cluster.is_empty()), (0, false));
    let service = deploy(&cluster).await;
    assert_eq!(service["transitioning"], "yes", "{service}");
    let assignment = agent.assigned(|a| a.units.len() == 1).await;
    assert!(assignment.generation > empty.generation);
    agent.run_all(&assignment).await;
    let running = |world: &World| world.observed.values().any(|o| o.phase == Phase::Running);
    cluster.until(|world| running(world).then_some(())).await;
    cluster.until(|world| world.services.values().next()?.settled).await;
    let path = format!("/v2-beta/projects/1a5/services/{}", service["id"].as_str().unwrap());
    let now = cluster.get(&path).await.json;
    assert_eq!((&now["state"], &now["transitioning"]), (&json!("active"), &json!("no")));
}

#[tokio::test]
async fn events_are_stored_once_and_acknowledged() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    agent.assigned(|_| true).await;
    deploy(&cluster).await;
    let assignment = agent.assigned(|a| a.units.len() == 1).await;
    let unit = *assignment.units.keys().next().unwrap();
    let event = |number: u64| HostEvent { number, at: Time(number), unit, text: "it fell".into() };
    for events in [vec![event(1), event(2)], vec![event(2), event(3)]] {
        let last = events.last().unwrap().number;
        agent.say(&FromAgent::Report(Report { events, ..Report::default() })).await;
        loop {
            match agent.hear().await {
                FromServer::EventsStored { number } => break assert_eq!(number, last),
                FromServer::Assign(_) | FromServer::Discover(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let stored = cluster.store.events(&EventFilter::default(), 10).await.unwrap();
    assert_eq!(stored.iter().map(|e| e.event.number).collect::<Vec<_>>(), [3, 2, 1]);
    let logs = cluster.get("/v2-beta/projects/1a5/servicelogs").await.json;
    assert_eq!(logs["data"].as_array().map(Vec::len), Some(3), "{logs}");
}

#[tokio::test]
async fn the_same_assignment_is_not_sent_twice_but_again_after_a_reconnect() {
    let cluster = Cluster::start().await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    agent.assigned(|_| true).await;
    deploy(&cluster).await;
    let before = agent.assigned(|a| a.units.len() == 1).await;
    // Touches the host and changes nothing of what it shall run.
    let path = format!("/v2-beta/projects/1a5/hosts/1h{}", agent.host.host);
    let put = cluster.admin(axum::http::Method::PUT, &path, r#"{"description": "x"}"#).await;
    assert_eq!(put.status, 200, "{}", put.json);
    agent.run_all(&before).await;
    cluster.until(|world| world.services.values().next()?.settled).await;
    let host = agent.host.clone();
    agent.socket.close(None).await.unwrap();
    while let Some(Ok(frame)) = soon(agent.socket.next()).await {
        if let Message::Text(text) = frame {
            let said = serde_json::from_str(&text).unwrap();
            assert!(!matches!(said, FromServer::Assign(_)), "an assignment was sent again");
        }
    }
    let mut agent = FakeAgent::connect(&cluster, host).await;
    let after = agent.assigned(|_| true).await;
    assert!(after.same_content(&before));
    assert_eq!(agent.tick, 1, "the counter goes on above what was seen");
}

#[tokio::test]
async fn a_newer_connection_takes_the_place_of_the_older() {
    let cluster = Cluster::start().await;
    let old = FakeAgent::join(&cluster, "m1").await;
    let host = old.host.host;
    let mut new = FakeAgent::connect(&cluster, old.host.clone()).await;
    new.assigned(|_| true).await;
    assert!(matches!(old.end().await, Some(Message::Close(_))));
    // The old one's end must not count: a change still reaches the new one.
    deploy(&cluster).await;
    new.assigned(|a| a.units.len() == 1).await;
    assert!(connected(&cluster.store.world(), host));
}

#[tokio::test]
async fn a_closed_connection_and_a_silent_one_are_disconnected() {
    let timing = Timing { silence_ms: 300, ..Timing::default() };
    let (store, admin) = Cluster::start().await.stop().await;
    let cluster = Cluster::on(store, admin, timing).await;
    let mut agent = FakeAgent::join(&cluster, "m1").await;
    let host = agent.host.host;
    cluster.until(|world| connected(world, host).then_some(())).await;
    agent.socket.close(None).await.unwrap();
    cluster.until(|world| (!connected(world, host)).then_some(())).await;
    // This one keeps its connection, and is never read: no ping is answered.
    let silent = FakeAgent::connect(&cluster, agent.host.clone()).await;
    cluster.until(|world| connected(world, host).then_some(())).await;
    cluster.until(|world| (!connected(world, host)).then_some(())).await;
    drop(silent);
}

#[tokio::test]
async fn a_restart_of_the_server_is_no_disconnect_unless_the_agent_stays_away() {
    let cluster = Cluster::start().await;
    let (one, two) = (FakeAgent::join(&cluster, "m1").await, FakeAgent::join(&cluster, "m2").await);
    let (back, away) = (one.host.clone(), two.host.clone());
    let (store, admin) = cluster.stop().await;
    assert!(matches!(one.end().await, Some(Message::Close(_))));
    let world = store.world();
    assert!(connected(&world, back.host) && connected(&world, away.host));
    let timing = Timing { reconnect_ms: 300, ..Timing::default() };
    let cluster = Cluster::on(store, admin, timing).await;
    let _agent = FakeAgent::connect(&cluster, back.clone()).await;
    cluster.until(|world| (!connected(world, away.host)).then_some(())).await;
    assert!(connected(&cluster.store.world(), back.host));
}

#[tokio::test]
async fn agents_that_do_not_fit_are_refused_in_words() {
    let cluster = Cluster::start().await;
    let check = async |protocol: u32, assigned: u64, says: &str| {
        let host = FakeAgent::join(&cluster, "m1").await.host;
        let key = format!("{}:{}", host.access, host.secret.reveal());
        let socket = open(&cluster, "/agent/connect", Some(&key)).await.unwrap();
        let mut agent = FakeAgent { host, socket, tick: 0 };
        agent.hello(protocol, assigned).await;
        let FromServer::Refused { reason } = agent.hear().await else { panic!("not refused") };
        assert!(reason.contains(says), "{reason}");
    };
    check(PROTOCOL + 1, 0, "don't speak the same protocol (server: 1, agent: 2)").await;
    check(PROTOCOL, 999_999, "follows generation 999999").await;
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_not_the_server() {
    let cluster = Cluster::start().await;
    for nonsense in [Message::text("{"), Message::binary(vec![1, 2, 3])] {
        let mut agent = FakeAgent::join(&cluster, "m1").await;
        agent.assigned(|_| true).await;
        soon(agent.socket.send(nonsense)).await.unwrap();
        assert!(matches!(agent.end().await, Some(Message::Close(_))));
    }
    assert_eq!(cluster.get("/ping").await.status, 200);
}
