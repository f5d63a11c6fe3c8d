//! Several Docker hosts on one machine: each has its own address on a bridge, its own name, its own engine, and can
//! be cut off, switched off and booted by itself.
//!
//! Not a container orchestrator, and not a sandbox: hosts share the machine's kernel and disk. Everything is found
//! again by name, never by a record alone, so that a bed whose maker crashed can be used or removed. It works
//! beside a Docker service of the machine's own and doesn't touch it.

pub mod cli;
mod engine;
mod error;
mod host;
mod install;
mod layout;
mod network;
mod process;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use error::TestbedError;
pub use layout::{Layout, MOST_HOSTS};

use crate::command;

/// Environment variable that leads tests to the record of a running testbed.
pub const TESTBED_VARIABLE: &str = "DROVER_TESTBED";

/// Environment variable that marks programs as part of a testbed (its value is the bed's number): they end with it.
pub const PART_VARIABLE: &str = "DROVER_TESTBED_PART";

/// A running testbed, as recorded in its `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testbed {
    /// Its number on this machine.
    pub bed: u8,
    /// Where the machine itself is reached by the hosts; the server listens here.
    pub server: Ipv4Addr,
    /// Its folder; whoever uses the bed may put files into it.
    pub folder: PathBuf,
    /// The process that takes it down when it ends; none if it is to stay.
    pub owner: Option<u32>,
    /// Its hosts, in order.
    pub hosts: Vec<TestHost>,
}

/// A host of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestHost {
    /// From 1.
    pub number: u8,
    /// Its host name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The network of its containers, reachable from everywhere in the bed.
    pub containers: String,
    /// Its engine's socket.
    pub socket: PathBuf,
}

/// How a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostState {
    /// Switched off.
    Off,
    /// On.
    On {
        /// Whether it is cut off from the server.
        cut: bool,
        /// Version of the engine and how many containers run; none if it doesn't answer.
        engine: Option<(String, u64)>,
    },
}

impl Testbed {
    /// Bring a bed up, installing what is missing; one that is up already with as many hosts is taken as it is. What a
    /// crashed run left is removed first. With `owned`, the bed belongs to this process.
    pub fn up(bed: u8, hosts: u8, owned: bool) -> Result<Self, TestbedError> {
        let layout = Layout { bed };
        install::prepare()?;
        if let Some(there) = Self::usable(layout)? {
            return match (there.hosts.len() == usize::from(hosts), owned) {
                (true, false) => Ok(there),
                (false, _) | (true, true) => {
                    Err(TestbedError::OtherSize { bed, there: there.hosts.len(), asked: hosts })
                }
            };
        }
        Self::down(bed)?;
        let testbed = Self::describe(layout, hosts, owned);
        testbed.build(layout).inspect_err(|_| {
            let _ = Self::down(bed);
        })?;
        Ok(testbed)
    }

    /// The bed that is up, by its number.
    pub fn attach(bed: u8) -> Result<Self, TestbedError> {
        Self::read(&Layout { bed }.folder().join("state.json"))?.ok_or(TestbedError::NotUp { bed })
    }

    /// The bed that the environment leads to, for tests; none if there is no such variable.
    pub fn from_environment() -> Result<Option<Self>, TestbedError> {
        match std::env::var_os(TESTBED_VARIABLE) {
            Some(path) => Self::read(Path::new(&path)),
            None => Ok(None),
        }
    }

