//! The network doctor: every connected agent is asked, twice, and those that say nothing are named.

use drover_core::doctor::{Examined, Heard, NamesFound, ProbeTarget, Probed, Reach, Way};
use drover_core::protocol::{Ask, FromAgent};
use drover_core::{HostId, HostNetwork};
use serde::Serialize;
use serde_json::{Value, json};

use crate::asks::asked;
use crate::cluster::{Cluster, Got};
use crate::fake_agent::FakeAgent;

const DOCTOR: &str = "/v2-beta/projects/1a5?action=networkdoctor";

/// Answer with one line of JSON.
async fn tell(agent: &mut FakeAgent, ask: u64, found: &impl Serialize) {
    let text = serde_json::to_string(found).unwrap();
    agent.say(&FromAgent::Progress { ask, text }).await;
    agent.say(&FromAgent::Done { ask, error: String::new() }).await;
}

/// A host that is well; its agent follows what the server has in mind.
async fn examined(cluster: &Cluster, agent: &FakeAgent) -> Examined {
    let host = HostId(agent.host.host.0);
    let network: HostNetwork = cluster.until(|world| world.host_network(host)).await;
    let names = NamesFound {
        container: "names".into(),
        running: true,
        address: "10.42.9.9".into(),
        ..NamesFound::default()
    };
    Examined { network: Some(network), underlay_mtu: 1500, mtu: 1450, names, ..Examined::default() }
}

fn codes(got: &Got) -> Vec<&str> {
    let findings = got.json["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn agents_are_asked_and_what_they_say_is_put_together() {
    let cluster = Cluster::start().await;
    let mut one = FakeAgent::join(&cluster, "m1").await;
    let mut two = FakeAgent::join(&cluster, "m2").await;
    let subnets = |world: &drover_core::World| {
        world.hosts.values().all(|host| host.subnet.is_some()).then_some(())
    };
    cluster.until(subnets).await;
    let (first, second) = (one.host.host, two.host.host);
    let playing = async {
        for agent in [&mut one, &mut two] {
            let (ask, what) = asked(agent).await;
            assert_eq!(what, Ask::Examine { name: String::new() });
            let found = examined(&cluster, agent).await;
            tell(agent, ask, &found).await;
        }
        for (agent, other) in [(&mut one, second), (&mut two, first)] {
            let (ask, what) = asked(agent).await;
            let Ask::Probe { targets } = what else { panic!("{what:?}") };
            let [ProbeTarget { host, container, .. }] = &targets[..] else { panic!("{targets:?}") };
            assert_eq!((*host, container.as_str()), (other.0, "10.42.9.9"));
            let reach = |full, largest| Reach { full, largest, said: String::new() };
            let way = Way { underlay: reach(1500, 1500), overlay: reach(1450, 0), container: None };
            let heard = Heard { underlay: 1500, overlay: if other == first { 1450 } else { 0 } };
            let found = Probed {
                ways: [(other.0, way)].into(),
                heard: [(other.0, heard)].into(),
                ..Probed::default()
            };
            tell(agent, ask, &found).await;
        }
    };
    let body = json!({});
    let (got, ()) = tokio::join!(cluster.post(DOCTOR, &body), playing);
    assert_eq!((got.status, &got.json["type"]), (200, &json!("networkDiagnosis")));
    assert_eq!((&got.json["healthy"], codes(&got)), (&Value::Bool(false), vec!["udp-dropped"]));
    let message = got.json["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("from m2.example (10.0.0.1) to m1.example"), "{message}");
    assert_eq!(got.json["hosts"][0]["mtu"], 1450);
}

#[tokio::test]
async fn an_agent_that_fails_or_is_away_is_named() {
    let cluster = Cluster::start().await;
    let mut one = FakeAgent::join(&cluster, "m1").await;
    let mut two = FakeAgent::join(&cluster, "m2").await;
    two.socket.close(None).await.unwrap();
    let gone =
        |world: &drover_core::World| world.seen.values().any(|seen| !seen.connected).then_some(());
    cluster.until(gone).await;
    let playing = async {
        let (ask, _) = asked(&mut one).await;
        one.say(&FromAgent::Done { ask, error: "there is no Docker".into() }).await;
    };
    let body = json!({});
    let (got, ()) = tokio::join!(cluster.post(DOCTOR, &body), playing);
    assert_eq!(codes(&got), ["no-answer", "not-connected"], "{}", got.json);
    let message = got.json["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("m1.example was asked") && message.contains("no Docker"), "{message}");
    let nobody = cluster.post("/v2-beta/projects/1a99?action=networkdoctor", &body).await;
    assert_eq!(nobody.status, 404);
}
