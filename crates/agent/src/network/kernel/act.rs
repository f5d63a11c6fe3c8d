//! Carrying out one step.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{
    Error as NetlinkError, LinkBridgePort, LinkUnspec, LinkVxlan, RouteMessageBuilder,
};

use super::{BRIDGE, Kernel, KernelError, WIRE, address_of, in_time, name, words};
use crate::network::DISCOVERY;
use crate::network::lanes::Tunnel;
use crate::network::plan::{Mac, Step};
use crate::network::subnet::Subnet;

impl Kernel {
    /// Carry out one step.
    pub(in crate::network) async fn carry_out(&self, step: &Step) -> Result<(), KernelError> {
        let what = words(step);
        let bridge = self.index(BRIDGE, &what).await?;
        match step {
            Step::SetBridgeMac(_)
            | Step::SetNamesRoute { .. }
            | Step::SetOwnRoute { .. }
            | Step::SetNeighbour(..)
            | Step::RemoveNeighbour(_)
            | Step::SetRoute { .. }
            | Step::RemoveRoute { .. } => in_time(&what, self.on_bridge(bridge, step)).await,
            Step::SetWire { mtu, address } => {
                let wire = self.index(WIRE, &what).await?;
                in_time(&what, self.set_wire(wire, *mtu, *address)).await
            }
            Step::RemoveAddress(address) => {
                let wire = self.index(WIRE, &what).await?;
                let held = self.addresses(wire).await?;
                let held = held.into_iter().find(|held| address_of(held) == Some(*address));
                // Someone else may have removed it.
                let Some(held) = held else { return Ok(()) };
                in_time(&what, self.handle.address().del(held).execute()).await
            }
            Step::RemoveWire => {
                let wire = self.index(WIRE, &what).await?;
                in_time(&what, self.handle.link().del(wire).execute()).await
            }
            Step::MakeTunnel { tunnel, vni, below } => {
                in_time(&what, self.make_tunnel(*tunnel, *vni, *below)).await
            }
            Step::RemoveTunnel(tunnel)
            | Step::SetMtu(tunnel, _)
            | Step::Attach(tunnel)
            | Step::SetEnd(tunnel, ..)
            | Step::RemoveEnd(tunnel, ..)
            | Step::SetPort(tunnel, _)
            | Step::RemovePort(tunnel, _) => {
                let index = self.index(name(*tunnel), &what).await?;
                let below = match tunnel {
                    Tunnel::Clear => None,
                    Tunnel::Sealed => Some(self.index(WIRE, &what).await?),
                };
                in_time(&what, self.on_tunnel(bridge, index, below, step)).await
            }
        }
    }

    async fn on_bridge(&self, bridge: u32, step: &Step) -> Result<(), NetlinkError> {
        let (links, neighbours) = (self.handle.link(), self.handle.neighbours());
        match step {
            Step::SetBridgeMac(mac) => {
                let link = LinkUnspec::new_with_index(bridge).address(mac.0.to_vec()).build();
                links.set(link).execute().await
            }
            Step::SetNamesRoute { source } => {
                let route = link_route(bridge, (DISCOVERY, 32), *source);
                self.handle.route().add(route).replace().execute().await
            }
            Step::SetOwnRoute { subnet, source } => {
                let route = link_route(bridge, (subnet.base(), subnet.length()), *source);
                self.handle.route().add(route).replace().execute().await
            }
            Step::SetNeighbour(gateway, mac) => {
                let added = neighbours.add(bridge, IpAddr::V4(*gateway));
                added.link_layer_address(&mac.0).replace().execute().await
            }
            Step::RemoveNeighbour(gateway) => {
                let mut message = NeighbourMessage::default();
                message.header.family = AddressFamily::Inet;
                message.header.ifindex = bridge;
                let address = NeighbourAddress::Inet(*gateway);
                message.attributes.push(NeighbourAttribute::Destination(address));
                neighbours.del(message).execute().await
            }
            Step::SetRoute { subnet, gateway, source } => {
                let route = route(bridge, *subnet, *gateway, Some(*source));
                self.handle.route().add(route).replace().execute().await
            }
            Step::RemoveRoute { subnet, gateway } => {
                let route = route(bridge, *subnet, *gateway, None);
                self.handle.route().del(route).execute().await
            }
            _ => Ok(()),
        }
    }

