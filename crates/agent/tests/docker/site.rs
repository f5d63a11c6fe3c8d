//! A place to test at: an engine, an agent, its server, and a cluster that nobody else uses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use drover_agent::{AgentError, Options};
use drover_core::protocol::HostEvent;
use drover_core::{
    AssignedTemplate, AssignedUnit, ContainerSpec, Desired, HostAssignment, Observed, Phase,
    RevisionNo, Role, Secret, ServiceId, Slot, Template, UnitKey, label,
};
use futures_util::TryStreamExt;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::server::{Server, Told};

/// The image with the test service.
pub(crate) const IMAGE: &str = "drover-test/app:1";
/// What clusters of tests begin with.
const CLUSTER: &str = "test-";
/// Nothing that is waited for takes this long on a machine that is up to it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Site {
    pub(crate) docker: Docker,
    pub(crate) server: Option<Server>,
    pub(crate) assignment: HostAssignment,
    pub(crate) state: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    address: SocketAddr,
    agent: Option<Running>,
    /// A process of the namespace whose network the engine has, if that is another than this one's.
    pub(crate) elsewhere: Option<u32>,
}

/// An agent: part of the test, or a program in its host's network.
enum Running {
    Task(JoinHandle<Result<(), AgentError>>),
    Program(std::process::Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Program(program) = self {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

pub(crate) fn key(slot: u32) -> UnitKey {
    UnitKey {
        service: ServiceId(7),
        slot: Slot::Number(slot),
        revision: RevisionNo(1),
        incarnation: 1,
    }
}

/// `testapp` with these arguments.
pub(crate) fn app(arguments: &[&str]) -> ContainerSpec {
    ContainerSpec {
        image: IMAGE.into(),
        command: arguments.iter().map(|a| (*a).to_owned()).collect(),
        ..ContainerSpec::default()
    }
}

/// A service that answers on port 80.
pub(crate) fn web() -> ContainerSpec {
    app(&["serve", "--text", "v1"])
}

impl Site {
    /// A site, or `None` where there is no engine to test on.
    pub(crate) async fn open() -> Option<Self> {
        let socket = sockets()?.remove(0);
        Some(Self::open_on(socket, None).await)
    }

    /// A site on this engine; its agent runs in the network namespace of the process `elsewhere`, if one is given, and
    /// finds its server at the address.
    pub(crate) async fn open_on(socket: PathBuf, elsewhere: Option<(u32, IpAddr)>) -> Self {
        // Shown for tests that fail; a second test in one process finds it done.
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let docker = Docker::connect_with_unix(&socket.to_string_lossy(), 60, API_DEFAULT_VERSION);
        let docker = docker.unwrap().negotiate_version().await.unwrap();
        make_image(&socket, &docker).await;
        let state = tempfile::tempdir().unwrap();
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let cluster = format!("{CLUSTER}{:016x}", u64::from_be_bytes(random));
        let assignment =
            HostAssignment { cluster, host: 3, generation: 1, ..HostAssignment::default() };
        let address = elsewhere.map(|(_, address)| SocketAddr::new(address, 0));
        let elsewhere = elsewhere.map(|(process, _)| process);
        let server = Server::start(address, assignment.clone()).await;
        let address = server.address;
        let server = Some(server);
        let agent = None;
        let mut site =
            Self { docker, server, assignment, state, socket, address, agent, elsewhere };
        site.start_agent();
        site
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            server: Some(format!("http://{}", self.address)),
            token: Some(Secret::new("good")),
            state: self.state.path().to_owned(),
            docker: self.socket.clone(),
            address: None,
            labels: BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]),
            hostname: Some("host-a".into()),
        }
    }

    pub(crate) fn start_agent(&mut self) {
        let Some(process) = self.elsewhere else {
            let task = tokio::spawn(drover_agent::run(self.options()));
            self.agent = Some(Running::Task(task));
            return;
        };
        let mut program = std::process::Command::new("nsenter");
        program.arg(format!("--net=/proc/{process}/ns/net")).arg(example("agent")).arg("run");
        program.arg(format!("http://{}", self.address)).arg(self.state.path()).arg(&self.socket);
        self.agent = Some(Running::Program(program.spawn().unwrap()));
    }

    /// As a crash would: nothing is said or written any more.
    pub(crate) async fn kill_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        if let Running::Task(task) = &mut agent {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }

    pub(crate) fn stop_server(&mut self) {
        self.server = None;
    }

    pub(crate) async fn start_server(&mut self) {
        self.server = Some(Server::start(Some(self.address), self.assignment.clone()).await);
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Put a unit into the assignment.
    pub(crate) fn put(&mut self, slot: u32, primary: ContainerSpec) -> &mut AssignedUnit {
        self.put_template(slot, Template { primary, sidekicks: BTreeMap::new() })
    }

    pub(crate) fn put_template(&mut self, slot: u32, template: Template) -> &mut AssignedUnit {
        let name = format!("7/{slot}");
        let template = AssignedTemplate {
            template: Arc::new(template),
            role: Role::Image,
            ports: BTreeMap::new(),
            pins: BTreeMap::new(),
        };
        self.assignment.templates.insert(name.clone(), template);
        let unit = AssignedUnit {
            verify: None,
            desired: Desired::Running,
            generation: 1,
            template: name,
            stack: format!("t{}", &self.assignment.cluster[CLUSTER.len()..]),
            service: "web".into(),
            number: slot.to_string(),
            serial: u64::from(slot) * 10,
            volumes: BTreeMap::new(),
            retain_ip: false,
            ready_ports: Vec::new(),
        };
        self.assignment.units.insert(key(slot), unit);
        self.assignment.units.get_mut(&key(slot)).unwrap()
    }

    /// Hand the assignment out as it is now.
    pub(crate) fn assign(&mut self) {
        self.assignment.generation += 1;
        self.server().assign(self.assignment.clone());
    }

    /// Set what a unit shall be, and hand that out.
    pub(crate) fn want(&mut self, slot: u32, desired: Desired) {
        let unit = self.assignment.units.get_mut(&key(slot)).unwrap();
        unit.desired = desired;
        unit.generation += 1;
        self.assign();
    }

    /// Wait until what the agent told is as it should be.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Told) -> bool) -> Told {
        let mut told = self.server().told.clone();
        let waited = tokio::time::timeout(PATIENCE, told.wait_for(|told| is_so(told))).await;
        let Ok(told) = waited else {
            panic!("waited in vain for: {what}; told: {:#?}", self.server().told.borrow())
        };
        told.unwrap().clone()
    }

