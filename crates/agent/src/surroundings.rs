//! What an agent lives in: a machine with a Docker engine, a kernel and a network, or a host that is simulated. The one
//! place where the two differ; nothing else of the agent knows which it is.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use drover_core::doctor::{Examined, ProbeTarget, Probed};
use drover_core::{HealthCheck, HostFacts, HostNetwork, Sample, Tunnels};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};

use crate::agent::AgentResult;
use crate::discovery::Kept;
use crate::docker::Engine;
use crate::doctor::{self, Known};
use crate::hearing::{self, Circle, Heard};
use crate::network::names::HostNames;
use crate::network::{self, NetworkError, Sealing};
use crate::simulated::{Found, SimulatedHost};
use crate::{facts, host_use, probe};

/// What the network doctor is told of a simulated host.
const NO_NETWORK: &str = "it is simulated: there is no network to look at";

/// A connection that can be read and written.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// What there is around an agent.
#[derive(Clone)]
pub(crate) enum Surroundings {
    /// The machine it runs on, with the engine behind this socket.
    Machine(PathBuf),
    /// A host that is simulated.
    Simulated(SimulatedHost),
}

impl Surroundings {
    /// A client of the Docker engine.
    pub(crate) fn docker(&self, patience: Duration) -> Result<Docker, Error> {
        match self {
            Self::Machine(socket) => {
                let path = socket.to_string_lossy();
                Docker::connect_with_unix(&path, patience.as_secs(), API_DEFAULT_VERSION)
            }
            Self::Simulated(host) => host.client(patience),
        }
    }

    /// A connection to the engine, for whoever speaks its API himself.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Machine(socket) => Box::new(UnixStream::connect(socket).await?),
            Self::Simulated(host) => Box::new(host.connect()),
        })
    }

    /// What the engine is found by, for people.
    pub(crate) fn socket(&self) -> PathBuf {
        match self {
            Self::Machine(socket) => socket.clone(),
            Self::Simulated(_) => PathBuf::from("simulated"),
        }
    }

    /// What the machine is.
    pub(crate) fn facts(&self, docker_version: &str, problem: &str) -> HostFacts {
        match self {
            Self::Machine(_) => facts::facts(docker_version, problem),
            Self::Simulated(_) => SimulatedHost::facts(docker_version, problem),
        }
    }

    /// What the machine uses.
    pub(crate) fn sample(&self) -> Sample {
        match self {
            Self::Machine(_) => host_use::sample(),
            Self::Simulated(host) => host.sample(),
        }
    }

    /// Whether files can be given to others: a simulated host's agent is nobody in particular.
    pub(crate) fn gives_files_away(&self) -> bool {
        match self {
            Self::Machine(_) => true,
            Self::Simulated(_) => false,
        }
    }

    /// How often it is looked at what the data plane's processes say: an acknowledgement lets a drain go on, so it is not to wait.
    /// Of simulated hosts there are thousands on a machine.
    pub(crate) fn looks_every(&self) -> Duration {
        match self {
            Self::Machine(_) => Duration::from_millis(25),
            Self::Simulated(_) => Duration::from_millis(100),
        }
    }

    /// What of the facts that names are answered from is kept.
    pub(crate) fn keeps_of_names(&self) -> Kept {
        match self {
            Self::Machine(_) => Kept::Whole,
            Self::Simulated(_) => Kept::Acknowledged,
        }
    }

    /// Which name servers the machine asks.
    pub(crate) fn names(&self) -> HostNames {
        match self {
            Self::Machine(_) => HostNames::read(),
            Self::Simulated(_) => HostNames::default(),
        }
    }

    /// Bring Docker and the kernel to what the network shall be. How packets go then, and whether sealed ones are taken in.
    pub(crate) async fn bring_network(
        &self,
        engine: &Engine,
        network: &HostNetwork,
        sealing: &Sealing,
    ) -> Result<(Tunnels, bool), NetworkError> {
        match self {
            Self::Machine(_) => network::bring(engine, network, sealing).await,
            Self::Simulated(_) => network::bring_simulated(engine, network).await,
        }
    }

    /// How packets go by what the kernel holds, and whether sealed ones are taken in; `None` if it doesn't say.
    pub(crate) async fn held_network(&self, network: &HostNetwork) -> Option<(Tunnels, bool)> {
        match self {
            Self::Machine(_) => network::held(network).await,
            // It begins with an engine that holds nothing.
            Self::Simulated(_) => None,
        }
    }

    /// Listen to other hosts for ever; tell when somebody goes silent or answers again. Simulated hosts hear those that share
    /// their process, which are there for as long as they are, and know nothing of others.
    pub(crate) async fn listen(
        self,
        mut circle: watch::Receiver<Circle>,
        results: mpsc::UnboundedSender<AgentResult>,
    ) {
        let host = match self {
            Self::Machine(_) => return hearing::listen(circle, results).await,
            Self::Simulated(host) => host,
        };
        loop {
            let others = circle.borrow_and_update().others.clone();
            let heard = Heard { present: host.beside(others.into_iter()), ..Heard::default() };
            let told = results.send(AgentResult::Heard(heard));
            if told.is_err() || circle.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether a port accepts connections.
    pub(crate) async fn accepts(&self, ip: IpAddr, port: u16) -> bool {
        match self {
            Self::Machine(_) => TcpStream::connect(SocketAddr::new(ip, port)).await.is_ok(),
            Self::Simulated(host) => host.find(ip) == Some(Found::Well),
        }
    }

    /// One health check; why it failed, in words. A simulated host that can know nothing of an address says nothing of it.
    pub(crate) async fn check(&self, ip: IpAddr, check: &HealthCheck) -> Result<(), String> {
        let port = check.port;
        match self {
            Self::Machine(_) => probe::once(ip, check).await,
            Self::Simulated(host) => match host.find(ip) {
                Some(Found::Well) => Ok(()),
                Some(Found::Ill) => {
                    Err(format!("its check on port {port} fails: it is simulated as never healthy"))
                }
                Some(Found::Nobody) => {
                    Err(format!("its check on port {port} can't connect: nobody is at {ip}"))
                }
                None => pending().await,
            },
        }
    }

    /// The network doctor's look at this host.
    pub(crate) async fn examine(&self, engine: &Engine, known: &Known, name: &str) -> Examined {
        match self {
            Self::Machine(_) => doctor::examine(engine, known, name).await,
            Self::Simulated(_) => Examined {
                network: known.network.clone(),
                problem: NO_NETWORK.to_owned(),
                ..Examined::default()
            },
        }
    }

    /// The network doctor's probes of the ways to other hosts.
    pub(crate) async fn probe(&self, known: &Known, targets: Vec<ProbeTarget>) -> Probed {
        match self {
            Self::Machine(_) => doctor::probe(known, targets).await,
            Self::Simulated(_) => Probed { problem: NO_NETWORK.to_owned(), ..Probed::default() },
        }
    }
}
