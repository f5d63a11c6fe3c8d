//! What the kernel shall hold so that this host's containers and the other hosts' reach each other, and the steps
//! from what it holds. Pure; [`super::kernel`] looks and carries out.
//!
//! The way a packet goes: a container sends it to its gateway, the bridge; the route to the other host's subnet
//! leads back into the same bridge, to the other host's gateway; its address is computed, not asked for; the bridge
//! hands the frame to the tunnel, and the tunnel to that host. See `docs/decisions/004-overlay.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use drover_core::HostNetwork;

use super::subnet::{BadSubnet, Subnet};

/// Bytes that VXLAN over IPv4 takes from every packet: outer IP 20, UDP 8, VXLAN 8, inner Ethernet 14.
const OVERHEAD: u32 = 50;
/// The smallest packet every host must take, by IPv4.
const SMALLEST_MTU: u32 = 576;

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
    /// Its address; packets of the host's own have it as their source.
    pub gateway: Ipv4Addr,
    /// Network identifier of the tunnel.
    pub vni: u32,
    /// Largest packet that fits the tunnel, bytes.
    pub mtu: u32,
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
    /// Its own address, where the tunnel ends.
    pub host: IpAddr,
}

/// What the kernel holds on our devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The bridge, once Docker made it.
    pub bridge: Option<SeenBridge>,
    /// The tunnel.
    pub tunnel: Option<SeenTunnel>,
    /// Routes through a gateway on the bridge: gateway and source.
    pub routes: BTreeMap<Subnet, (Ipv4Addr, Option<Ipv4Addr>)>,
    /// Permanent neighbours on the bridge.
    pub neighbours: BTreeMap<Ipv4Addr, Mac>,
    /// Static entries of the bridge that lead to the tunnel.
    pub ports: Vec<Mac>,
    /// Entries of the tunnel.
    pub ends: BTreeMap<Mac, IpAddr>,
}

/// The bridge as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBridge {
    /// Its link layer address.
    pub mac: Mac,
    /// Source of what the host itself sends to where names and metadata are asked for, if packets for there go to
    /// the bridge.
    pub names_from: Option<Ipv4Addr>,
}

/// The tunnel as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTunnel {
    /// Its network identifier; 0 if the device is no tunnel.
    pub vni: u32,
    /// Its UDP port.
    pub port: u16,
    /// Its MTU.
    pub mtu: u32,
    /// It is a port of the bridge.
    pub attached: bool,
    /// It is up.
    pub up: bool,
}

/// One change to what the kernel holds. Setting replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the tunnel, and what it holds.
    RemoveTunnel,
    /// Make the tunnel.
    MakeTunnel {
        /// Network identifier.
        vni: u32,
    },
    /// Set the tunnel's MTU.
    SetMtu(u32),
    /// Make the tunnel a port of the bridge that learns and floods nothing, and switch it on.
    Attach,
    /// Set the bridge's link layer address.
    SetBridgeMac(Mac),
    /// Packets for where names and metadata are asked go to the bridge: the container that answers has the address. It is
    /// not the host's own, or no container could publish the ports that are answered there.
    SetNamesRoute {
        /// Source of what the host itself sends.
        source: Ipv4Addr,
    },
    /// The tunnel leads frames for this address to that host.
    SetEnd(Mac, IpAddr),
    /// It no longer does.
    RemoveEnd(Mac, IpAddr),
    /// The bridge leads frames for this address into the tunnel.
    SetPort(Mac),
    /// It no longer does.
    RemovePort(Mac),
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

/// What there shall be for a network whose packets between hosts may have `underlay_mtu` bytes.
///
/// A peer without a sensible address or subnet is left out: the others are to be reached all the same.
pub fn wanted(network: &HostNetwork, underlay_mtu: u32) -> Result<Wanted, BadSubnet> {
    let own: Subnet = network.subnet.parse()?;
    let peers = network.peers.iter().filter_map(|peer| {
        let subnet: Subnet = peer.subnet.parse().ok().filter(|subnet| *subnet != own)?;
        Some((subnet, Way { gateway: subnet.gateway(), host: peer.address.parse().ok()? }))
    });
    Ok(Wanted {
        bridge_mac: Mac::of_gateway(own.gateway()),
        gateway: own.gateway(),
        vni: network.vni,
        mtu: underlay_mtu.saturating_sub(OVERHEAD).max(SMALLEST_MTU),
        ways: peers.collect(),
    })
}