    /// Wait until a unit is as it should be, under the generation it has in the assignment.
    pub(crate) async fn until_unit(
        &self,
        slot: u32,
        what: &str,
        mut is_so: impl FnMut(&Observed) -> bool,
    ) -> Observed {
        let generation = self.assignment.units[&key(slot)].generation;
        let told = self.until(what, |told| {
            told.units.get(&key(slot)).is_some_and(|s| s.generation == generation && is_so(s))
        });
        told.await.units[&key(slot)].clone()
    }

    pub(crate) async fn until_ready(&self, slot: u32) -> Observed {
        self.until_unit(slot, "ready", |seen| seen.ready && seen.phase == Phase::Running).await
    }

    /// Events told so far, as texts, with the stack's odd name taken out.
    pub(crate) fn events(&self) -> Vec<String> {
        let stack = format!("t{}-", &self.assignment.cluster[CLUSTER.len()..]);
        let events = self.server().told.borrow().events.clone();
        events.iter().map(|HostEvent { text, .. }| text.replace(&stack, "")).collect()
    }

    /// What Docker says of a container that is there.
    pub(crate) async fn inspect(&self, id: &str) -> ContainerInspectResponse {
        self.look_at(id).await.unwrap_or_else(|| panic!("there is no container {id}"))
    }

    /// What Docker says of a container, if it is there.
    pub(crate) async fn look_at(&self, id: &str) -> Option<ContainerInspectResponse> {
        match self.docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(told) => Some(told),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => None,
            Err(problem) => panic!("container {id}: {problem}"),
        }
    }

    /// When a container was started.
    pub(crate) async fn started_at(&self, id: &str) -> String {
        self.inspect(id).await.state.unwrap().started_at.unwrap()
    }

    /// Ids of all containers of this cluster.
    pub(crate) async fn containers(&self) -> Vec<String> {
        let ours = format!("{}={}", label::CLUSTER, self.assignment.cluster);
        containers(&self.docker, &ours).await.into_iter().map(|(id, _)| id).collect()
    }

    /// Remove everything.
    pub(crate) async fn close(mut self) {
        if self.agent.is_some() {
            self.kill_agent().await;
        }
        for id in self.containers().await {
            remove(&self.docker, &id).await;
        }
    }

    /// Remove what tests before this one left on the engine when they failed: networks that hosts share by their name
    /// would be kept by it, and every test after it would fail, too.
    pub(crate) async fn clear(&self) {
        for (id, cluster) in containers(&self.docker, label::CLUSTER).await {
            if cluster.starts_with(CLUSTER) && cluster != self.assignment.cluster {
                remove(&self.docker, &id).await;
            }
        }
    }
}

/// All containers with this label: id and cluster.
async fn containers(docker: &Docker, label: &str) -> Vec<(String, String)> {
    let filters = std::collections::HashMap::from([("label", vec![label.to_owned()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(options)).await.unwrap();
    let id_and_cluster = |container: ContainerSummary| {
        let cluster = container.labels.unwrap_or_default().remove(label::CLUSTER);
        (container.id.unwrap(), cluster.unwrap_or_default())
    };
    found.into_iter().map(id_and_cluster).collect()
}

/// Remove a container, unless somebody else does or did.
async fn remove(docker: &Docker, id: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Ok(())
        | Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409, ..
        }) => {}
        Err(problem) => panic!("container {id}: {problem}"),
    }
}

/// The engines' sockets; `None` where there are none to test on.
pub(crate) fn sockets() -> Option<Vec<PathBuf>> {
    let Ok(sockets) = std::env::var("DROVER_TEST_DOCKER_SOCKETS") else {
        println!("skipped: DROVER_TEST_DOCKER_SOCKETS names no Docker engine");
        return None;
    };
    Some(sockets.split(',').map(PathBuf::from).collect())
}

/// …/debug/deps/docker-… is this program; examples stand beside.
fn example(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().with_file_name("examples").join(name)
}

/// Make the image of the test service, once for each engine.
async fn make_image(socket: &Path, docker: &Docker) {
    static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::const_new(BTreeSet::new());
    let mut made = MADE.lock().await;
    if made.insert(socket.to_owned()) {
        let app = example("testapp");
        let app = std::fs::read(&app).unwrap_or_else(|e| panic!("{}: {e}", app.display()));
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(app.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, "testapp", app.as_slice()).unwrap();
        let archive = Bytes::from(archive.into_inner().unwrap());
        let (repo, tag) = IMAGE.split_once(':').unwrap();
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .changes(vec!["ENTRYPOINT [\"/testapp\"]".to_owned()])
            .build();
        let image = docker.create_image(Some(options), Some(bollard::body_full(archive)), None);
        image.try_collect::<Vec<_>>().await.unwrap();
    }
}
