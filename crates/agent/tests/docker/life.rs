//! Made, started, stopped, removed, for real.

use std::collections::BTreeMap;

use drover_core::{
    AssignedVolume, BalancerConfig, Desired, DockerHealth, Health, NetworkMode, Phase, Template,
    label,
};

use crate::site::{IMAGE, Site, app, web};

#[tokio::test]
async fn an_agent_registers_and_says_what_its_machine_is() {
    let Some(site) = Site::open().await else { return };
    let told = site.until("Docker's version", |t| !t.facts.docker_version.is_empty()).await;
    assert_eq!(told.facts.problem, "");
    assert!(told.facts.cpus > 0 && told.facts.memory > 0);
    assert!(told.address.parse::<std::net::IpAddr>().is_ok());
    let registered = site.server().registered.lock().unwrap().clone();
    assert_eq!(registered.len(), 1);
    assert_eq!((registered[0].hostname.as_str(), registered[0].labels.len()), ("host-a", 1));
    assert_eq!(registered[0].identity.len(), 32);
    site.close().await;
}

#[tokio::test]
async fn a_service_comes_up_stops_starts_and_goes() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, web()).ready_ports = vec![80];
    site.assign();
    let seen = site.until_ready(1).await;
    let container = seen.containers[""].clone();
    assert!(container.running && container.starts == 1);
    assert!(!container.image_id.is_empty() && container.digest.is_empty(), "{container:?}");
    let told = site.inspect(&container.docker_id).await;
    let labels = told.config.unwrap().labels.unwrap();
    assert_eq!(labels[label::CLUSTER], site.assignment.cluster);
    assert_eq!(labels[label::UNIT], "7/1/1/1");
    let unit = &site.assignment.units[&crate::site::key(1)];
    assert_eq!(labels[label::STACK_SERVICE], format!("{}/web", unit.stack));
    assert_eq!(told.name.unwrap(), format!("/{}", unit.docker_name("")));

    site.want(1, Desired::Stopped);
    let seen = site.until_unit(1, "stopped", |s| s.phase == Phase::Stopped).await;
    assert_eq!(seen.containers[""].exit_code, Some(0), "it was asked to end, not killed");
    site.want(1, Desired::Running);
    let seen = site.until_ready(1).await;
    assert_eq!(seen.containers[""].docker_id, container.docker_id);
    assert_eq!(seen.containers[""].starts, 2);
    site.want(1, Desired::Removed);
    site.until_unit(1, "gone", |s| s.phase == Phase::Gone).await;
    assert!(site.containers().await.is_empty());
    assert!(site.events().is_empty(), "{:?}", site.events());
    site.close().await;
}

#[tokio::test]
async fn a_service_that_won_t_end_is_killed_when_its_grace_is_over() {
    let Some(mut site) = Site::open().await else { return };
    let mut spec = app(&["sleep", "--ignore-term"]);
    spec.stop_grace_s = Some(1);
    site.put(1, spec);
    site.assign();
    site.until_ready(1).await;
    site.want(1, Desired::Stopped);
    let seen = site.until_unit(1, "stopped", |s| s.phase == Phase::Stopped).await;
    assert_eq!(seen.containers[""].exit_code, Some(137));
    site.close().await;
}

#[tokio::test]
async fn start_once_ends_and_stays() {
    let Some(mut site) = Site::open().await else { return };
    for (slot, code) in [(1, "0"), (2, "3")] {
        let mut spec = app(&["exit", code]);
        spec.labels.insert(label::START_ONCE.into(), "true".into());
        site.put(slot, spec);
    }
    site.assign();
    let good = site.until_unit(1, "completed", |s| s.phase == Phase::Completed).await;
    assert_eq!((good.message.as_str(), good.containers[""].exit_code), ("", Some(0)));
    let bad = site.until_unit(2, "completed", |s| s.phase == Phase::Completed).await;
    assert_eq!(bad.message, "exited with code 3");
    assert_eq!(bad.containers[""].exit_code, Some(3));
    site.close().await;
}

