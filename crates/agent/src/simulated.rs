//! Hosts that are simulated: the real agent and protocol over a Docker engine that is not there, one or thousands in one
//! process. For trying Drover without Docker, for tests of the API, for load.
//!
//! The engine is simulated at its API ([`api`]), so that every line of the agent that talks to Docker is the real one. Of
//! the machine around it nothing is: [`crate::surroundings`] says what an agent gets instead.

mod addresses;
mod api;
mod container;
mod engine;
mod fate;
mod process;
mod run;
mod site;
mod streams;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::NetworkCreateRequest;
use drover_core::{CpuUse, DiskUse, HostFacts, InterfaceUse, Sample};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::{self, now_ns};
use crate::lock::lock;
use crate::network::NETWORK;
use engine::{Engine, Refused};
use site::Site;

pub use fate::{CRASH_AFTER, FAIL};
pub use run::{Simulation, simulate};

/// What the engine says it is.
const ENGINE_VERSION: &str = "simulated";

/// Memory that it says the host has, bytes.
const MEMORY: u64 = 8 << 30;
/// Of it, what is used by what is no container.
const MEMORY_BESIDE: u64 = 1 << 30;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A start, and a pull.
    pub(crate) start: Duration,
    /// A stop.
    pub(crate) stop: Duration,
}

/// How a simulated container is found by whoever asks it something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It answers well.
    Well,
    /// It is there, and answers nothing well.
    Ill,
    /// Nobody has the address.
    Nobody,
}

/// A simulated host: its engine, and the others that it shares a process with.
#[derive(Clone)]
pub(crate) struct SimulatedHost(Arc<Inner>);

struct Inner {
    pace: Pace,
    engine: Mutex<Engine>,
    /// Counts what was done to the engine.
    changes: watch::Sender<u64>,
    site: Arc<Site>,
}

impl SimulatedHost {
    /// A host at an address, beside the others of `site`.
    pub(crate) fn new(name: &str, address: Ipv4Addr, pace: Pace, site: &Arc<Site>) -> Self {
        site.joins(address);
        let (engine, changes) = (Mutex::new(Engine::new(name)), watch::Sender::new(0));
        Self(Arc::new(Inner { pace, engine, changes, site: site.clone() }))
    }

    /// A client of its engine.
    pub(crate) fn client(&self, patience: Duration) -> Result<Docker, Error> {
        api::client(self, patience)
    }

    /// A connection to its engine.
    pub(crate) fn connect(&self) -> DuplexStream {
        api::connect(self)
    }

    /// Who is at an address, of this host or of one beside it; `None` if it is of no host here, so that nothing can be
    /// said of it.
    pub(crate) fn find(&self, address: IpAddr) -> Option<Found> {
        let IpAddr::V4(address) = address else { return None };
        if let Some(found) = self.found(address) {
            return Some(found);
        }
        match self.0.site.host_of(address) {
            Some(other) => Some(other.found(address).unwrap_or(Found::Nobody)),
            None if addresses::is_on_bridge(address) => Some(Found::Nobody),
            None => None,
        }
    }

    fn found(&self, address: Ipv4Addr) -> Option<Found> {
        self.look(|engine| {
            let well = engine.at(address)?.answers();
            Some(if well { Found::Well } else { Found::Ill })
        })
    }

    /// Those of these hosts that are simulated beside this one.
    pub(crate) fn beside<T: Copy + Ord>(
        &self,
        hosts: impl Iterator<Item = (T, Ipv4Addr)>,
    ) -> BTreeSet<T> {
        hosts.filter(|(_, address)| self.0.site.has(*address)).map(|(host, _)| host).collect()
    }

    /// What kind of machine it makes believe to be.
    pub(crate) fn facts(docker_version: &str, problem: &str) -> HostFacts {
        HostFacts {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            docker_version: docker_version.to_owned(),
            kernel: ENGINE_VERSION.to_owned(),
            os: ENGINE_VERSION.to_owned(),
            cpus: 4,
            memory: MEMORY.cast_signed(),
            problem: problem.to_owned(),
            ..HostFacts::default()
        }
    }

    /// What it makes believe to use: as much as its containers, and a little more.
    pub(crate) fn sample(&self) -> Sample {
        let now = now_ns();
        let used = self.look(|engine| {
            let all = engine.containers.values().map(|held| held.used(now));
            all.fold(container::Used::default(), |sum, one| container::Used {
                cpu_ns: sum.cpu_ns + one.cpu_ns,
                memory: sum.memory + one.memory,
                received: sum.received + one.received,
            })
        });
        let (received, sent) = (used.received, used.received / 2);
        Sample {
            container: String::new(),
            at: clock::now(),
            cpu: CpuUse {
                total: used.cpu_ns,
                each: vec![used.cpu_ns / 4; 4],
                user: used.cpu_ns / 4 * 3,
                system: used.cpu_ns / 4,
            },
            memory: (MEMORY_BESIDE + used.memory).min(MEMORY),
            memory_limit: MEMORY,
            interfaces: vec![InterfaceUse {
                name: "eth0".to_owned(),
                rx_bytes: received,
                tx_bytes: sent,
            }],
            disks: vec![DiskUse { major: 8, minor: 0, read: received / 8, written: received / 4 }],
        }
    }

    fn pace(&self) -> Pace {
        self.0.pace
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Look at the engine.
    fn look<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&lock(&self.0.engine))
    }

    /// Do something to the engine; whoever waits for changes looks.
    fn act<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        let done = act(&mut lock(&self.0.engine));
        self.0.changes.send_modify(|count| *count += 1);
        done
    }

    /// Start a container, and see to what comes of it.
    fn start(&self, what: &str) -> Result<(), Refused> {
        let begun = self.act(|engine| engine.start(what, now_ns()))?;
        if let Some((after, then)) = begun.then {
            let (host, run) = (self.clone(), begun.run.clone());
            tokio::spawn(async move {
                sleep(after).await;
                host.act(|engine| engine.happens(&run, then, now_ns()));
            });
        }
        if let Some(process) = begun.process {
            tokio::spawn(process::run(self.clone(), begun.run, process));
        }
        Ok(())
    }

    fn make_network(&self, asked: NetworkCreateRequest) {
        let subnet = (asked.name == NETWORK).then(|| addresses::subnet(&asked)).flatten();
        if let Some(subnet) = subnet {
            self.0.site.owns(subnet, &self.0);
        }
        self.act(|engine| engine.networks.insert(asked.name.clone(), asked));
    }
}
