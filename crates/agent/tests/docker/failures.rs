//! What can't work is said in one clear sentence, and tried again.

use drover_core::{AssignedVolume, ContainerSpec, Phase, PortSpec};

use crate::site::{Site, app, web};

async fn fails(spec: ContainerSpec, want: &str) {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, spec);
    site.assign();
    let seen = site.until_unit(1, want, |s| s.phase == Phase::BackOff).await;
    assert!(seen.message.contains(want), "{}", seen.message);
    assert!(seen.message.contains("; next attempt in"), "{}", seen.message);
    site.until("the event", |told| !told.events.is_empty()).await;
    assert!(site.events()[0].contains(want), "{:?}", site.events());
    site.close().await;
}

#[tokio::test]
async fn a_missing_image() {
    let spec = ContainerSpec { image: "127.0.0.1:9/no/such:1".into(), ..ContainerSpec::default() };
    let want = "image 127.0.0.1:9/no/such:1 can't be pulled from 127.0.0.1:9: 127.0.0.1:9 can't be reached";
    fails(spec, want).await;
}

#[tokio::test]
async fn a_missing_program() {
    let mut spec = app(&[]);
    spec.entrypoint = vec!["/nope".into()];
    fails(spec, "can't start it: /nope is not in the image").await;
}

#[tokio::test]
async fn a_missing_folder_is_docker_s_to_make_and_a_missing_member_is_not() {
    let mut spec = app(&["sleep"]);
    spec.volumes_from = vec!["nobody".into()];
    fails(spec, "`nobody`, which is neither the service itself nor one of its sidekicks").await;
}

#[tokio::test]
async fn a_crash_loop() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, app(&["exit", "3"]));
    site.assign();
    let seen = site.until_unit(1, "a wait", |s| s.phase == Phase::BackOff && s.attempt == 3).await;
    assert_eq!(seen.message, "exited with code 3; next attempt in 2 s (4th)");
    site.close().await;
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let Some(mut site) = Site::open().await else { return };
    let mut spec = web();
    // From the tests' own corner of the ports; a second run on the same engine at the same time would clash.
    let public = 29_000 + u16::from_str_radix(&site.assignment.cluster[5..8], 16).unwrap();
    spec.ports = vec![PortSpec { public: Some(public), private: 80, ..PortSpec::default() }];
    site.put(1, spec.clone());
    site.assign();
    site.until_ready(1).await;
    site.put(2, spec);
    site.assign();
    let seen = site.until_unit(2, "refused", |s| s.phase == Phase::BackOff).await;
    let want = format!("can't start it: port {public} of this host is taken");
    assert!(seen.message.starts_with(&want), "{}", seen.message);
    site.close().await;
}

#[tokio::test]
async fn an_external_volume_that_isn_t_there() {
    let Some(mut site) = Site::open().await else { return };
    let mut spec = app(&["sleep"]);
    spec.volumes = vec!["data:/data".into()];
    let volume = AssignedVolume {
        name: "no-such-volume".into(),
        driver: String::new(),
        options: std::collections::BTreeMap::new(),
        external: true,
        kept: false,
    };
    site.put(1, spec).volumes = [("data".to_owned(), volume)].into();
    site.assign();
    let seen = site.until_unit(1, "refused", |s| s.phase == Phase::BackOff).await;
    assert!(seen.message.contains("docker volume create no-such-volume"), "{}", seen.message);
    site.close().await;
}

#[tokio::test]
async fn a_refused_token() {
    let Some(mut site) = Site::open().await else { return };
    site.kill_agent().await;
    let state = tempfile::tempdir().unwrap();
    let options = drover_agent::Options {
        token: Some(drover_core::Secret::new("bad")),
        state: state.path().to_owned(),
        ..site.options()
    };
    let error = drover_agent::run(options).await.unwrap_err().to_string();
    assert!(error.contains("refuses to register this machine"), "{error}");
    assert!(error.ends_with("this registration token is not valid"), "{error}");
    site.close().await;
}