    /// Ends of a sealed tunnel are on the wire (`below`) and nowhere else.
    async fn on_tunnel(
        &self,
        bridge: u32,
        tunnel: u32,
        below: Option<u32>,
        step: &Step,
    ) -> Result<(), NetlinkError> {
        let (links, neighbours) = (self.handle.link(), self.handle.neighbours());
        match step {
            Step::RemoveTunnel(_) => links.del(tunnel).execute().await,
            Step::SetMtu(_, mtu) => {
                links.set(LinkUnspec::new_with_index(tunnel).mtu(*mtu).build()).execute().await
            }
            Step::Attach(_) => self.attach(bridge, tunnel).await,
            Step::SetEnd(_, mac, host) => {
                let entry = neighbours.add_bridge(tunnel, &mac.0).destination(*host);
                let mut entry = entry.flags(NeighbourFlags::Own).replace();
                let on = below.map(NeighbourAttribute::IfIndex);
                entry.message_mut().attributes.extend(on);
                entry.execute().await
            }
            Step::SetPort(_, mac) => {
                let entry = neighbours.add_bridge(tunnel, &mac.0).state(NeighbourState::Noarp);
                entry.flags(NeighbourFlags::Controller).replace().execute().await
            }
            Step::RemoveEnd(_, mac, host) => {
                let mut entry = entry(tunnel, *mac, NeighbourFlags::Own);
                let address = NeighbourAddress::from(*host);
                entry.attributes.push(NeighbourAttribute::Destination(address));
                entry.attributes.extend(below.map(NeighbourAttribute::IfIndex));
                neighbours.del(entry).execute().await
            }
            Step::RemovePort(_, mac) => {
                let entry = entry(tunnel, *mac, NeighbourFlags::Controller);
                neighbours.del(entry).execute().await
            }
            _ => Ok(()),
        }
    }

    /// The tunnel learns nothing: a host that is not of the project can't make itself one. Whatever comes by the wire
    /// is whole, or it would not come: a sealed tunnel needs no checksums.
    async fn make_tunnel(
        &self,
        tunnel: Tunnel,
        vni: u32,
        below: Option<(u32, Ipv6Addr)>,
    ) -> Result<(), NetlinkError> {
        let device =
            LinkVxlan::new(name(tunnel), vni).port(drover_core::VXLAN_PORT).learning(false);
        let device = match below {
            None => device,
            Some((wire, address)) => {
                let on_wire = device.dev(wire).local6(address);
                on_wire.udp_zero_csum6_tx(true).udp_zero_csum6_rx(true)
            }
        };
        self.handle.link().add(device.build()).execute().await
    }

    async fn set_wire(&self, wire: u32, mtu: u32, own: Ipv6Addr) -> Result<(), NetlinkError> {
        let up = LinkUnspec::new_with_index(wire).mtu(mtu).up().build();
        self.handle.link().set(up).execute().await?;
        // The others of the same link are there, without anybody being asked.
        let mut address = self.handle.address().add(wire, IpAddr::V6(own), 64).replace();
        address.message_mut().header.flags = AddressHeaderFlags::Nodad;
        address.execute().await
    }

    async fn attach(&self, bridge: u32, tunnel: u32) -> Result<(), NetlinkError> {
        let links = self.handle.link();
        let port = LinkUnspec::new_with_index(tunnel).controller(bridge).up().build();
        links.set(port).execute().await?;
        // What is meant for nobody known stays here.
        let port = LinkBridgePort::new(tunnel).learning(false).flood(false);
        let port = port.mcast_flood(false).bcast_flood(false).build();
        links.set_port(port).execute().await
    }

    async fn index(&self, name: &str, what: &str) -> Result<u32, KernelError> {
        let link = self.link(name).await?;
        link.map(|link| link.header.index).ok_or_else(|| KernelError::Refused {
            what: what.to_owned(),
            reason: format!("there is no device {name}"),
        })
    }
}

fn entry(tunnel: u32, mac: Mac, flags: NeighbourFlags) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = tunnel;
    message.header.flags = flags;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    message
}

/// What is there is on the bridge itself.
fn link_route(bridge: u32, (to, length): (Ipv4Addr, u8), source: Ipv4Addr) -> RouteMessage {
    let route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, length);
    route.output_interface(bridge).scope(RouteScope::Link).pref_source(source).build()
}

/// The gateway is no address of this host's subnet: it is taken for reachable all the same.
fn route(bridge: u32, subnet: Subnet, gateway: Ipv4Addr, source: Option<Ipv4Addr>) -> RouteMessage {
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(subnet.base(), subnet.length())
        .gateway(gateway)
        .output_interface(bridge)
        .onlink();
    match source {
        Some(source) => route.pref_source(source).build(),
        None => route.build(),
    }
}