#[tokio::test]
async fn docker_s_health_check_decides_over_readiness() {
    let Some(mut site) = Site::open().await else { return };
    let mut spec = web();
    spec.docker_health = Some(DockerHealth {
        test: vec!["CMD".into(), "/testapp".into(), "health".into()],
        interval_ms: Some(200),
        timeout_ms: Some(2_000),
        retries: Some(2),
        start_period_ms: None,
    });
    site.put(1, spec);
    site.assign();
    let seen = site.until_ready(1).await;
    assert_eq!(seen.containers[""].health, Health::Healthy);
    let address = seen.containers[""].address.clone();
    get(&address, "/sick").await;
    let seen = site.until_unit(1, "unhealthy", |s| !s.ready).await;
    assert_eq!(seen.message, "its health check fails");
    get(&address, "/well").await;
    site.until_ready(1).await;
    site.close().await;
}

#[tokio::test]
async fn sidekicks_share_network_and_volumes() {
    let Some(mut site) = Site::open().await else { return };
    let mut front = app(&["sleep"]);
    front.network = NetworkMode::Container(String::new());
    front.volumes_from = vec!["data".into()];
    let mut data = app(&["sleep"]);
    data.volumes = vec!["/shared".into()];
    let mut primary = web();
    primary.volumes_from = vec!["data".into()];
    let sidekicks = BTreeMap::from([("data".to_owned(), data), ("front".to_owned(), front)]);
    site.put_template(1, Template { primary, sidekicks }).ready_ports = vec![80];
    site.assign();
    let seen = site.until_ready(1).await;
    let (primary, front) = (seen.containers[""].clone(), seen.containers["front"].clone());
    let told = site.inspect(&front.docker_id).await;
    let mode = told.host_config.unwrap().network_mode.unwrap();
    assert_eq!(mode, format!("container:{}", primary.docker_id));

    // The primary ends; whoever shares its network is restarted with it.
    let before = site.started_at(&front.docker_id).await;
    get(&primary.address, "/crash?code=2").await;
    site.until_unit(1, "both restarted", |s| {
        s.ready && s.containers[""].starts == 2 && s.containers["front"].starts == 2
    })
    .await;
    assert_ne!(site.started_at(&front.docker_id).await, before);
    site.close().await;
}

#[tokio::test]
async fn declared_volumes_are_made_and_kept() {
    let Some(mut site) = Site::open().await else { return };
    let volume = format!("{}_data", site.assignment.cluster);
    let mut spec = web();
    spec.volumes = vec!["data:/data".into()];
    let declared = AssignedVolume {
        name: volume.clone(),
        driver: String::new(),
        options: BTreeMap::new(),
        external: false,
        kept: false,
    };
    let unit = site.put(1, spec);
    unit.volumes = BTreeMap::from([("data".to_owned(), declared)]);
    unit.ready_ports = vec![80];
    site.assign();
    let seen = site.until_ready(1).await;
    put(&seen.containers[""].address, "/write?path=/data/x", "kept").await;
    // Another container finds what the first left.
    site.want(1, Desired::Removed);
    site.until_unit(1, "gone", |s| s.phase == Phase::Gone).await;
    site.want(1, Desired::Running);
    let seen = site.until_ready(1).await;
    assert!(get(&seen.containers[""].address, "/read?path=/data/x").await.ends_with("kept"));
    let docker = site.docker.clone();
    site.close().await;
    let none = None::<bollard::query_parameters::RemoveVolumeOptions>;
    docker.remove_volume(&volume, none).await.unwrap();
}

#[tokio::test]
async fn a_balancer_runs_from_the_agent_s_own_executable() {
    let Some(mut site) = Site::open().await else { return };
    site.put(1, app(&[]));
    site.assignment.templates.get_mut("7/1").unwrap().role = drover_core::Role::Balancer;
    let config = BalancerConfig::default();
    site.assignment.balancers.insert(crate::site::key(1), config);
    site.assign();
    // The executable is this test, which knows no balancer and ends: what matters is that it was run.
    let seen = site.until_unit(1, "it ran", |s| s.attempt > 0).await;
    let told = site.inspect(&seen.containers[""].docker_id).await;
    let config = told.config.unwrap();
    assert!(config.image.unwrap().starts_with("drover/system:"), "not {IMAGE}");
    assert_eq!(config.entrypoint.unwrap(), ["/drover"]);
    let binds = told.host_config.unwrap().binds.unwrap();
    let folder = binds[0].split(':').next().unwrap();
    let written = std::fs::read_to_string(format!("{folder}/config.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<BalancerConfig>(&written).unwrap(),
        BalancerConfig::default()
    );
    site.close().await;
}

pub(crate) async fn get(address: &str, path: &str) -> String {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

async fn put(address: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    http(address, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
}

async fn http(address: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect((address, 80)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A service that crashes on request gives none.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}