/// The steps from what is seen to what is wanted: what is stale goes first, and a route is there only when all that it
/// leads through is.
pub fn steps(wanted: &Wanted, seen: &Seen) -> Vec<Step> {
    // Without Docker's bridge there is nothing to attach to: it is made first, by Docker.
    let Some(bridge) = &seen.bridge else { return Vec::new() };
    let mut steps = stale(wanted, seen);
    let kept = seen.tunnel.as_ref().filter(|tunnel| fits(tunnel, wanted));
    steps.extend(links(wanted, bridge, seen.tunnel.as_ref()));
    for (subnet, way) in &wanted.ways {
        let mac = Mac::of_gateway(way.gateway);
        if kept.is_none() || seen.ends.get(&mac) != Some(&way.host) {
            steps.push(Step::SetEnd(mac, way.host));
        }
        if kept.is_none_or(|tunnel| !tunnel.attached) || !seen.ports.contains(&mac) {
            steps.push(Step::SetPort(mac));
        }
        if seen.neighbours.get(&way.gateway) != Some(&mac) {
            steps.push(Step::SetNeighbour(way.gateway, mac));
        }
        if seen.routes.get(subnet) != Some(&(way.gateway, Some(wanted.gateway))) {
            let (subnet, gateway, source) = (*subnet, way.gateway, wanted.gateway);
            steps.push(Step::SetRoute { subnet, gateway, source });
        }
    }
    steps
}

/// What is of no host any more.
fn stale(wanted: &Wanted, seen: &Seen) -> Vec<Step> {
    let is_way = |gateway: Ipv4Addr| wanted.ways.values().any(|way| way.gateway == gateway);
    let is_mac = |mac: Mac| wanted.ways.values().any(|way| Mac::of_gateway(way.gateway) == mac);
    let routes = seen.routes.iter().filter(|(subnet, _)| !wanted.ways.contains_key(subnet));
    let routes = routes
        .map(|(subnet, (gateway, _))| Step::RemoveRoute { subnet: *subnet, gateway: *gateway });
    let neighbours = seen.neighbours.keys().copied().filter(|gateway| !is_way(*gateway));
    let ports = seen.ports.iter().copied().filter(|mac| !is_mac(*mac));
    let ends = seen.ends.iter().filter(|(mac, _)| !is_mac(**mac));
    let tunnel = seen.tunnel.as_ref().is_some_and(|tunnel| !fits(tunnel, wanted));
    routes
        .chain(neighbours.map(Step::RemoveNeighbour))
        .chain(ports.map(Step::RemovePort))
        .chain(ends.map(|(mac, host)| Step::RemoveEnd(*mac, *host)))
        .chain(tunnel.then_some(Step::RemoveTunnel))
        .collect()
}

fn links(wanted: &Wanted, bridge: &SeenBridge, tunnel: Option<&SeenTunnel>) -> Vec<Step> {
    let mut steps = Vec::new();
    if bridge.mac != wanted.bridge_mac {
        steps.push(Step::SetBridgeMac(wanted.bridge_mac));
    }
    let kept = tunnel.filter(|tunnel| fits(tunnel, wanted));
    if kept.is_none() {
        steps.push(Step::MakeTunnel { vni: wanted.vni });
    }
    if kept.is_none_or(|tunnel| tunnel.mtu != wanted.mtu) {
        steps.push(Step::SetMtu(wanted.mtu));
    }
    if kept.is_none_or(|tunnel| !tunnel.attached || !tunnel.up) {
        steps.push(Step::Attach);
    }
    if bridge.names_from != Some(wanted.gateway) {
        steps.push(Step::SetNamesRoute { source: wanted.gateway });
    }
    steps
}

