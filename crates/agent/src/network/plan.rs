//! What the kernel shall hold so that this host's containers and the other hosts' reach each other, and the steps
//! from what it holds. Pure; [`super::kernel`] looks and carries out.
//!
//! The way a packet goes: a container sends it to its gateway, the bridge; the route to the other host's subnet
//! leads back into the same bridge, to the other host's gateway; its address is computed, not asked for; the bridge
//! hands the frame to a tunnel, and the tunnel to that host. See `docs/decisions/004-overlay.md`. The sealed tunnel
//! leads through a device, the wire, behind which a process encrypts: `docs/decisions/005-encryption.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use drover_core::HostNetwork;

use super::lanes::{Lanes, Now, Tunnel};
use super::room::Room;
use super::subnet::{BadSubnet, Subnet};

/// A link layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address a gateway has by its IP address, so that nobody has to ask for it.
    pub fn of_gateway(gateway: Ipv4Addr) -> Self {
        let [a, b, c, d] = gateway.octets();
        Self([0x02, 0x64, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// What there shall be besides Docker's own bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The bridge's own link layer address.
    pub bridge_mac: Mac,
    /// Where this host's own containers are.
    pub subnet: Subnet,
    /// Its address; packets of the host's own have it as their source.
    pub gateway: Ipv4Addr,
    /// Network identifier of the tunnels.
    pub vni: u32,
    /// Tunnels there shall be, and the largest packet that fits each, bytes.
    pub tunnels: BTreeMap<Tunnel, u32>,
    /// Largest packet that fits the wire; `None` if there shall be no wire.
    pub wire: Option<u32>,
    /// Every other host, by its subnet.
    pub ways: Ways,
}

/// Another host's gateway, by its subnet.
type Ways = BTreeMap<Subnet, Way>;

/// How another host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its bridge's address.
    pub gateway: Ipv4Addr,
    /// Its own address, where the clear tunnel ends.
    pub host: IpAddr,
    /// By which tunnel it is sent to.
    pub through: Tunnel,
}

impl Way {
    /// Where a tunnel ends.
    fn end(&self, tunnel: Tunnel) -> IpAddr {
        match tunnel {
            Tunnel::Clear => self.host,
            Tunnel::Sealed => IpAddr::V6(inner(self.gateway)),
        }
    }
}

/// A host's address on the wire, by its gateway's. It is of those that hold for one link only: packets for it can
/// leave by the wire alone, and the kernel takes what is for the sealed tunnel from the wire alone.
pub fn inner(gateway: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = gateway.octets().map(u16::from);
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, a << 8 | b, c << 8 | d)
}

/// What the kernel holds on our devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The bridge, once Docker made it.
    pub bridge: Option<SeenBridge>,
    /// The tunnels.
    pub tunnels: BTreeMap<Tunnel, SeenTunnel>,
    /// The wire, once a process made it.
    pub wire: Option<SeenWire>,
    /// Routes through a gateway on the bridge: gateway and source.
    pub routes: BTreeMap<Subnet, (Ipv4Addr, Option<Ipv4Addr>)>,
    /// Permanent neighbours on the bridge.
    pub neighbours: BTreeMap<Ipv4Addr, Mac>,
    /// Static entries of the bridge that lead to a tunnel.
    pub ports: BTreeMap<Mac, Tunnel>,
    /// Entries of the tunnels.
    pub ends: BTreeMap<(Tunnel, Mac), IpAddr>,
}

impl Seen {
    /// By which tunnels whom is sent to.
    pub fn now(&self, network: &HostNetwork) -> Now {
        let through = network.peers.iter().filter_map(|peer| {
            let subnet: Subnet = peer.subnet.parse().ok()?;
            Some((peer.host, *self.ports.get(&Mac::of_gateway(subnet.gateway()))?))
        });
        Now { tunnels: self.tunnels.keys().copied().collect(), through: through.collect() }
    }
}

