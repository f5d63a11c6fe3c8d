//! What a server asks for on a user's behalf.

use drover_core::Sample;
use drover_core::protocol::Ask;

use crate::server::Told;
use crate::site::{Site, app, key, web};

#[tokio::test]
async fn logs_exec_and_a_restart() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web()).ready_ports = vec![80];
    site.assign();
    let container = site.until_ready(1).await.containers[""].docker_id.clone();

    let logs = Ask::Logs {
        container: container.clone(),
        follow: false,
        tail: None,
        timestamps: false,
        since: None,
    };
    site.server().ask(1, logs);
    let told = site.until("the log", |told| told.done.contains_key(&1)).await;
    assert_eq!(told.done[&1], "");
    assert_eq!(told.streams[&1], ["\u{1}v1 serves on port 80"]);

    let exec = |command: &[&str], stdin| Ask::Exec {
        container: container.clone(),
        command: command.iter().map(|c| (*c).to_owned()).collect(),
        tty: false,
        stdin,
    };
    site.server().ask(2, exec(&["/testapp", "exit", "4"], false));
    let told = site.until("the command", |told| told.done.contains_key(&2)).await;
    assert_eq!(told.done[&2], "the command exited with code 4");
    assert_eq!(told.streams[&2].concat(), b"ending with 4\n");

    site.server().ask(3, exec(&["/testapp", "echo"], true));
    site.server().send(3, b"hello ");
    site.server().send(3, b"there");
    site.server().send(3, b"");
    let told = site.until("the echo", |told| told.done.contains_key(&3)).await;
    assert_eq!((told.done[&3].as_str(), told.streams[&3].concat()), ("", b"hello there".to_vec()));

    site.server().ask(4, Ask::Restart { container: container.clone(), grace_s: Some(1) });
    site.until_unit(1, "restarted", |s| s.ready && s.containers[""].starts == 2).await;
    site.until("that it is over", |told| told.done.contains_key(&4)).await;

    site.server().ask(5, Ask::Remove { container: container.clone() });
    site.until("another one", |told| {
        let seen = &told.units[&key(1)];
        seen.ready && seen.containers[""].docker_id != container
    })
    .await;
    site.close().await;
}

#[tokio::test]
async fn a_log_is_followed_until_the_asker_goes() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, app(&["sleep"]));
    site.assign();
    let container = site.until_ready(1).await.containers[""].docker_id.clone();
    let follow =
        Ask::Logs { container, follow: true, tail: Some(10), timestamps: false, since: None };
    site.server().ask(1, follow);
    site.until("a line", |told| told.streams.contains_key(&1)).await;
    assert!(!site.server().told.borrow().done.contains_key(&1));
    site.server().cancel(1);
    let told = site.until("the end", |told| told.done.contains_key(&1)).await;
    assert_eq!(told.done[&1], "it was cancelled");
    site.close().await;
}

#[tokio::test]
async fn strangers_can_t_be_asked_for() {
    let Some(site) = Site::open().await else { return };
    site.until("Docker", |told| !told.facts.docker_version.is_empty()).await;
    site.server().ask(1, Ask::Stop { container: "somebody-s-database".into(), grace_s: None });
    let told = site.until("the refusal", |told| told.done.contains_key(&1)).await;
    assert_eq!(told.done[&1], "there is no such container of this cluster on this host");
    site.close().await;
}

#[tokio::test]
async fn what_a_container_and_the_host_use_is_told_until_the_asker_goes() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, app(&["sleep"]));
    site.assign();
    let container = site.until_ready(1).await.containers[""].docker_id.clone();
    let stranger = "somebody-s-database".to_owned();
    let containers = [container.clone(), stranger].into();
    site.server().ask(1, Ask::Stats { host: true, containers });
    let samples = |told: &Told| -> Vec<Sample> {
        let frames = told.streams.get(&1).into_iter().flatten();
        frames.map(|frame| serde_json::from_slice(frame).unwrap()).collect()
    };
    let told = site
        .until("two samples of each", |told| {
            let of = |id: &str| samples(told).iter().filter(|s| s.container == id).count() >= 2;
            of(&container) && of("")
        })
        .await;
    for sample in samples(&told) {
        assert!(sample.container.is_empty() || sample.container == container, "{sample:?}");
        assert!(sample.cpu.total > 0 && sample.memory > 0, "{sample:?}");
        assert!(sample.memory <= sample.memory_limit && sample.at.0 > 0, "{sample:?}");
    }
    site.server().cancel(1);
    site.until("the end", |told| told.done.contains_key(&1)).await;
    site.close().await;
}