/// What of a tunnel can't be changed is right.
fn fits(tunnel: &SeenTunnel, wanted: &Wanted) -> bool {
    (tunnel.vni, tunnel.port) == (wanted.vni, drover_core::VXLAN_PORT)
}

#[cfg(test)]
mod tests {
    use drover_core::Peer;

    use super::*;

    fn network(peers: &[(u8, &str)]) -> HostNetwork {
        let peer = |(n, address): &(u8, &str)| Peer {
            host: u64::from(*n),
            address: (*address).to_owned(),
            subnet: format!("10.42.{n}.0/24"),
            ..Peer::default()
        };
        HostNetwork {
            range: "10.42.0.0/16".into(),
            subnet: "10.42.1.0/24".into(),
            vni: 7,
            peers: peers.iter().map(peer).collect(),
            ..HostNetwork::default()
        }
    }

    /// Carry the steps out on a kernel that is a few maps.
    fn carry_out(seen: &mut Seen, steps: &[Step]) {
        for step in steps {
            match step.clone() {
                Step::RemoveTunnel => {
                    seen.tunnel = None;
                    seen.ends.clear();
                    seen.ports.clear();
                }
                Step::MakeTunnel { vni } => {
                    let port = drover_core::VXLAN_PORT;
                    let tunnel = SeenTunnel { vni, port, mtu: 1500, attached: false, up: false };
                    assert!(seen.tunnel.replace(tunnel).is_none());
                }
                Step::SetMtu(mtu) => seen.tunnel.as_mut().unwrap().mtu = mtu,
                Step::Attach => {
                    let tunnel = seen.tunnel.as_mut().unwrap();
                    (tunnel.attached, tunnel.up) = (true, true);
                }
                Step::SetBridgeMac(mac) => seen.bridge.as_mut().unwrap().mac = mac,
                Step::SetNamesRoute { source } => {
                    seen.bridge.as_mut().unwrap().names_from = Some(source);
                }
                Step::SetEnd(mac, host) => drop(seen.ends.insert(mac, host)),
                Step::RemoveEnd(mac, host) => assert_eq!(seen.ends.remove(&mac), Some(host)),
                Step::SetPort(mac) => {
                    assert!(seen.tunnel.as_ref().unwrap().attached);
                    seen.ports.push(mac);
                }
                Step::RemovePort(mac) => seen.ports.retain(|port| *port != mac),
                Step::SetNeighbour(gateway, mac) => drop(seen.neighbours.insert(gateway, mac)),
                Step::RemoveNeighbour(gateway) => {
                    assert!(seen.neighbours.remove(&gateway).is_some());
                }
                Step::SetRoute { subnet, gateway, source } => {
                    assert!(seen.neighbours.contains_key(&gateway));
                    seen.routes.insert(subnet, (gateway, Some(source)));
                }
                Step::RemoveRoute { subnet, gateway } => {
                    assert_eq!(seen.routes.remove(&subnet).unwrap().0, gateway);
                }
            }
        }
    }

    fn fresh() -> Seen {
        let mac = Mac([2, 0x42, 1, 2, 3, 4]);
        Seen { bridge: Some(SeenBridge { mac, names_from: None }), ..Seen::default() }
    }

    /// The steps in short, after which nothing is left to do.
    fn follow(seen: &mut Seen, network: &HostNetwork, mtu: u32) -> String {
        let wanted = wanted(network, mtu).unwrap();
        let steps = steps(&wanted, seen);
        carry_out(seen, &steps);
        assert_eq!(super::steps(&wanted, seen), []);
        steps.iter().map(short).collect::<Vec<_>>().join(", ")
    }