/// The bridge as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBridge {
    /// Its link layer address.
    pub mac: Mac,
    /// Source of what the host itself sends to where names and metadata are asked for, if packets for there go to
    /// the bridge.
    pub names_from: Option<Ipv4Addr>,
    /// Subnets whose addresses are looked for on the bridge itself: Docker makes the route to this host's own.
    pub own: BTreeSet<Subnet>,
}

/// A tunnel as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTunnel {
    /// Its network identifier; 0 if the device is no tunnel.
    pub vni: u32,
    /// Its UDP port.
    pub port: u16,
    /// The device it leads through, by the kernel's number, and its own address there.
    pub below: Option<(u32, Ipv6Addr)>,
    /// Its MTU.
    pub mtu: u32,
    /// It is a port of the bridge.
    pub attached: bool,
    /// It is up.
    pub up: bool,
}

/// The wire as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenWire {
    /// The kernel's number for it.
    pub index: u32,
    /// Its MTU.
    pub mtu: u32,
    /// It is up.
    pub up: bool,
    /// Addresses it has.
    pub addresses: Vec<Ipv6Addr>,
}

/// One change to what the kernel holds. Setting replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the wire.
    RemoveWire,
    /// Set the wire's MTU, give it this host's address beside those it has, and switch it on.
    SetWire {
        /// MTU, bytes.
        mtu: u32,
        /// This host's address on it.
        address: Ipv6Addr,
    },
    /// Take an address from the wire: packets for the host that has it now would stay here.
    RemoveAddress(Ipv6Addr),
    /// Remove a tunnel, and what it holds.
    RemoveTunnel(Tunnel),
    /// Make a tunnel.
    MakeTunnel {
        /// Which.
        tunnel: Tunnel,
        /// Network identifier.
        vni: u32,
        /// The device it leads through, by the kernel's number, and this host's address there.
        below: Option<(u32, Ipv6Addr)>,
    },
    /// Set a tunnel's MTU.
    SetMtu(Tunnel, u32),
    /// Make a tunnel a port of the bridge that learns and floods nothing, and switch it on.
    Attach(Tunnel),
    /// Set the bridge's link layer address.
    SetBridgeMac(Mac),
    /// Packets for where names and metadata are asked go to the bridge: the container that answers has the address. It is
    /// not the host's own, or no container could publish the ports that are answered there.
    SetNamesRoute {
        /// Source of what the host itself sends.
        source: Ipv4Addr,
    },
    /// Packets for this host's own containers go to the bridge. Docker's, but it makes it only with the bridge: whoever
    /// removes it cuts off every container of the host.
    SetOwnRoute {
        /// Where they are.
        subnet: Subnet,
        /// Source of what the host itself sends.
        source: Ipv4Addr,
    },
    /// A tunnel leads frames for this address to that host.
    SetEnd(Tunnel, Mac, IpAddr),
    /// It no longer does.
    RemoveEnd(Tunnel, Mac, IpAddr),
    /// The bridge leads frames for this address into a tunnel.
    SetPort(Tunnel, Mac),
    /// It no longer does.
    RemovePort(Tunnel, Mac),
    /// The other gateway's link layer address.
    SetNeighbour(Ipv4Addr, Mac),
    /// It is nobody's.
    RemoveNeighbour(Ipv4Addr),
    /// Packets for a subnet go to its gateway.
    SetRoute {
        /// The subnet.
        subnet: Subnet,
        /// Its gateway.
        gateway: Ipv4Addr,
        /// Source of what the host itself sends.
        source: Ipv4Addr,
    },
    /// They no longer do.
    RemoveRoute {
        /// The subnet.
        subnet: Subnet,
        /// The gateway it led to.
        gateway: Ipv4Addr,
    },
}

