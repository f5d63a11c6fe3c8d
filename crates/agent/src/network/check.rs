//! What of the network is not as it shall be, for those who ask: the steps that are left to do, in words, and the
//! bridge's neighbours. Nothing is changed here.

use std::net::Ipv4Addr;

use drover_core::HostNetwork;
use drover_core::doctor::{Deviation, Hindered};

use super::kernel::{self, Kernel};
use super::lanes::Sealing;
use super::plan::{self, Mac, Step, Wanted, inner};
use super::room::Room;
use super::{NetworkError, aim};

/// How the network is.
pub(crate) struct Checked {
    /// Bytes of the largest packet that devices on the way to other hosts take.
    pub(crate) underlay_mtu: u32,
    /// Bytes of the largest packet that fits the tunnel.
    pub(crate) mtu: u32,
    /// What is to be done.
    pub(crate) deviations: Vec<Deviation>,
    /// Whom the kernel knows on the bridge.
    pub(crate) neighbours: Vec<Neighbour>,
}

/// A neighbour on the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// What is sent to.
    pub(crate) mac: Mac,
    /// It stays until someone removes it.
    pub(crate) permanent: bool,
}

/// Look at the network as it is.
pub(crate) async fn check(
    network: &HostNetwork,
    sealing: &Sealing,
) -> Result<Checked, NetworkError> {
    let kernel = Kernel::open()?;
    let hosts: Vec<_> = network.peers.iter().filter_map(|peer| peer.address.parse().ok()).collect();
    let underlay_mtu = kernel.underlay_mtu(&hosts).await?;
    let seen = kernel.look().await?;
    let (_, wanted) = aim(network, &seen, sealing, Room::between(&hosts, underlay_mtu))?;
    if seen.bridge.is_none() {
        return Err(NetworkError::Elsewhere);
    }
    let settings = kernel::wrong_settings().into_iter().map(|(path, value)| Deviation {
        hinders: Hindered::Everyone,
        to_do: format!("write {value} to {path}"),
    });
    let steps = plan::steps(&wanted, &seen, !sealing.there);
    let steps = steps.iter().map(|step| deviation(&wanted, step));
    Ok(Checked {
        underlay_mtu,
        mtu: wanted.tunnels.values().copied().min().unwrap_or_default(),
        deviations: settings.chain(steps).collect(),
        neighbours: kernel.neighbours_on_bridge().await?,
    })
}

fn deviation(wanted: &Wanted, step: &Step) -> Deviation {
    let of = |is_it: &dyn Fn(Ipv4Addr) -> bool| {
        let way = wanted.ways.iter().find(|(_, way)| is_it(way.gateway));
        way.map_or(Hindered::Nobody, |(subnet, _)| Hindered::Subnet(subnet.to_string()))
    };
    let hinders = match step {
        Step::SetEnd(_, mac, _) | Step::SetPort(_, mac) => {
            of(&|gateway| Mac::of_gateway(gateway) == *mac)
        }
        Step::RemoveAddress(address) => of(&|gateway| inner(gateway) == *address),
        Step::SetNeighbour(neighbour, _) => of(&|gateway| gateway == *neighbour),
        Step::SetOwnRoute { subnet, .. } => Hindered::Subnet(subnet.to_string()),
        Step::SetRoute { gateway: next, .. } => of(&|gateway| gateway == *next),
        Step::RemoveEnd(..)
        | Step::RemovePort(..)
        | Step::RemoveNeighbour(_)
        | Step::RemoveRoute { .. }
        | Step::RemoveTunnel(_)
        | Step::RemoveWire
        | Step::SetMtu(..)
        | Step::SetNamesRoute { .. } => Hindered::Nobody,
        Step::SetWire { .. }
        | Step::MakeTunnel { .. }
        | Step::Attach(_)
        | Step::SetBridgeMac(_) => Hindered::Everyone,
    };
    Deviation { hinders, to_do: kernel::words(step) }
}
