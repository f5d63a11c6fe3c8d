//! What fails, and who comes back: containers, agents, servers.

use std::time::{Duration, Instant};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptions, RemoveContainerOptionsBuilder,
};
use drover_core::label;

use crate::site::{IMAGE, Site, key, web};

#[tokio::test]
async fn a_killed_container_is_back_within_two_seconds() {
    let Some(mut site) = Site::open().await else { return };
    // Beside everything else that these tests do to the machine, one of three has to be in time.
    let mut down = Duration::MAX;
    for slot in 1..=3 {
        site.put(slot, web()).ready_ports = vec![80];
        site.assign();
        let id = site.until_ready(slot).await.containers[""].docker_id.clone();
        let killed_at = Instant::now();
        site.docker.kill_container(&id, None::<KillContainerOptions>).await.unwrap();
        site.until_unit(slot, "back", |s| s.ready && s.containers[""].starts == 2).await;
        down = down.min(killed_at.elapsed());
    }
    assert!(down < Duration::from_secs(2), "{down:?}");
    site.until("the events", |told| told.events.len() == 3).await;
    let want = "web-1 exited with code 137 (killed by SIGKILL); started again after ";
    assert!(site.events()[0].starts_with(want), "{:?}", site.events());
    site.close().await;
}

#[tokio::test]
async fn a_container_removed_by_hand_is_made_again() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web()).ready_ports = vec![80];
    site.assign();
    let id = site.until_ready(1).await.containers[""].docker_id.clone();
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    site.docker.remove_container(&id, Some(force)).await.unwrap();
    let told = site.until("another", |told| {
        let seen = &told.units[&key(1)];
        seen.ready && seen.containers[""].docker_id != id
    });
    told.await;
    let events = site.events();
    assert!(events.iter().any(|e| e.contains("removed from outside")), "{events:?}");
    site.close().await;
}

#[tokio::test]
async fn a_restarted_agent_touches_nothing() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web()).ready_ports = vec![80];
    site.put(2, web());
    site.assign();
    let (one, two) = (site.until_ready(1).await, site.until_ready(2).await);
    let ids = [one.containers[""].docker_id.clone(), two.containers[""].docker_id.clone()];
    let before = [site.started_at(&ids[0]).await, site.started_at(&ids[1]).await];
    site.kill_agent().await;
    let tick = site.server().told.borrow().units[&key(1)].tick;
    site.start_agent();
    let told = site.until("reported anew", |t| t.hellos == 2 && t.units[&key(1)].tick > tick);
    let told = told.await;
    assert_eq!(told.units[&key(1)].containers[""].docker_id, ids[0]);
    assert_eq!([site.started_at(&ids[0]).await, site.started_at(&ids[1]).await], before);
    assert_eq!(site.containers().await.len(), 2);
    site.close().await;
}

#[tokio::test]
async fn without_a_server_the_host_heals_itself_and_tells_later() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web()).ready_ports = vec![80];
    site.put(2, web());
    site.assign();
    let id = site.until_ready(1).await.containers[""].docker_id.clone();
    let other = site.until_ready(2).await.containers[""].docker_id.clone();
    let untouched = site.started_at(&other).await;
    site.stop_server();
    // An agent that starts while the server is away knows what to do as well.
    site.kill_agent().await;
    let before = site.started_at(&id).await;
    site.docker.kill_container(&id, None::<KillContainerOptions>).await.unwrap();
    site.start_agent();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let state = site.inspect(&id).await.state.unwrap();
        if state.running == Some(true) && state.started_at.as_deref() != Some(before.as_str()) {
            break;
        }
        assert!(Instant::now() < deadline, "it is not started again");
        tokio::task::yield_now().await;
    }
    site.start_server().await;
    site.until_ready(1).await;
    site.until("what happened", |told| !told.events.is_empty()).await;
    assert!(site.events()[0].starts_with("web-1 exited with code 137"), "{:?}", site.events());
    assert_eq!(site.started_at(&other).await, untouched);
    site.close().await;
}

#[tokio::test]
async fn a_wiped_agent_finds_its_containers() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web());
    site.assign();
    let seen = site.until_ready(1).await;
    let id = seen.containers[""].docker_id.clone();
    let before = site.started_at(&id).await;
    site.kill_agent().await;
    site.state = tempfile::tempdir().unwrap();
    site.start_agent();
    let told = site.until("counting on", |told| told.units[&key(1)].tick > seen.tick).await;
    assert_eq!(told.units[&key(1)].containers[""].docker_id, id);
    assert_eq!(site.started_at(&id).await, before);
    site.close().await;
}

#[tokio::test]
async fn strangers_are_left_alone_and_leftovers_go() {
    let Some(mut site) = Site::open().await else { return };
    let cluster = site.assignment.cluster.clone();
    let make = async |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let body = ContainerCreateBody {
            image: Some(IMAGE.into()),
            cmd: Some(vec!["sleep".into()]),
            labels: Some(labels.collect()),
            ..ContainerCreateBody::default()
        };
        let options =
            CreateContainerOptionsBuilder::new().name(&format!("{cluster}-{name}")).build();
        site.docker.create_container(Some(options), body).await.unwrap().id
    };
    let unit = (label::UNIT, "9/1/1/1");
    let plain = make("plain", &[]).await;
    let foreign = make("foreign", &[(label::CLUSTER, "another"), unit]).await;
    let left_over = make("left", &[(label::CLUSTER, &cluster), unit]).await;
    site.put(1, web());
    site.assign();
    site.until_ready(1).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while site.containers().await.contains(&left_over) {
        assert!(Instant::now() < deadline, "what was replaced elsewhere is still there");
    }
    for stranger in [plain, foreign] {
        site.inspect(&stranger).await;
        site.docker
            .remove_container(&stranger, Some(RemoveContainerOptionsBuilder::new().build()))
            .await
            .unwrap();
    }
    site.close().await;
}
