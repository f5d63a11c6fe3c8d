//! What hosts are told of names: everything after a connect, then what changes, the same on every host.

use drover_core::derive;
use drover_core::protocol::FromServer;
use drover_core::{Desired, Discovery};

use crate::agents::deploy;
use crate::cluster::Cluster;
use crate::fake_agent::FakeAgent;

/// Merge what an agent hears until its facts are as wanted; how many updates it took.
async fn until(
    agent: &mut FakeAgent,
    held: &mut Discovery,
    wanted: impl Fn(&Discovery) -> bool,
) -> usize {
    let mut updates = 0;
    while !wanted(held) {
        if let FromServer::Discover(update) = agent.hear().await {
            held.take(*update);
            updates += 1;
        }
    }
    updates
}

#[tokio::test]
async fn every_host_is_told_whole_then_what_changes() {
    let cluster = Cluster::start().await;
    let mut first = FakeAgent::join(&cluster, "m1").await;
    let mut facts = Discovery::default();
    until(&mut first, &mut facts, |facts| facts.project.id == 5 && facts.hosts.len() == 1).await;
    deploy(&cluster).await;
    let assignment = first.assigned(|a| a.units.len() == 1).await;
    first.run_all(&assignment).await;
    let serves = |facts: &Discovery| {
        facts.services.values().any(|service| service.containers.iter().any(|c| c.serving))
    };
    until(&mut first, &mut facts, serves).await;

    // One that comes later hears the same in one go.
    let mut second = FakeAgent::join(&cluster, "m2").await;
    let mut anew = Discovery::default();
    until(&mut second, &mut anew, serves).await;
    until(&mut first, &mut facts, |facts| {
        facts.hosts.values().all(|h| h.connected) && facts.hosts.len() == 2
    })
    .await;
    until(&mut second, &mut anew, |facts| {
        facts.hosts.values().all(|h| h.connected) && facts.hosts.len() == 2
    })
    .await;

    let world = cluster.until(|world| Some(world.clone())).await;
    let whole = derive::discovery(&world, second.host.host);
    assert_eq!(facts.services, whole.services);
    assert_eq!(anew.services, whole.services);
    let unit = world.units.keys().next().copied().unwrap();
    assert_eq!(world.unit(unit).unwrap().desired, Desired::Running);
}

#[tokio::test]
async fn an_agent_that_comes_back_is_told_everything() {
    let cluster = Cluster::start().await;
    let agent = FakeAgent::join(&cluster, "m1").await;
    let host = agent.host.clone();
    drop(agent);
    let mut agent = FakeAgent::connect(&cluster, host).await;
    let update = loop {
        if let FromServer::Discover(update) = agent.hear().await {
            break update;
        }
    };
    assert!(update.whole);
    assert_eq!(update.hosts.len(), 1);
}
