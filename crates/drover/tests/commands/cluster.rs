//! A server in this process, two hosts that obey, and a directory with compose files to call the binary in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use drover_core::{
    Change, Desired, Failed, Followed, Health, Host, HostId, HostSeen, Observed, ObservedContainer,
    Phase, ProjectId, Time, Unit, UnitKey, UpgradePhase, World, derive,
};
use drover_server::{Settings, Timing, begin, serve};
use drover_store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// An image with this in its name can't be pulled.
const MISSING: &str = "missing";
/// An image with this in its name ends with 1 as soon as it is started, again and again if it is not to run once.
const CRASHES: &str = "crashes";
/// An image with this in its name takes for ever to be pulled.
const SLOW: &str = "slow";

/// The cluster of one test.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) access: String,
    secret: String,
    home: tempfile::TempDir,
    stop: CancellationToken,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Cluster {
    /// A server and two hosts that are played.
    pub(crate) async fn start() -> Self {
        let cluster = Self::without_hosts().await;
        for number in [1, 2] {
            cluster.add_host(number).await;
        }
        tokio::spawn(obey(cluster.store.clone()));
        cluster
    }

    /// A server.
    pub(crate) async fn without_hosts() -> Self {
        let store = Store::memory();
        let (mut access, mut secret) = (String::new(), String::new());
        begin(&store, |key| {
            access.clone_from(&key.access);
            key.secret.reveal().clone_into(&mut secret);
        })
        .await
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        // The hosts have no agent that could come back in time.
        let timing = Timing { reconnect_ms: 3_600_000, ..Timing::default() };
        let home = tempfile::tempdir().unwrap();
        let catalog = home.path().join("catalog");
        let template = catalog.join("templates/webapp");
        for version in ["0", "1"] {
            let folder = template.join(version);
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!("web:\n  image: nginx:1.{version}\n");
            std::fs::write(folder.join("docker-compose.yml"), text).unwrap();
            let text = format!(".catalog:\n  version: v1.{version}\nweb:\n  scale: 1\n");
            std::fs::write(folder.join("rancher-compose.yml"), text).unwrap();
        }
        std::fs::write(template.join("config.yml"), "name: Web\nversion: v1.1\n").unwrap();
        let settings = Settings { timing, catalog: Some(catalog), ..Settings::default() };
        tokio::spawn(serve(store.clone(), listener, settings, stop.clone()));
        let cluster = Self { store, url, access, secret, home, stop };
        cluster.answers().await;
        cluster
    }

    /// The server is through with its beginning: what it does not know of hosts that were there before is behind it.
    async fn answers(&self) {
        let address = self.url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /ping HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }

    /// The first key: access and secret.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.access, &self.secret)
    }

    /// A folder that goes with the cluster.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Write a file of the stack.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// `drover …` on the stack `shop`.
    pub(crate) async fn drover(&self, line: &str) -> Ended {
        self.call(Path::new(env!("CARGO_BIN_EXE_drover")), line).await
    }

    /// The same under Rancher's name.
    pub(crate) async fn rancher_compose(&self, line: &str) -> Ended {
        let link = self.rancher_link();
        self.call(&link, line).await
    }

    /// A link of Rancher's name to the binary.
    pub(crate) fn rancher_link(&self) -> PathBuf {
        let link = self.home.path().join("rancher-compose");
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_drover"), &link).unwrap();
        }
        link
    }

    /// The command, ready to be run.
    pub(crate) fn command(&self, program: &Path, line: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(line.split_whitespace())
            .current_dir(self.home.path())
            .env_clear()
            .env("RANCHER_URL", &self.url)
            .env("RANCHER_ACCESS_KEY", &self.access)
            .env("RANCHER_SECRET_KEY", &self.secret)
            .env("COMPOSE_PROJECT_NAME", "shop")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn call(&self, program: &Path, line: &str) -> Ended {
        let done = timeout(PATIENCE, self.command(program, line).output()).await;
        let done = done.unwrap_or_else(|_| panic!("`{line}` should have ended")).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            status: done.status.code().unwrap_or(-1),
            out: without_seconds(&text(&done.stdout)),
            err: text(&done.stderr),
        };
        assert!(
            !ended.out.contains(&self.secret) && !ended.err.contains(&self.secret),
            "{ended:?}"
        );
        ended
    }

    /// A service by name.
    pub(crate) fn service(&self, name: &str) -> drover_core::Service {
        let world = self.store.world();
        let found = world.services.values().find(|s| s.name == name && s.removed_at.is_none());
        (**found.unwrap_or_else(|| panic!("there is no service {name}"))).clone()
    }

    /// The units of a service, as `slot/revision/incarnation desired`.
    pub(crate) fn units(&self, name: &str) -> Vec<String> {
        let world = self.store.world();
        let units = world.units_of(self.service(name).id);
        let line = |unit: &Unit| {
            let key = unit.key;
            format!("{}/{}/{} {:?}", key.slot, key.revision, key.incarnation, unit.desired)
        };
        units.map(line).collect()
    }

    /// Wait until the upgrade of a service has come to a phase.
    pub(crate) async fn reaches(&self, name: &str, phase: UpgradePhase) {
        let service = self.service(name).id;
        let what = format!("{name} has come to {phase:?}");
        let has = |world: &World| world.upgrade(service).is_some_and(|held| held.phase == phase);
        self.comes_to(&what, has).await;
    }

    /// Wait until something is so.
    pub(crate) async fn comes_to(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        let there = async {
            let mut feed = self.store.feed();
            while !is_so(&self.store.world()) {
                feed.next().await;
            }
        };
        timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("it should be so that {what}"));
    }

    /// Let the containers of a service that run by now have ended too often.
    pub(crate) async fn fail(&self, name: &str) {
        let world = self.store.world();
        let running = world.units_of(self.service(name).id);
        for unit in running.filter(|unit| unit.desired == Desired::Running) {
            let mut seen = world.observed(unit.key).unwrap().clone();
            // Later than whatever its host has to say of the same generation.
            seen.tick += 1_000_000;
            seen.failed =
                Failed { times: 9, how: "exited with code 1".into(), ..Failed::default() };
            let seen = BTreeMap::from([(unit.key, seen)]);
            self.store.report(unit.host, seen, Time(0)).await.unwrap();
        }
    }

    async fn add_host(&self, number: u64) {
        let world = self.store.world();
        let id = HostId(world.next_id);
        let host = Host {
            id,
            project: ProjectId(5),
            identity: format!("machine {number}"),
            hostname: format!("node{number}"),
            name: String::new(),
            description: String::new(),
            labels: BTreeMap::new(),
            address: format!("10.0.0.{number}"),
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
        self.store.commit(None, "test", Time(0), changes).await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Ended {
    /// It ended like that.
    #[track_caller]
    pub(crate) fn with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.err);
        self
    }

    /// It said all of that, wherever.
    #[track_caller]
    pub(crate) fn said(self, parts: &[&str]) -> Self {
        for part in parts {
            let found = self.out.contains(part) || self.err.contains(part);
            assert!(found, "`{part}` is not in\n{}\n{}", self.out, self.err);
        }
        self
    }
}

