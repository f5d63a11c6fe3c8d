//! Several Docker hosts on one machine: each has its own address on a bridge, its own name, its own engine, and can
//! be cut off, switched off and booted by itself.
//!
//! Not a container orchestrator, and not a sandbox: hosts share the machine's kernel and disk. Everything is found
//! again by name, never by a record alone, so that a bed whose maker crashed can be used or removed. It works
//! beside a Docker service of the machine's own and doesn't touch it.

mod cgroup;
pub mod cli;
mod engine;
mod error;
mod host;
mod install;
mod layout;
mod network;
mod process;
mod record;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use error::TestbedError;
pub use layout::{Layout, MOST_HOSTS};
pub use record::{TestHost, Testbed};
use rustix::process::Signal;

use record::record_of;

use crate::command;

/// Environment variable that leads tests to the record of a running testbed.
pub const TESTBED_VARIABLE: &str = "DROVER_TESTBED";

/// Environment variable that marks programs as part of a testbed (its value is the bed's number): they end with it.
pub const PART_VARIABLE: &str = "DROVER_TESTBED_PART";

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

    /// Remove a bed and every trace of it; one that isn't there is no error.
    pub fn down(bed: u8) -> Result<(), TestbedError> {
        let layout = Layout { bed };
        process::kill_all(&process::find_marked(PART_VARIABLE, &bed.to_string()));
        for host in Self::found_hosts(layout) {
            host::kill(layout, host)?;
        }
        network::remove_bridge(layout)?;
        cgroup::remove(&layout.cgroup());
        let folder = layout.folder();
        unmount_below(&folder)?;
        match std::fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TestbedError::Folder { path: folder, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Remove a bed if this process owns it; another's is left alone.
    pub fn release(bed: u8) -> Result<(), TestbedError> {
        match Self::attach(bed) {
            Ok(there) if there.owner == Some(std::process::id()) => Self::down(bed),
            Ok(_) | Err(TestbedError::NotUp { .. }) => Ok(()),
            Err(error) => Err(error),
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
        if !cgroup::remove(&layout.cgroup()) {
            traces.push(format!("cgroup {}", layout.cgroup()));
        }
        traces
    }

    /// Where a host's engine listens.
    pub fn socket(bed: u8, host: u8) -> PathBuf {
        Layout { bed }.socket(host)
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

    /// Pull a host's cable: nobody hears it and it hears nobody; its engine and containers go on.
    pub fn pull_cable(&self, host: u8) -> Result<(), TestbedError> {
        self.running(host)?;
        Ok(network::pull_cable(self.layout(), host)?)
    }

    /// Undo [`Self::pull_cable`].
    pub fn plug_cable(&self, host: u8) -> Result<(), TestbedError> {
        self.running(host)?;
        Ok(network::plug_cable(self.layout(), host)?)
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
        Ok(host::command_on(self.layout(), host, self.running(host)?, program))
    }

    /// The same in the network of one of the host's containers, by the path that its engine has it at
    /// (`NetworkSettings.SandboxKey`).
    pub fn command_in(
        &self,
        host: u8,
        network: &str,
        program: &Path,
    ) -> Result<Command, TestbedError> {
        let init = self.running(host)?;
        let mut command = Command::new("nsenter");
        // That path is there only in the host's own mounts.
        command.args(["--target", &init.to_string(), "--mount", "--", "nsenter"]);
        command.arg(format!("--net={network}")).arg("--").arg(program);
        Ok(command)
    }

    /// A host's network namespace, as a file.
    pub fn network(&self, host: u8) -> Result<PathBuf, TestbedError> {
        Ok(PathBuf::from(format!("/proc/{}/ns/net", self.running(host)?)))
    }

    /// The first process of a host that must be on.
    fn running(&self, host: u8) -> Result<i32, TestbedError> {
        self.host(host)?;
        host::init_of(self.layout(), host).ok_or_else(|| {
            let problem = format!("is off; switch it on: cargo xtask testbed boot {host}");
            TestbedError::BadHost { host, problem }
        })
    }

    /// Make everything; the record last but one step, so that what fails half way is still found.
    fn build(&self, layout: Layout) -> Result<(), TestbedError> {
        self.write()?;
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
        let Some(there) = Self::read(&record_of(layout))? else { return Ok(None) };
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

/// Unmount what a bed's user mounted in its folder, innermost first.
fn unmount_below(folder: &Path) -> Result<(), TestbedError> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<_> = places.filter(|place| Path::new(place).starts_with(folder)).collect();
    below.reverse();
    for place in below {
        command::run(&format!("umount --lazy {place}"))?;
    }
    Ok(())
}

/// Ask a process to end; one that is gone already is no error.
pub(crate) fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Let a process stand still until [`thaw`].
pub(crate) fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
}

/// Let a process go on.
pub(crate) fn thaw(pid: u32) {
    signal(pid, Signal::CONT);
}

fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        process::signal(pid, signal);
    }
}
