//! The project's network on this host: Docker's bridge network, and the tunnel to the other hosts. Everything it
//! makes is the kernel's and Docker's, so it goes on without the agent, and an agent that comes back finds it.
//!
//! What there shall be is planned by [`plan`], purely; one task keeps it so.

pub(crate) mod addresses;
mod bridge;
mod check;
mod kernel;
pub(crate) mod keys;
pub mod lanes;
pub(crate) mod names;
pub mod plan;
pub mod room;
pub(crate) mod subnet;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{HostNetwork, Tunnels};
use tokio::sync::{mpsc, watch};

pub use bridge::BridgeError;
pub(crate) use bridge::NETWORK;
pub(crate) use check::{Checked, Neighbour, check};
pub use kernel::KernelError;
pub use subnet::{BadSubnet, Subnet};

use crate::agent::AgentResult;
use crate::docker::Engine;
use kernel::Kernel;
pub(crate) use kernel::WIRE;
pub(crate) use lanes::Sealing;
use lanes::{Lanes, Tunnel, lanes, told};
use plan::{Seen, Wanted};
use room::Room;

/// Where names and metadata are asked for, as [`drover_core::DISCOVERY_ADDRESS`] has it.
pub const DISCOVERY: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 250);
/// The network is looked at this often, whatever happened or didn't.
const SWEEP: Duration = Duration::from_secs(15);
/// After a failure, sooner.
const RETRY: Duration = Duration::from_secs(2);

/// Bytes of the largest packet between hosts that are not there.
const SIMULATED_MTU: u32 = 1500;

/// Why the network is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The server's subnet makes no sense.
    #[error("this host's part of the network can't be set up: {0}")]
    Subnet(#[from] BadSubnet),
    /// It is to be encrypted, and nobody does.
    #[error(
        "traffic between hosts is to be encrypted (setting drover.network.encryption), and this host can't do that yet, so nothing is sent to others: \
         {0}"
    )]
    Unsealed(String),
    /// Docker.
    #[error(transparent)]
    Docker(#[from] BridgeError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Docker's bridge is elsewhere.
    #[error(
        "Docker made the network {NETWORK}, but this agent doesn't see its device: run the agent in the network namespace \
         of its Docker engine"
    )]
    Elsewhere,
}

/// What is to be kept.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) engine: Arc<Engine>,
    pub(crate) network: HostNetwork,
    pub(crate) sealing: Sealing,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The subnet it is about.
    pub(crate) subnet: String,
    /// Why it is not as it shall be; empty if it is.
    pub(crate) problem: String,
    /// How packets go now; `None` if that is not known.
    pub(crate) tunnels: Option<Tunnels>,
    /// What others send sealed can be taken in.
    pub(crate) takes_sealed: bool,
}

/// Keep the network as it was last told, until nobody tells any more. Says what came of it whenever that differs.
pub(crate) async fn keep(
    mut tasks: watch::Receiver<Option<Task>>,
    results: mpsc::UnboundedSender<AgentResult>,
) {
    let mut last = None;
    loop {
        let task = tasks.borrow_and_update().clone();
        let mut pause = SWEEP;
        if let Some(Task { engine, network, sealing }) = task {
            let subnet = network.subnet.clone();
            let kept = match engine.surroundings.bring_network(&engine, &network, &sealing).await {
                Ok((tunnels, takes_sealed)) => {
                    let tunnels = Some(tunnels);
                    Kept { subnet, problem: String::new(), tunnels, takes_sealed }
                }
                Err(error) => {
                    pause = RETRY;
                    Kept { subnet, problem: error.to_string(), tunnels: None, takes_sealed: false }
                }
            };
            if last.as_ref() != Some(&kept) {
                last = Some(kept.clone());
                if results.send(AgentResult::Network(kept)).is_err() {
                    return;
                }
            }
        } else {
            last = None;
        }
        if let Ok(Err(_)) = tokio::time::timeout(pause, tasks.changed()).await {
            return;
        }
    }
}