    fn short(step: &Step) -> String {
        match step {
            Step::RemoveTunnel => "- tunnel".into(),
            Step::MakeTunnel { vni } => format!("tunnel {vni}"),
            Step::SetMtu(mtu) => format!("mtu {mtu}"),
            Step::Attach => "attach".into(),
            Step::SetBridgeMac(mac) => format!("bridge is {mac}"),
            Step::SetNamesRoute { .. } => "discovery".into(),
            Step::SetEnd(mac, host) => format!("{mac} at {host}"),
            Step::RemoveEnd(mac, _) => format!("- {mac}"),
            Step::SetPort(_) => "port".into(),
            Step::RemovePort(_) => "- port".into(),
            Step::SetNeighbour(gateway, mac) => format!("{gateway} is {mac}"),
            Step::RemoveNeighbour(gateway) => format!("- {gateway}"),
            Step::SetRoute { subnet, gateway, .. } => format!("{subnet} via {gateway}"),
            Step::RemoveRoute { subnet, .. } => format!("- {subnet}"),
        }
    }

    #[test]
    fn nothing_is_done_before_docker_made_its_bridge() {
        let wanted = wanted(&network(&[(2, "10.0.0.2")]), 1500).unwrap();
        assert_eq!(steps(&wanted, &Seen::default()), []);
    }

    #[test]
    fn hosts_come_move_and_go() {
        let mut seen = fresh();
        insta::assert_snapshot!(follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500), @"bridge is 02:64:0a:2a:01:01, tunnel 7, mtu 1450, attach, discovery, 02:64:0a:2a:02:01 at 10.0.0.2, port, 10.42.2.1 is 02:64:0a:2a:02:01, 10.42.2.0/24 via 10.42.2.1");
        let two = [(2, "10.0.0.2"), (3, "10.0.0.3")];
        insta::assert_snapshot!(follow(&mut seen, &network(&two), 1500), @"02:64:0a:2a:03:01 at 10.0.0.3, port, 10.42.3.1 is 02:64:0a:2a:03:01, 10.42.3.0/24 via 10.42.3.1");
        let moved = [(2, "10.0.0.9"), (3, "10.0.0.3")];
        insta::assert_snapshot!(follow(&mut seen, &network(&moved), 1500), @"02:64:0a:2a:02:01 at 10.0.0.9");
        insta::assert_snapshot!(follow(&mut seen, &network(&two[1..]), 1500), @"- 10.42.2.0/24, - 10.42.2.1, - port, - 02:64:0a:2a:02:01");
        insta::assert_snapshot!(follow(&mut seen, &network(&two[1..]), 1400), @"mtu 1350");
    }

    #[test]
    fn what_was_changed_by_hand_is_put_right() {
        let check = |spoil: fn(&mut Seen), want: &str| {
            let mut seen = fresh();
            follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500);
            spoil(&mut seen);
            assert_eq!(follow(&mut seen, &network(&[(2, "10.0.0.2")]), 1500), want);
        };
        check(|_| {}, "");
        check(|seen| seen.tunnel.as_mut().unwrap().up = false, "attach");
        check(
            |seen| {
                seen.tunnel.as_mut().unwrap().attached = false;
                seen.ports.clear();
            },
            "attach, port",
        );
        check(|seen| seen.routes.clear(), "10.42.2.0/24 via 10.42.2.1");
        let other = |seen: &mut Seen| seen.tunnel.as_mut().unwrap().vni = 8;
        check(other, "- tunnel, tunnel 7, mtu 1450, attach, 02:64:0a:2a:02:01 at 10.0.0.2, port");
        let source = |seen: &mut Seen| {
            for route in seen.routes.values_mut() {
                route.1 = None;
            }
        };
        check(source, "10.42.2.0/24 via 10.42.2.1");
    }

    #[test]
    fn peers_that_make_no_sense_are_left_out() {
        let mut network = network(&[(2, "not an address"), (1, "10.0.0.1"), (3, "10.0.0.3")]);
        network.peers.push(Peer { address: "10.0.0.4".into(), ..Peer::default() });
        let wanted = wanted(&network, 9000).unwrap();
        assert_eq!(
            wanted.ways.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.42.3.0/24"]
        );
        assert_eq!(wanted.mtu, 8950);
        let bad = HostNetwork { subnet: "10.42.1.0".into(), ..network };
        assert!(super::wanted(&bad, 1500).is_err());
    }
}
