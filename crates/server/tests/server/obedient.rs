//! Hosts that are played on the store, and do at once what they are told.

use std::collections::BTreeMap;

use drover_core::{
    Change, Desired, Failed, Health, Host, HostId, HostSeen, Observed, ObservedContainer, Phase,
    ProjectId, Time, Unit, World,
};
use drover_store::Store;

/// An image with this in its name can't be pulled.
pub(crate) const MISSING: &str = "missing";
/// A container of an image with this in its name can't be removed.
pub(crate) const STAYS: &str = "stays";

/// A host, and whoever plays it.
pub(crate) async fn host(store: &Store) {
    let id = HostId(store.world().next_id);
    let host = Host {
        id,
        project: ProjectId(5),
        identity: "machine".into(),
        hostname: "node".into(),
        name: String::new(),
        description: String::new(),
        labels: BTreeMap::new(),
        address: "10.0.0.1".into(),
        subnet: None,
        active: true,
        evacuation: None,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: Time(0),
        removed_at: None,
    };
    let seen = Box::new(HostSeen { connected: true, caught_up: true, ..HostSeen::default() });
    let changes = vec![Change::PutHost(host), Change::SeeHost { host: id, seen }];
    store.commit(None, "test", Time(0), changes).await.unwrap();
    tokio::spawn(obey(store.clone(), id));
}

async fn obey(store: Store, host: HostId) {
    let mut feed = store.feed();
    let mut tick = 0;
    loop {
        let world = store.world();
        tick += 1;
        let seen: BTreeMap<_, _> = world
            .units_on(host)
            .map(|unit| (unit.key, look(&world, unit, tick)))
            .filter(|(key, new)| {
                world
                    .observed(*key)
                    .is_none_or(|held| held.generation != new.generation || held.phase != new.phase)
            })
            .collect();
        if !seen.is_empty() {
            store.report(host, seen, Time(0)).await.unwrap();
        }
        feed.next().await;
    }
}

fn look(world: &World, unit: &Unit, tick: u64) -> Observed {
    let template = world.template(unit.key.service, unit.key.revision).unwrap();
    let image = &template.primary.image;
    let (phase, message) = match unit.desired {
        Desired::Running | Desired::Draining | Desired::Staged if image.contains(MISSING) => {
            (Phase::BackOff, format!("no such image: {image}"))
        }
        Desired::Running | Desired::Draining => (Phase::Running, String::new()),
        Desired::Stopped | Desired::Staged => (Phase::Stopped, String::new()),
        Desired::Removed if image.contains(STAYS) => (Phase::Stopped, "it stays".to_owned()),
        Desired::Removed => (Phase::Gone, String::new()),
    };
    let container = ObservedContainer {
        docker_id: format!("docker-{}", unit.key),
        running: phase == Phase::Running,
        starts: 1,
        health: Health::None,
        ..ObservedContainer::default()
    };
    let failed = match phase {
        Phase::BackOff => Failed { times: 4, how: message.clone(), ..Failed::default() },
        _ => Failed::default(),
    };
    Observed {
        failed,
        generation: unit.generation,
        tick,
        phase,
        ready: phase == Phase::Running,
        message,
        containers: BTreeMap::from([(String::new(), container)]),
        ..Observed::default()
    }
}