/// How packets go by what the kernel holds, and whether sealed ones are taken in; nothing is changed. `None` if the
/// kernel doesn't say.
pub(crate) async fn held(network: &HostNetwork) -> Option<(Tunnels, bool)> {
    let seen = match Kernel::open() {
        Ok(kernel) => kernel.look().await,
        Err(error) => Err(error),
    };
    match seen {
        Ok(seen) => {
            let now = seen.now(network);
            Some((now.told(), now.tunnels.contains(&Tunnel::Sealed)))
        }
        Err(error) => {
            tracing::warn!("how packets go to other hosts is not known yet: {error}");
            None
        }
    }
}

/// Bring Docker and the kernel to what the network shall be. How packets go then, and whether sealed ones are taken in.
pub(crate) async fn bring(
    engine: &Engine,
    network: &HostNetwork,
    sealing: &Sealing,
) -> Result<(Tunnels, bool), NetworkError> {
    let subnet: Subnet = network.subnet.parse()?;
    let kernel = Kernel::open()?;
    let hosts: Vec<_> = network.peers.iter().filter_map(|peer| peer.address.parse().ok()).collect();
    let room = Room::between(&hosts, kernel.underlay_mtu(&hosts).await?);
    let held = kernel.look().await?;
    let narrowest = lanes(network, &held.now(network), sealing).tunnels;
    let narrowest = narrowest.into_iter().map(|tunnel| room.tunnel(tunnel)).min();
    let mtu = narrowest.unwrap_or_else(|| room.tunnel(Tunnel::Clear));
    bridge::ensure(engine.client(), &engine.cluster, subnet, mtu).await?;
    let seen = kernel.look().await?;
    if seen.bridge.is_none() {
        return Err(NetworkError::Elsewhere);
    }
    kernel::set_settings()?;
    if seen.wire.is_some() {
        kernel::set_wire_settings()?;
    }
    let (lanes, wanted) = aim(network, &seen, sealing, room)?;
    for step in plan::steps(&wanted, &seen, !sealing.there) {
        tracing::info!(?step, "network");
        kernel.carry_out(&step).await?;
    }
    let made = plan::ready(&wanted, &seen).into_keys().collect();
    if made == std::collections::BTreeSet::new() {
        let problem = &sealing.problem;
        let waits = "the process that encrypts is not there yet".to_owned();
        return Err(NetworkError::Unsealed(if problem.is_empty() {
            waits
        } else {
            problem.clone()
        }));
    }
    Ok((told(network, &lanes, &made, sealing), made.contains(&Tunnel::Sealed)))
}

/// The same where there is no kernel to bring to anything: Docker's part, and then packets go as they shall at once.
pub(crate) async fn bring_simulated(
    engine: &Engine,
    network: &HostNetwork,
) -> Result<(Tunnels, bool), NetworkError> {
    let subnet: Subnet = network.subnet.parse()?;
    let room = Room::between(&[], SIMULATED_MTU);
    let tunnel = if network.encrypted { Tunnel::Sealed } else { Tunnel::Clear };
    bridge::ensure(engine.client(), &engine.cluster, subnet, room.tunnel(tunnel)).await?;
    let sealed = network.peers.iter().filter(|_| network.encrypted);
    let sealed_to = sealed.map(|peer| peer.host).collect();
    let tunnels = Tunnels { clear: !network.encrypted, sealed_to, ..Tunnels::default() };
    Ok((tunnels, network.encrypted))
}

/// What there shall be, given what there is: how packets go, and what the kernel holds for that.
fn aim(
    network: &HostNetwork,
    seen: &Seen,
    sealing: &Sealing,
    room: Room,
) -> Result<(Lanes, Wanted), BadSubnet> {
    let lanes = lanes(network, &seen.now(network), sealing);
    let wanted = plan::wanted(network, &lanes, room)?;
    Ok((lanes, wanted))
}
