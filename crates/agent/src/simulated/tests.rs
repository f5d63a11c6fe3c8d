//! The simulated engine as the agent meets it: through Docker's client.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HealthStatusEnum, HostConfig, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, EventsOptions,
    InspectContainerOptions, ListContainersOptionsBuilder, ListImagesOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions, StartContainerOptions, StatsOptionsBuilder,
    StopContainerOptions, TagImageOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt};

use super::site::Site;
use super::{CRASH_AFTER, FAIL, Found, Pace, SimulatedHost};

const IMAGE: &str = "nginx:1";

/// A host on which nothing takes time.
fn host() -> (SimulatedHost, Docker) {
    let pace = Pace { start: Duration::ZERO, stop: Duration::ZERO };
    let site = Arc::new(Site::default());
    let host = SimulatedHost::new("sim", Ipv4Addr::new(198, 18, 0, 1), pace, &site);
    let docker = host.client(Duration::from_secs(10)).unwrap();
    (host, docker)
}

async fn pull(docker: &Docker) {
    let options = CreateImageOptionsBuilder::new().from_image(IMAGE).build();
    docker.create_image(Some(options), None, None).try_collect::<Vec<_>>().await.unwrap();
}

async fn make(
    docker: &Docker,
    name: &str,
    labels: &[(&str, &str)],
    body: ContainerCreateBody,
) -> Result<String, Error> {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let body = ContainerCreateBody { image: Some(IMAGE.to_owned()), labels: Some(labels), ..body };
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    docker.create_container(Some(options), body).await.map(|made| made.id)
}

async fn start(docker: &Docker, what: &str) -> Result<(), Error> {
    docker.start_container(what, None::<StartContainerOptions>).await
}