/// Hosts that do at once what they are told.
async fn obey(store: Store) {
    let mut feed = store.feed();
    let mut tick = 0;
    loop {
        let world = store.world();
        for host in world.hosts.keys() {
            tick += 1;
            let seen: BTreeMap<_, _> = world
                .units_on(*host)
                .map(|unit| (unit.key, look(&world, unit, tick)))
                .filter(|(key, new)| {
                    let held = world.observed(*key);
                    held.is_none_or(|held| {
                        held.generation != new.generation || held.phase != new.phase
                    })
                })
                .collect();
            if !seen.is_empty() {
                store.report(*host, seen, Time(0)).await.unwrap();
            }
            let followed = balancers(&world, *host);
            if !followed.is_empty() {
                store.follow(*host, followed, None).await.unwrap();
            }
        }
        feed.next().await;
    }
}

/// What a host's balancers acknowledge that they have not yet.
fn balancers(world: &World, host: HostId) -> BTreeMap<UnitKey, Followed> {
    let assigned = derive::assignment(world, host).balancers;
    let told = assigned
        .into_iter()
        .map(|(unit, config)| (unit, Followed { routing: config.routing, ..Followed::default() }));
    told.filter(|(unit, new)| world.balancers_followed.get(unit).is_none_or(|held| **held != *new))
        .collect()
}

/// A unit as its host would see it.
fn look(world: &World, unit: &Unit, tick: u64) -> Observed {
    let template = world.template(unit.key.service, unit.key.revision).unwrap();
    let image = &template.primary.image;
    let (phase, message) = match unit.desired {
        Desired::Running | Desired::Draining | Desired::Staged if image.contains(MISSING) => {
            (Phase::BackOff, format!("no such image: {image}"))
        }
        Desired::Running if template.primary.is_start_once() => (Phase::Completed, String::new()),
        Desired::Running if image.contains(CRASHES) => {
            (Phase::BackOff, "exited with code 1; next attempt in 4 s (5th)".to_owned())
        }
        Desired::Running | Desired::Draining | Desired::Staged if image.contains(SLOW) => {
            (Phase::Pulling, String::new())
        }
        Desired::Running | Desired::Draining => (Phase::Running, String::new()),
        Desired::Stopped | Desired::Staged => (Phase::Stopped, String::new()),
        Desired::Removed => (Phase::Gone, String::new()),
    };
    let running = phase == Phase::Running;
    let container = |name: &str| {
        let seen = ObservedContainer {
            docker_id: format!("docker-{}-{name}", unit.key),
            running,
            starts: 1,
            health: Health::None,
            exit_code: (phase == Phase::Completed).then(|| i64::from(image.contains(CRASHES))),
            address: "172.17.0.2".into(),
            ..ObservedContainer::default()
        };
        (name.to_owned(), seen)
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
        ready: running,
        message,
        containers: template.members().map(|(name, _)| container(name)).collect(),
        since: Time(0),
        ..Observed::default()
    }
}

/// `[1.2s]` is the only thing that differs from run to run.
fn without_seconds(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('[').and_then(|rest| rest.split_once("s] ")) {
        Some((seconds, rest)) if seconds.parse::<f64>().is_ok() => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