    /// Remove a bed and every trace of it; one that isn't there is no error.
    pub fn down(bed: u8) -> Result<(), TestbedError> {
        let layout = Layout { bed };
        process::kill_all(&process::find_marked(PART_VARIABLE, &bed.to_string()));
        for host in Self::found_hosts(layout) {
            host::kill(layout, host)?;
        }
        network::remove_bridge(layout)?;
        host::remove_cgroup(&layout.cgroup());
        let folder = layout.folder();
        match std::fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TestbedError::Folder { path: folder, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What is left of a bed on this machine, in words; nothing if it is gone without a trace.
    pub fn traces(bed: u8) -> Vec<String> {
        let layout = Layout { bed };
        let mut traces = Vec::new();
        let inits = process::find_inits(&layout.marker_prefix());
        traces.extend(inits.into_iter().map(|(pid, name)| format!("process {pid} ({name})")));
        let parts = process::find_marked(PART_VARIABLE, &bed.to_string());
        traces.extend(parts.into_iter().map(|pid| format!("process {pid}")));
        if network::bridge_is_there(layout) {
            traces.push(format!("bridge {}", layout.bridge()));
        }
        if layout.folder().exists() {
            traces.push(format!("folder {}", layout.folder().display()));
        }
        let rules = command::run("iptables --wait -S").unwrap_or_default();
        let bridge = layout.bridge();
        traces.extend(rules.lines().filter(|l| l.contains(&bridge)).map(|l| format!("rule {l}")));
        if !host::remove_cgroup(&layout.cgroup()) {
            traces.push(format!("cgroup {}", layout.cgroup()));
        }
        traces
    }

    /// Where a host's engine listens.
    pub fn socket(bed: u8, host: u8) -> PathBuf {
        Layout { bed }.socket(host)
    }

    /// Where the record of this bed is; the value for [`TESTBED_VARIABLE`].
    pub fn record(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Silence everything between a host and the server; its engine and containers go on, and other hosts reach it.
    pub fn cut(&self, host: u8) -> Result<(), TestbedError> {
        let init = self.running(host)?;
        if !network::is_cut(self.layout(), init) {
            network::cut(self.layout(), init)?;
        }
        Ok(())
    }

    /// Undo [`Self::cut`].
    pub fn heal(&self, host: u8) -> Result<(), TestbedError> {
        let init = self.running(host)?;
        if network::is_cut(self.layout(), init) {
            network::heal(self.layout(), init)?;
        }
        Ok(())
    }

    /// Cut a host's power: engine, containers and agents end at once, and nobody hears of it.
    pub fn kill(&self, host: u8) -> Result<(), TestbedError> {
        self.host(host)?;
        host::kill(self.layout(), host)
    }

    /// Switch a host on again, with the disk it had. Its agent is its user's to start.
    pub fn boot(&self, host: u8) -> Result<(), TestbedError> {
        self.host(host)?;
        if host::init_of(self.layout(), host).is_some() {
            let problem = "is on already".to_owned();
            return Err(TestbedError::BadHost { host, problem });
        }
        host::boot(self.layout(), host, self.size())
    }

    /// End a host's engine while its containers go on, by `kill -9` if `crash`.
    pub fn stop_engine(&self, host: u8, crash: bool) -> Result<(), TestbedError> {
        engine::stop(host, self.running(host)?, crash)
    }

    /// Start a host's engine again and wait until it answers.
    pub fn start_engine(&self, host: u8) -> Result<(), TestbedError> {
        engine::start(self.layout(), host, self.running(host)?)
    }

    /// Whether a host's containers outlive their engine; they do unless this says otherwise.
    pub fn set_live_restore(&self, host: u8, live_restore: bool) -> Result<(), TestbedError> {
        engine::set_live_restore(self.layout(), host, self.running(host)?, live_restore)
    }

    /// How a host is.
    pub fn state(&self, host: u8) -> HostState {
        match host::init_of(self.layout(), host) {
            None => HostState::Off,
            Some(init) => HostState::On {
                cut: network::is_cut(self.layout(), init),
                engine: engine::describe(self.layout(), host),
            },
        }
    }

    /// A command that runs on a host: in its network and under its name, with the machine's files. The process
    /// that comes of it is the program itself, so that signals reach it.
    pub fn command(&self, host: u8, program: &Path) -> Result<Command, TestbedError> {
        Ok(host::command_on(self.running(host)?, program))
    }

    /// A host by its number.
    pub fn host(&self, number: u8) -> Result<&TestHost, TestbedError> {
        self.hosts.iter().find(|h| h.number == number).ok_or_else(|| {
            let problem = format!("doesn't exist; this bed has hosts 1 to {}", self.hosts.len());
            TestbedError::BadHost { host: number, problem }
        })
    }

    fn layout(&self) -> Layout {
        Layout { bed: self.bed }
    }

    fn size(&self) -> u8 {
        self.hosts.iter().map(|h| h.number).max().unwrap_or_default()
    }

    /// The first process of a host that must be on.
    fn running(&self, host: u8) -> Result<i32, TestbedError> {
        self.host(host)?;
        host::init_of(self.layout(), host).ok_or_else(|| {
            let problem = format!("is off; switch it on: cargo xtask testbed boot {host}");
            TestbedError::BadHost { host, problem }
        })
    }

    fn describe(layout: Layout, hosts: u8, owned: bool) -> Self {
        let host = |number| TestHost {
            number,
            name: layout.host_name(number),
            address: layout.address(number),
            containers: layout.containers(number),
            socket: layout.socket(number),
        };
        Self {
            bed: layout.bed,
            server: layout.server(),
            folder: layout.folder(),
            owner: owned.then(std::process::id),
            hosts: (1..=hosts.min(MOST_HOSTS)).map(host).collect(),
        }
    }

    /// Make everything; the record last but one step, so that what fails half way is still found.
    fn build(&self, layout: Layout) -> Result<(), TestbedError> {
        let path = self.record();
        let failed = |source| TestbedError::Folder { path: path.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.into()))?;
        std::fs::write(&path, text).map_err(failed)?;
        network::make_bridge(layout)?;
        // Engines take most of the time and don't wait for each other.
        std::thread::scope(|scope| {
            let boots: Vec<_> = (self.hosts.iter())
                .map(|h| scope.spawn(|| host::boot(layout, h.number, self.size())))
                .collect();
            boots.into_iter().try_for_each(|boot| match boot.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// A bed that is up and may be used by others: not owned, its hosts found. An owner that is alive is an error, one
    /// that isn't leaves nothing usable.
    fn usable(layout: Layout) -> Result<Option<Self>, TestbedError> {
        let Some(there) = Self::read(&layout.folder().join("state.json"))? else { return Ok(None) };
        if let Some(owner) = there.owner {
            let alive = i32::try_from(owner).is_ok_and(process::is_alive);
            return if alive {
                Err(TestbedError::InUse { bed: layout.bed, owner })
            } else {
                Ok(None)
            };
        }
        let any_on = there.hosts.iter().any(|h| host::init_of(layout, h.number).is_some());
        Ok((any_on && network::bridge_is_there(layout)).then_some(there))
    }

    fn read(path: &Path) -> Result<Option<Self>, TestbedError> {
        let failed = |source| TestbedError::Folder { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| failed(e.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Numbers of the hosts that are on or have left a folder, a cable or a cgroup.
    fn found_hosts(layout: Layout) -> Vec<u8> {
        let on: Vec<String> =
            process::find_inits(&layout.marker_prefix()).into_iter().map(|(_, m)| m).collect();
        (1..=MOST_HOSTS)
            .filter(|&host| {
                on.contains(&layout.marker(host))
                    || layout.host_folder(host).exists()
                    || network::cable_is_there(layout, host)
            })
            .collect()
    }
}

/// Ask a process to end; one that is gone already is no error.
pub(crate) fn terminate(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        process::signal(pid, rustix::process::Signal::TERM);
    }
}

/// Wait until something is so, looking often; whether it came to be.
pub fn wait(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
