//! The project's network on this host: Docker's bridge network, and the tunnel to the other hosts. Everything it
//! makes is the kernel's and Docker's, so it goes on without the agent, and an agent that comes back finds it.
//!
//! What there shall be is planned by [`plan`], purely; one task keeps it so.

pub(crate) mod addresses;
mod bridge;
mod check;
mod kernel;
pub(crate) mod names;
pub mod plan;
pub(crate) mod subnet;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use drover_core::HostNetwork;
use tokio::sync::{mpsc, watch};

pub use bridge::BridgeError;
pub(crate) use bridge::NETWORK;
pub(crate) use check::{Checked, Neighbour, check};
pub use kernel::KernelError;
pub use subnet::{BadSubnet, Subnet};

use crate::agent::AgentResult;
use crate::docker::Engine;
use kernel::Kernel;

/// Where names and metadata are asked for, as [`drover_core::DISCOVERY_ADDRESS`] has it.
pub const DISCOVERY: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 250);
/// The network is looked at this often, whatever happened or didn't.
const SWEEP: Duration = Duration::from_secs(15);
/// After a failure, sooner.
const RETRY: Duration = Duration::from_secs(2);

/// Why the network is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The server's subnet makes no sense.
    #[error("this host's part of the network can't be set up: {0}")]
    Subnet(#[from] BadSubnet),
    /// It is to be encrypted.
    #[error(
        "traffic between hosts is to be encrypted (setting {}), which this agent can't do; nothing is sent in the clear: \
         unset it, or encrypt the network below",
        drover_core::ENCRYPTION_SETTING
    )]
    Encrypted,
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
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The subnet it is about.
    pub(crate) subnet: String,
    /// Why it is not as it shall be; empty if it is.
    pub(crate) problem: String,
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
        if let Some(Task { engine, network }) = task {
            let problem = match bring(&engine, &network).await {
                Ok(()) => String::new(),
                Err(error) => {
                    pause = RETRY;
                    error.to_string()
                }
            };
            let kept = Kept { subnet: network.subnet, problem };
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

/// Bring Docker and the kernel to what the network shall be.
async fn bring(engine: &Engine, network: &HostNetwork) -> Result<(), NetworkError> {
    let subnet: Subnet = network.subnet.parse()?;
    if network.encrypted {
        return Err(NetworkError::Encrypted);
    }
    let kernel = Kernel::open()?;
    let hosts: Vec<_> = network.peers.iter().filter_map(|peer| peer.address.parse().ok()).collect();
    let wanted = plan::wanted(network, kernel.underlay_mtu(&hosts).await?)?;
    bridge::ensure(engine.client(), &engine.cluster, subnet, wanted.mtu).await?;
    let seen = kernel.look().await?;
    if seen.bridge.is_none() {
        return Err(NetworkError::Elsewhere);
    }
    kernel::set_settings()?;
    for step in plan::steps(&wanted, &seen) {
        tracing::info!(?step, "network");
        kernel.carry_out(&step).await?;
    }
    Ok(())
}
