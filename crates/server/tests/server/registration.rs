//! Machines become hosts.

use drover_core::Secret;
use drover_core::protocol::Registered;

use crate::cluster::Cluster;
use crate::fake_agent::{FakeAgent, open, register, token};

#[tokio::test]
async fn a_token_is_for_one_machine() {
    let cluster = Cluster::start().await;
    let token = token(&cluster).await;
    let first = register(&cluster, &token, "m1").await;
    assert_eq!(first.status, 201, "{}", first.json);
    let first: Registered = serde_json::from_value(first.json).unwrap();
    let other = register(&cluster, &token, "m2").await;
    let said = other.json["message"].as_str().unwrap();
    assert_eq!((other.status, &other.json["code"]), (409, &"Conflict".into()));
    let id = format!("host m1.example (1h{}) on 20", first.host);
    assert!(said.contains(&id) && said.contains("make another one"), "{said}");
    assert_eq!(cluster.store.world().hosts.len(), 1);
}

#[tokio::test]
async fn the_same_machine_gets_a_new_key_for_the_same_host() {
    let cluster = Cluster::start().await;
    let token = token(&cluster).await;
    let first = register(&cluster, &token, "m1").await.json;
    let again = register(&cluster, &token, "m1").await;
    assert_eq!((again.status, &again.json["host"]), (201, &first["host"]));
    let key = |json: &serde_json::Value| {
        format!("{}:{}", json["access"].as_str().unwrap(), json["secret"].as_str().unwrap())
    };
    let connect = async |key: String| open(&cluster, "/agent/connect", Some(&key)).await.is_ok();
    assert!(connect(key(&again.json)).await);
    assert!(!connect(key(&first)).await, "the old key still opens the link");
    assert_eq!(cluster.store.world().hosts.len(), 1);
}

#[tokio::test]
async fn another_token_for_a_known_machine_is_the_same_host() {
    let cluster = Cluster::start().await;
    let (one, two) = (token(&cluster).await, token(&cluster).await);
    let first = register(&cluster, &one, "m1").await.json;
    let again = register(&cluster, &two, "m1").await.json;
    assert_eq!(first["host"], again["host"]);
    let other = register(&cluster, &two, "m2").await;
    assert_eq!(other.status, 409, "the second token is used too");
}

#[tokio::test]
async fn what_is_no_token_registers_nothing() {
    let cluster = Cluster::start().await;
    let check = async |token: &str, identity: &str, status: u16, says: &str| {
        let got = register(&cluster, &Secret::new(token), identity).await;
        let said = got.json["message"].as_str().unwrap_or_default();
        assert_eq!(got.status, status, "{said}");
        assert!(said.contains(says), "{said}");
    };
    let token = token(&cluster).await;
    let public = token.reveal().split_once(':').unwrap().0;
    check("guess", "m1", 401, "not valid").await;
    check(&cluster.admin, "m1", 401, "not valid").await;
    check(&format!("{public}:guess"), "m1", 401, "not valid").await;
    check("guess", " ", 422, "`identity` is empty").await;
    assert!(cluster.store.world().hosts.is_empty());
}

#[tokio::test]
async fn a_host_that_joined_is_seen() {
    let cluster = Cluster::start().await;
    let agent = FakeAgent::join(&cluster, "m1").await;
    let host = agent.host.host;
    let seen = cluster.until(|world| world.seen.get(&host).filter(|s| s.connected).cloned()).await;
    assert_eq!((seen.facts.agent_version.as_str(), seen.facts.cpus), ("test", 2));
    assert_eq!(agent.host.cluster, cluster.store.world().cluster());
}