fn status(error: &Error) -> (u16, &str) {
    match error {
        Error::DockerResponseServerError { status_code, message } => (*status_code, message),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn images_have_names() {
    let (_host, docker) = host();
    let names = async || -> Vec<String> {
        let listed = docker.list_images(None::<ListImagesOptions>).await.unwrap();
        listed.into_iter().flat_map(|image| image.repo_tags).collect()
    };
    let tag = async |image: &str| {
        let options = TagImageOptionsBuilder::new().repo("kept/x").tag("1").build();
        docker.tag_image(image, Some(options)).await
    };
    assert_eq!(status(&tag(IMAGE).await.unwrap_err()).0, 404);
    pull(&docker).await;
    tag(IMAGE).await.unwrap();
    assert_eq!(names().await, ["kept/x:1", IMAGE]);
    let remove =
        async |image: &str| docker.remove_image(image, None::<RemoveImageOptions>, None).await;
    remove("kept/x:1").await.unwrap();
    assert_eq!(names().await, [IMAGE]);
    assert_eq!(status(&remove("kept/x:1").await.unwrap_err()).0, 404);
}

#[tokio::test]
async fn a_container_lives() {
    let (host, docker) = host();
    let docker = docker.negotiate_version().await.unwrap();
    let refused = make(&docker, "web", &[], ContainerCreateBody::default()).await.unwrap_err();
    assert_eq!(status(&refused), (404, "No such image: nginx:1"));
    pull(&docker).await;
    let mut events = docker.events(None::<EventsOptions>);
    let id = make(&docker, "web", &[("a", "b")], ContainerCreateBody::default()).await.unwrap();
    let taken = make(&docker, "web", &[], ContainerCreateBody::default()).await.unwrap_err();
    assert!(status(&taken).1.contains("already in use"), "{taken}");
    start(&docker, "web").await.unwrap();
    start(&docker, &id).await.unwrap();

    let told = docker.inspect_container(&id, None::<InspectContainerOptions>).await.unwrap();
    assert_eq!(told.state.unwrap().running, Some(true));
    let networks = told.network_settings.unwrap().networks.unwrap();
    let address = networks["bridge"].ip_address.clone().unwrap();
    assert_eq!(address, "172.17.0.2");
    let address = address.parse().unwrap();
    assert_eq!(host.find(address), Some(Found::Well));
    let image = docker.inspect_image(&told.image.unwrap()).await.unwrap();
    let digests = image.repo_digests.unwrap();
    assert!(digests[0].starts_with("nginx@sha256:"), "{digests:?}");
    for (label, count) in [("a=b", 1), ("a=c", 0)] {
        let filters = [("label".to_owned(), vec![label.to_owned()])].into();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        assert_eq!(docker.list_containers(Some(options)).await.unwrap().len(), count);
    }

    let remove = || RemoveContainerOptionsBuilder::new().build();
    let up = docker.remove_container(&id, Some(remove())).await.unwrap_err();
    assert_eq!(status(&up).0, 409);
    docker.stop_container(&id, None::<StopContainerOptions>).await.unwrap();
    assert_eq!(host.find(address), Some(Found::Nobody));
    docker.remove_container(&id, Some(remove())).await.unwrap();
    let gone = docker.inspect_container(&id, None::<InspectContainerOptions>).await;
    assert_eq!(status(&gone.unwrap_err()).0, 404);
    for action in ["create", "start", "die", "destroy"] {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(
            (event.action.as_deref(), event.actor.unwrap().id),
            (Some(action), Some(id.clone()))
        );
    }
}

#[tokio::test]
async fn labels_make_it_fail() {
    let (host, docker) = host();
    pull(&docker).await;
    let none = ContainerCreateBody::default;
    let bad = make(&docker, "bad", &[(FAIL, "now")], none()).await.unwrap_err();
    assert_eq!(status(&bad).0, 400);
    make(&docker, "never", &[(FAIL, "never-starts")], none()).await.unwrap();
    assert_eq!(status(&start(&docker, "never").await.unwrap_err()).0, 500);
    let check = HealthConfig {
        test: Some(vec!["CMD".into(), "true".into()]),
        interval: Some(1),
        retries: Some(1),
        ..HealthConfig::default()
    };
    let body = ContainerCreateBody { healthcheck: Some(check), ..none() };
    make(&docker, "ill", &[(FAIL, "never-healthy")], body).await.unwrap();
    make(&docker, "crash", &[(CRASH_AFTER, "1ms")], none()).await.unwrap();
    let mut changes = host.changes();
    for name in ["ill", "crash"] {
        start(&docker, name).await.unwrap();
    }
    assert_eq!(host.find("172.17.0.2".parse().unwrap()), Some(Found::Ill));
    while host.look(|engine| engine.is_up("crash")).unwrap() {
        changes.changed().await.unwrap();
    }
    let inspect = async |name| {
        let told = docker.inspect_container(name, None::<InspectContainerOptions>);
        told.await.unwrap().state.unwrap()
    };
    assert_eq!(inspect("crash").await.exit_code, Some(1));
    let health = inspect("ill").await.health.unwrap().status;
    assert_eq!(health, Some(HealthStatusEnum::UNHEALTHY));
}

#[tokio::test]
async fn a_port_of_the_host_is_taken_once() {
    let (_, docker) = host();
    pull(&docker).await;
    let body = || {
        let binding = PortBinding { host_ip: None, host_port: Some("80".to_owned()) };
        let bindings = [("8080/tcp".to_owned(), Some(vec![binding]))].into();
        let host = HostConfig { port_bindings: Some(bindings), ..HostConfig::default() };
        ContainerCreateBody { host_config: Some(host), ..ContainerCreateBody::default() }
    };
    for name in ["one", "two"] {
        make(&docker, name, &[], body()).await.unwrap();
    }
    start(&docker, "one").await.unwrap();
    let taken = start(&docker, "two").await.unwrap_err();
    assert!(status(&taken).1.contains("port is already allocated"), "{taken}");
    docker.stop_container("one", None::<StopContainerOptions>).await.unwrap();
    start(&docker, "two").await.unwrap();
}

#[tokio::test]
async fn commands_and_logs_say_that_it_is_simulated() {
    let (_, docker) = host();
    pull(&docker).await;
    for (name, labels, code) in [("web", &[][..], 0), ("ill", &[(FAIL, "never-healthy")][..], 1)] {
        make(&docker, name, labels, ContainerCreateBody::default()).await.unwrap();
        start(&docker, name).await.unwrap();
        let options = CreateExecOptions {
            cmd: Some(vec!["ls".to_owned(), "-l".to_owned()]),
            attach_stdout: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(name, options).await.unwrap().id;
        let started = docker.start_exec(&exec, None::<StartExecOptions>).await.unwrap();
        let StartExecResults::Attached { output, .. } = started else { panic!("detached") };
        let output: Vec<_> = output.try_collect().await.unwrap();
        let want = format!("{name} is simulated: `ls -l` did nothing\n");
        assert_eq!(output.iter().map(ToString::to_string).collect::<String>(), want);
        assert_eq!(docker.inspect_exec(&exec).await.unwrap().exit_code, Some(code));
    }

    let options = LogsOptionsBuilder::new().stdout(true).follow(true).timestamps(true).build();
    let mut log = docker.logs("web", Some(options));
    let first = log.next().await.unwrap().unwrap().to_string();
    assert!(first.ends_with("Z simulated container web started\n"), "{first}");
    docker.stop_container("web", None::<StopContainerOptions>).await.unwrap();
    let rest: Vec<_> = log.try_collect().await.unwrap();
    assert_eq!(rest.len(), 1, "it ends with the container");
    let options = LogsOptionsBuilder::new().stdout(true).tail("1").build();
    let tail: Vec<_> = docker.logs("web", Some(options)).try_collect().await.unwrap();
    assert_eq!(tail[0].to_string(), "simulated container web ended with 0\n");
}

#[tokio::test]
async fn what_a_container_uses_grows_until_it_ends() {
    let (host, docker) = host();
    pull(&docker).await;
    make(&docker, "web", &[], ContainerCreateBody::default()).await.unwrap();
    start(&docker, "web").await.unwrap();
    let options = || StatsOptionsBuilder::new().stream(true).build();
    let told: Vec<_> = docker.stats("web", Some(options())).take(2).try_collect().await.unwrap();
    let used = |at: usize| crate::container_use::sample("web", &told[at]);
    let (first, then) = (used(0), used(1));
    assert!(then.cpu.total > first.cpu.total, "{first:?} {then:?}");
    assert!(then.at > first.at && then.interfaces[0].rx_bytes > first.interfaces[0].rx_bytes);
    assert!(then.memory > 0 && then.memory < then.memory_limit);
    assert!(host.sample().memory > then.memory, "the host uses what its containers use");

    docker.stop_container("web", None::<StopContainerOptions>).await.unwrap();
    let once = StatsOptionsBuilder::new().stream(false).build();
    let told: Vec<_> = docker.stats("web", Some(once)).try_collect().await.unwrap();
    assert_eq!((told.len(), crate::container_use::sample("web", &told[0]).memory), (1, 0));
    let remove = RemoveContainerOptionsBuilder::new().build();
    docker.remove_container("web", Some(remove)).await.unwrap();
    let gone: Result<Vec<_>, _> = docker.stats("web", Some(options())).try_collect().await;
    assert_eq!(status(&gone.unwrap_err()).0, 404);
}
