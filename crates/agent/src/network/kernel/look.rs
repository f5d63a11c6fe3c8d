//! What the kernel holds on our devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{
    InfoData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};

use super::{BRIDGE, Kernel, KernelError, WIRE, address_of, in_time, mtu, name};
use crate::network::lanes::Tunnel;
use crate::network::plan::{Mac, Seen, SeenBridge, SeenTunnel, SeenWire};
use crate::network::subnet::Subnet;
use crate::network::{DISCOVERY, Neighbour};

impl Kernel {
    /// Look at our devices.
    pub(in crate::network) async fn look(&self) -> Result<Seen, KernelError> {
        let Some(bridge) = self.link(BRIDGE).await? else { return Ok(Seen::default()) };
        let index = bridge.header.index;
        let mut seen = Seen {
            bridge: Some(SeenBridge {
                mac: mac_of(&bridge),
                names_from: None,
                own: BTreeSet::new(),
            }),
            wire: self.wire().await?,
            ..Seen::default()
        };
        let mut tunnels = BTreeMap::new();
        for tunnel in [Tunnel::Clear, Tunnel::Sealed] {
            if let Some(link) = self.link(name(tunnel)).await? {
                seen.tunnels.insert(tunnel, read_tunnel(&link, index));
                tunnels.insert(link.header.index, tunnel);
            }
        }
        self.look_at_routes(index, &mut seen).await?;
        for neighbour in self.neighbours(AddressFamily::Inet).await? {
            if neighbour.header.ifindex == index
                && neighbour.header.state == NeighbourState::Permanent
                && let (Some(IpAddr::V4(address)), Some(mac)) = destination(&neighbour)
            {
                seen.neighbours.insert(address, mac);
            }
        }
        for entry in self.neighbours(AddressFamily::Bridge).await? {
            if let Some(tunnel) = tunnels.get(&entry.header.ifindex) {
                read_entry(*tunnel, &entry, &mut seen);
            }
        }
        Ok(seen)
    }

    /// Whom the kernel knows on the bridge, and believes to be there.
    pub(in crate::network) async fn neighbours_on_bridge(
        &self,
    ) -> Result<Vec<Neighbour>, KernelError> {
        let Some(bridge) = self.link(BRIDGE).await? else { return Ok(Vec::new()) };
        let held = self.neighbours(AddressFamily::Inet).await?;
        let held = held.iter().filter(|n| n.header.ifindex == bridge.header.index);
        let known = held.filter_map(|neighbour| {
            let (Some(IpAddr::V4(address)), Some(mac)) = destination(neighbour) else {
                return None;
            };
            let gone = matches!(
                neighbour.header.state,
                NeighbourState::Failed | NeighbourState::Incomplete | NeighbourState::None
            );
            let permanent = neighbour.header.state == NeighbourState::Permanent;
            (!gone).then_some(Neighbour { address, mac, permanent })
        });
        Ok(known.collect())
    }

    async fn wire(&self) -> Result<Option<SeenWire>, KernelError> {
        let Some(link) = self.link(WIRE).await? else { return Ok(None) };
        let index = link.header.index;
        let held = self.addresses(index).await?;
        Ok(Some(SeenWire {
            index,
            mtu: link.attributes.iter().find_map(mtu).unwrap_or_default(),
            up: link.header.flags.contains(LinkFlags::Up),
            addresses: held.iter().filter_map(address_of).collect(),
        }))
    }