/// What there shall be for a network with this much room on the way.
///
/// A peer without a sensible address or subnet is left out: the others are to be reached all the same.
pub fn wanted(network: &HostNetwork, lanes: &Lanes, room: Room) -> Result<Wanted, BadSubnet> {
    let own: Subnet = network.subnet.parse()?;
    let peers = network.peers.iter().filter_map(|peer| {
        let subnet: Subnet = peer.subnet.parse().ok().filter(|subnet| *subnet != own)?;
        let through = *lanes.through.get(&peer.host)?;
        let host = peer.address.parse().ok()?;
        Some((subnet, Way { gateway: subnet.gateway(), host, through }))
    });
    Ok(Wanted {
        bridge_mac: Mac::of_gateway(own.gateway()),
        subnet: own,
        gateway: own.gateway(),
        vni: network.vni,
        tunnels: lanes.tunnels.iter().map(|tunnel| (*tunnel, room.tunnel(*tunnel))).collect(),
        wire: lanes.wire.then(|| room.wire()),
        ways: peers.collect(),
    })
}

/// The steps from what is seen to what is wanted: what is stale goes first, a route is there only when all that it
/// leads through is, and a tunnel goes only when nobody is sent to by it. `free` says that no process holds the wire.
pub fn steps(wanted: &Wanted, seen: &Seen, free: bool) -> Vec<Step> {
    // Without Docker's bridge there is nothing to attach to: it is made first, by Docker.
    let Some(bridge) = &seen.bridge else { return Vec::new() };
    let ready = ready(wanted, seen);
    let mut steps = stale(wanted, seen);
    steps.extend(links(wanted, bridge, seen, &ready));
    for (subnet, way) in &wanted.ways {
        let mac = Mac::of_gateway(way.gateway);
        for tunnel in ready.keys() {
            let (kept, end) = (kept(*tunnel, wanted, seen), way.end(*tunnel));
            if kept.is_none() || seen.ends.get(&(*tunnel, mac)) != Some(&end) {
                steps.push(Step::SetEnd(*tunnel, mac, end));
            }
        }
        steps.extend(port(wanted, seen, way, ready.contains_key(&way.through)));
        if seen.neighbours.get(&way.gateway) != Some(&mac) {
            steps.push(Step::SetNeighbour(way.gateway, mac));
        }
        if seen.routes.get(subnet) != Some(&(way.gateway, Some(wanted.gateway))) {
            let (subnet, gateway, source) = (*subnet, way.gateway, wanted.gateway);
            steps.push(Step::SetRoute { subnet, gateway, source });
        }
    }
    let unwanted = seen.tunnels.keys().filter(|tunnel| !wanted.tunnels.contains_key(tunnel));
    steps.extend(unwanted.map(|tunnel| Step::RemoveTunnel(*tunnel)));
    if seen.wire.is_some() && wanted.wire.is_none() && free {
        steps.push(Step::RemoveWire);
    }
    steps
}

/// The tunnels that can be there: a sealed one needs the wire, which a process makes.
pub fn ready(wanted: &Wanted, seen: &Seen) -> BTreeMap<Tunnel, u32> {
    let can_be = |tunnel: Tunnel| tunnel == Tunnel::Clear || seen.wire.is_some();
    let all = wanted.tunnels.iter().map(|(tunnel, mtu)| (*tunnel, *mtu));
    all.filter(|(tunnel, _)| can_be(*tunnel)).collect()
}

/// Whose frames the bridge leads where. To a tunnel that isn't there nothing is led, least of all another way.
fn port(wanted: &Wanted, seen: &Seen, way: &Way, ready: bool) -> Option<Step> {
    let mac = Mac::of_gateway(way.gateway);
    let held = seen.ports.get(&mac).copied();
    if !ready {
        return held.map(|tunnel| Step::RemovePort(tunnel, mac));
    }
    let stays = kept(way.through, wanted, seen).is_some_and(|tunnel| tunnel.attached);
    (!stays || held != Some(way.through)).then_some(Step::SetPort(way.through, mac))
}

