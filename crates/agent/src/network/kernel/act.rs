//! Carrying out one step.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{
    Error as NetlinkError, LinkBridgePort, LinkUnspec, LinkVxlan, RouteMessageBuilder,
};

use super::{BRIDGE, Kernel, KernelError, TUNNEL, in_time, words};
use crate::network::DISCOVERY;
use crate::network::plan::{Mac, Step};
use crate::network::subnet::Subnet;

impl Kernel {
    /// Carry out one step.
    pub(in crate::network) async fn carry_out(&self, step: &Step) -> Result<(), KernelError> {
        let what = words(step);
        let bridge = self.index(BRIDGE, &what).await?;
        if let Step::MakeTunnel { vni } = step {
            return in_time(&what, self.make_tunnel(*vni)).await;
        }
        match step {
            Step::SetBridgeMac(_)
            | Step::SetNamesRoute { .. }
            | Step::SetNeighbour(..)
            | Step::RemoveNeighbour(_)
            | Step::SetRoute { .. }
            | Step::RemoveRoute { .. } => in_time(&what, self.on_bridge(bridge, step)).await,
            _ => {
                let tunnel = self.index(TUNNEL, &what).await?;
                in_time(&what, self.on_tunnel(bridge, tunnel, step)).await
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
                let route = RouteMessageBuilder::<Ipv4Addr>::new()
                    .destination_prefix(DISCOVERY, 32)
                    .output_interface(bridge)
                    .scope(RouteScope::Link)
                    .pref_source(*source)
                    .build();
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

    async fn on_tunnel(&self, bridge: u32, tunnel: u32, step: &Step) -> Result<(), NetlinkError> {
        let (links, neighbours) = (self.handle.link(), self.handle.neighbours());
        match step {
            Step::RemoveTunnel => links.del(tunnel).execute().await,
            Step::SetMtu(mtu) => {
                links.set(LinkUnspec::new_with_index(tunnel).mtu(*mtu).build()).execute().await
            }
            Step::Attach => self.attach(bridge, tunnel).await,
            Step::SetEnd(mac, host) => {
                let entry = neighbours.add_bridge(tunnel, &mac.0).destination(*host);
                entry.flags(NeighbourFlags::Own).replace().execute().await
            }
            Step::SetPort(mac) => {
                let entry = neighbours.add_bridge(tunnel, &mac.0).state(NeighbourState::Noarp);
                entry.flags(NeighbourFlags::Controller).replace().execute().await
            }
            Step::RemoveEnd(mac, host) => {
                let mut entry = entry(tunnel, *mac, NeighbourFlags::Own);
                let address = NeighbourAddress::from(*host);
                entry.attributes.push(NeighbourAttribute::Destination(address));
                neighbours.del(entry).execute().await
            }
            Step::RemovePort(mac) => {
                let entry = entry(tunnel, *mac, NeighbourFlags::Controller);
                neighbours.del(entry).execute().await
            }
            _ => Ok(()),
        }
    }

    /// The tunnel learns nothing: a host that is not of the project can't make itself one.
    async fn make_tunnel(&self, vni: u32) -> Result<(), NetlinkError> {
        let tunnel = LinkVxlan::new(TUNNEL, vni).port(drover_core::VXLAN_PORT).learning(false);
        self.handle.link().add(tunnel.build()).execute().await
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