    async fn look_at_routes(&self, bridge: u32, seen: &mut Seen) -> Result<(), KernelError> {
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let routes = self.handle.route().get(all).execute();
        let routes: Vec<RouteMessage> = in_time("look at routes", routes.try_collect()).await?;
        for route in routes {
            let (mut to, mut gateway, mut source, mut device) = (None, None, None, None);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Destination(RouteAddress::Inet(address)) => to = Some(*address),
                    RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                        gateway = Some(*address);
                    }
                    RouteAttribute::PrefSource(RouteAddress::Inet(address)) => {
                        source = Some(*address);
                    }
                    RouteAttribute::Oif(index) => device = Some(*index),
                    _ => {}
                }
            }
            let length = route.header.destination_prefix_length;
            if (device, to, length) == (Some(bridge), Some(DISCOVERY), 32) {
                if let Some(bridge) = &mut seen.bridge {
                    bridge.names_from = source;
                }
                continue;
            }
            let subnet = to.and_then(|to| Subnet::of(to, length));
            let (Some(subnet), true) = (subnet, device == Some(bridge)) else { continue };
            match (gateway, &mut seen.bridge) {
                (Some(gateway), _) => drop(seen.routes.insert(subnet, (gateway, source))),
                (None, Some(bridge)) => drop(bridge.own.insert(subnet)),
                (None, None) => {}
            }
        }
        Ok(())
    }

    async fn neighbours(
        &self,
        family: AddressFamily,
    ) -> Result<Vec<NeighbourMessage>, KernelError> {
        let held = self.handle.neighbours().get().set_address_family(family).execute();
        in_time("look at neighbours", held.try_collect()).await
    }
}

fn read_tunnel(link: &LinkMessage, bridge: u32) -> SeenTunnel {
    let up = link.header.flags.contains(LinkFlags::Up);
    let mut seen = SeenTunnel { vni: 0, port: 0, below: None, mtu: 0, attached: false, up };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Controller(index) => seen.attached = *index == bridge,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Data(InfoData::Vxlan(data)) = info {
                        read_vxlan(data, &mut seen);
                    }
                }
            }
            other => seen.mtu = mtu(other).unwrap_or(seen.mtu),
        }
    }
    seen
}

fn read_vxlan(data: &[InfoVxlan], seen: &mut SeenTunnel) {
    let (mut device, mut local) = (None, None);
    for datum in data {
        match datum {
            InfoVxlan::Id(vni) => seen.vni = *vni,
            InfoVxlan::Port(port) => seen.port = *port,
            InfoVxlan::Link(index) => device = Some(*index).filter(|index| *index != 0),
            InfoVxlan::Local6(address) => local = Some(*address),
            _ => {}
        }
    }
    seen.below = device.map(|device| (device, local.unwrap_or(Ipv6Addr::UNSPECIFIED)));
}

/// An entry for a frame's address: the tunnel's own says which host, the bridge's that the tunnel is the way.
fn read_entry(tunnel: Tunnel, entry: &NeighbourMessage, seen: &mut Seen) {
    match destination(entry) {
        (Some(host), Some(mac)) if entry.header.flags.contains(NeighbourFlags::Own) => {
            seen.ends.insert((tunnel, mac), host);
        }
        (None, Some(mac)) if entry.header.state == NeighbourState::Noarp => {
            seen.ports.insert(mac, tunnel);
        }
        _ => {}
    }
}

fn destination(entry: &NeighbourMessage) -> (Option<IpAddr>, Option<Mac>) {
    let (mut address, mut mac) = (None, None);
    for attribute in &entry.attributes {
        match attribute {
            NeighbourAttribute::Destination(told) => address = neighbours_address(told),
            NeighbourAttribute::LinkLayerAddress(told) => {
                mac = <[u8; 6]>::try_from(told.as_slice()).ok().map(Mac);
            }
            _ => {}
        }
    }
    (address, mac)
}

/// Entries of a bridge's family carry the address as bytes.
fn neighbours_address(told: &NeighbourAddress) -> Option<IpAddr> {
    match told {
        NeighbourAddress::Inet(address) => Some(IpAddr::V4(*address)),
        NeighbourAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        NeighbourAddress::Other(bytes) => {
            let four = <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Ipv4Addr::from);
            let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).ok().map(Ipv6Addr::from);
            four.map(IpAddr::V4).or(sixteen.map(IpAddr::V6))
        }
        _ => None,
    }
}

fn mac_of(link: &LinkMessage) -> Mac {
    let mut told = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
        _ => None,
    });
    Mac(told.next().unwrap_or_default())
}