/// What is of no host any more.
fn stale(wanted: &Wanted, seen: &Seen) -> Vec<Step> {
    let is_way = |gateway: Ipv4Addr| wanted.ways.values().any(|way| way.gateway == gateway);
    let is_mac = |mac: Mac| wanted.ways.values().any(|way| Mac::of_gateway(way.gateway) == mac);
    let routes = seen.routes.iter().filter(|(subnet, _)| !wanted.ways.contains_key(subnet));
    let routes = routes
        .map(|(subnet, (gateway, _))| Step::RemoveRoute { subnet: *subnet, gateway: *gateway });
    let neighbours = seen.neighbours.keys().copied().filter(|gateway| !is_way(*gateway));
    let ports = seen.ports.iter().filter(|(mac, _)| !is_mac(**mac));
    let ends = seen.ends.iter().filter(|((_, mac), _)| !is_mac(*mac));
    let unfit = |tunnel: &&Tunnel| {
        wanted.tunnels.contains_key(tunnel) && kept(**tunnel, wanted, seen).is_none()
    };
    routes
        .chain(neighbours.map(Step::RemoveNeighbour))
        .chain(ports.map(|(mac, tunnel)| Step::RemovePort(*tunnel, *mac)))
        .chain(ends.map(|((tunnel, mac), host)| Step::RemoveEnd(*tunnel, *mac, *host)))
        .chain(seen.tunnels.keys().filter(unfit).map(|tunnel| Step::RemoveTunnel(*tunnel)))
        .collect()
}

fn links(
    wanted: &Wanted,
    bridge: &SeenBridge,
    seen: &Seen,
    ready: &BTreeMap<Tunnel, u32>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    if bridge.mac != wanted.bridge_mac {
        steps.push(Step::SetBridgeMac(wanted.bridge_mac));
    }
    if let (Some(wire), Some(mtu)) = (&seen.wire, wanted.wire) {
        let address = inner(wanted.gateway);
        if wire.mtu != mtu || !wire.up || !wire.addresses.contains(&address) {
            steps.push(Step::SetWire { mtu, address });
        }
        // The wire outlives a change of this host's subnet, and with it the address that follows from that.
        let others = wire.addresses.iter().filter(|held| **held != address);
        steps.extend(others.map(|other| Step::RemoveAddress(*other)));
    }
    for (&tunnel, &mtu) in ready {
        let kept = kept(tunnel, wanted, seen);
        if kept.is_none() {
            let below = below(tunnel, wanted, seen);
            steps.push(Step::MakeTunnel { tunnel, vni: wanted.vni, below });
        }
        if kept.is_none_or(|kept| kept.mtu != mtu) {
            steps.push(Step::SetMtu(tunnel, mtu));
        }
        if kept.is_none_or(|kept| !kept.attached || !kept.up) {
            steps.push(Step::Attach(tunnel));
        }
    }
    if bridge.names_from != Some(wanted.gateway) {
        steps.push(Step::SetNamesRoute { source: wanted.gateway });
    }
    if !bridge.own.contains(&wanted.subnet) {
        let (subnet, source) = (wanted.subnet, wanted.gateway);
        steps.push(Step::SetOwnRoute { subnet, source });
    }
    steps
}

/// A tunnel that is there, if what of it can't be changed is right.
fn kept<'s>(tunnel: Tunnel, wanted: &Wanted, seen: &'s Seen) -> Option<&'s SeenTunnel> {
    let right = (wanted.vni, drover_core::VXLAN_PORT, below(tunnel, wanted, seen));
    seen.tunnels.get(&tunnel).filter(|held| (held.vni, held.port, held.below) == right)
}

/// What a tunnel leads through.
fn below(tunnel: Tunnel, wanted: &Wanted, seen: &Seen) -> Option<(u32, Ipv6Addr)> {
    match tunnel {
        Tunnel::Clear => None,
        Tunnel::Sealed => seen.wire.as_ref().map(|wire| (wire.index, inner(wanted.gateway))),
    }
}

#[cfg(test)]
mod tests;
