//! The kernel's side of the network, over netlink: looking at our devices and carrying out steps. Nothing is decided
//! here, and nothing but our own devices is touched.

mod act;
mod look;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::RouteAttribute;
use rtnetlink::{Error as NetlinkError, Handle, RouteMessageBuilder};

use super::lanes::Tunnel;
use super::plan::Step;

/// Docker's bridge.
pub(super) const BRIDGE: &str = "drover0";
/// The wire: what goes in is encrypted, what comes out was.
pub(crate) const WIRE: &str = "drover-wg";
/// Where the kernel keeps what can be set about the wire.
const WIRE_SETTINGS: &str = "/proc/sys/net/ipv6/conf/drover-wg";
/// The kernel answers at once, or something is badly wrong.
const ANSWER: Duration = Duration::from_secs(10);
/// MTU where there is no route to tell it.
const ETHERNET_MTU: u32 = 1500;

/// A connection to the kernel.
pub(super) struct Kernel {
    handle: Handle,
}

/// Why the kernel's side is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No socket.
    #[error("can't open a netlink socket: {0}")]
    Open(std::io::Error),
    /// Not root.
    #[error(
        "can't {0}: the agent may not change this host's network; run it as root, or with CAP_NET_ADMIN"
    )]
    Forbidden(String),
    /// It says no.
    #[error("can't {what}: the kernel says {reason}")]
    Refused {
        /// What was attempted.
        what: String,
        /// Its words.
        reason: String,
    },
    /// It was told to do without IPv6.
    #[error(
        "can't encrypt: this host's kernel has no IPv6, which the way between hosts is made of inside; start it without \
         ipv6.disable=1, no address in IPv6 is needed"
    )]
    NoIpv6,
    /// A setting.
    #[error("can't write {path}: {source}; the agent needs to be root")]
    Setting {
        /// Where it is.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl Kernel {
    /// Connect. The connection ends with this.
    pub(super) fn open() -> Result<Self, KernelError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(KernelError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The smallest MTU on the way to these hosts; without any, on the way out.
    pub(super) async fn underlay_mtu(&self, hosts: &[IpAddr]) -> Result<u32, KernelError> {
        let out = [IpAddr::from([1, 1, 1, 1])];
        let mut devices = BTreeSet::new();
        for host in if hosts.is_empty() { &out } else { hosts } {
            if let Some(device) = self.device_to(*host).await {
                devices.insert(device);
            }
        }
        let mut smallest = None;
        for device in devices {
            let links = self.handle.link().get().match_index(device).execute();
            let links: Vec<LinkMessage> = in_time("look at a device", links.try_collect()).await?;
            let mtus = links.iter().flat_map(|link| &link.attributes).filter_map(mtu);
            smallest = mtus.chain(smallest).min();
        }
        Ok(smallest.unwrap_or(ETHERNET_MTU))
    }

    /// Where packets to a host leave; `None` if there is no way to it now.
    async fn device_to(&self, host: IpAddr) -> Option<u32> {
        let whole = if host.is_ipv4() { 32 } else { 128 };
        let asked = RouteMessageBuilder::<IpAddr>::new().destination_prefix(host, whole).ok()?;
        let routes = self.handle.route().get(asked.build()).execute();
        let routes: Vec<_> = in_time("look for a route", routes.try_collect()).await.ok()?;
        let mut attributes = routes.iter().flat_map(|route| &route.attributes);
        attributes.find_map(|attribute| match attribute {
            RouteAttribute::Oif(device) => Some(*device),
            _ => None,
        })
    }

    /// The addresses of a device.
    async fn addresses(&self, device: u32) -> Result<Vec<AddressMessage>, KernelError> {
        let held = self.handle.address().get().set_link_index_filter(device).execute();
        in_time("look at addresses", held.try_collect()).await
    }

    /// A device by its name; `None` if there is none.
    async fn link(&self, name: &str) -> Result<Option<LinkMessage>, KernelError> {
        let links = self.handle.link().get().match_name(name.to_owned()).execute();
        match tokio::time::timeout(ANSWER, links.try_collect::<Vec<_>>()).await {
            Ok(Ok(links)) => Ok(links.into_iter().next()),
            Ok(Err(error)) if is(&error, ErrorKind::NotFound) || is_no_device(&error) => Ok(None),
            Ok(Err(error)) => Err(refused(&format!("look at {name}"), &error)),
            Err(_) => Err(silent(&format!("look at {name}"))),
        }
    }
}

/// The kernel forwards, and sends nobody elsewhere for what it takes in and out by one bridge.
pub(super) fn set_settings() -> Result<(), KernelError> {
    set_each(wrong_settings())
}

/// The wire has IPv6, also where devices have none otherwise, and no address but ours.
pub(super) fn set_wire_settings() -> Result<(), KernelError> {
    if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
        return Err(KernelError::NoIpv6);
    }
    let settings = [("addr_gen_mode", "1"), ("disable_ipv6", "0")];
    set_each(wrong(settings.map(|(name, value)| (format!("{WIRE_SETTINGS}/{name}"), value))))
}

fn set_each(settings: Vec<(String, &str)>) -> Result<(), KernelError> {
    for (path, value) in settings {
        let written = std::fs::write(&path, value);
        written.map_err(|source| KernelError::Setting { path, source })?;
    }
    Ok(())
}

/// Settings that are not as they shall be: where, and what there shall be.
pub(super) fn wrong_settings() -> Vec<(String, &'static str)> {
    let settings = [
        ("/proc/sys/net/ipv4/ip_forward".to_owned(), "1"),
        ("/proc/sys/net/ipv4/conf/all/send_redirects".to_owned(), "0"),
        (format!("/proc/sys/net/ipv4/conf/{BRIDGE}/send_redirects"), "0"),
    ];
    wrong(settings)
}

fn wrong<const N: usize>(settings: [(String, &'static str); N]) -> Vec<(String, &'static str)> {
    let differs = |(path, value): &(String, &str)| {
        std::fs::read_to_string(path).map_or(true, |held| held.trim() != *value)
    };
    settings.into_iter().filter(differs).collect()
}

fn mtu(attribute: &LinkAttribute) -> Option<u32> {
    match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

/// The address, if it is one of IPv6.
fn address_of(held: &AddressMessage) -> Option<Ipv6Addr> {
    held.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(IpAddr::V6(address)) => Some(*address),
        _ => None,
    })
}

async fn in_time<T>(
    what: &str,
    call: impl Future<Output = Result<T, NetlinkError>>,
) -> Result<T, KernelError> {
    match tokio::time::timeout(ANSWER, call).await {
        Ok(done) => done.map_err(|error| refused(what, &error)),
        Err(_) => Err(silent(what)),
    }
}

fn silent(what: &str) -> KernelError {
    let reason = format!("nothing for {} s", ANSWER.as_secs());
    KernelError::Refused { what: what.to_owned(), reason }
}

fn refused(what: &str, error: &NetlinkError) -> KernelError {
    if is(error, ErrorKind::PermissionDenied) {
        return KernelError::Forbidden(what.to_owned());
    }
    let reason = match error {
        NetlinkError::NetlinkError(told) => told.to_io().to_string(),
        other => other.to_string(),
    };
    KernelError::Refused { what: what.to_owned(), reason }
}

fn is(error: &NetlinkError, kind: ErrorKind) -> bool {
    matches!(error, NetlinkError::NetlinkError(told) if told.to_io().kind() == kind)
}

fn is_no_device(error: &NetlinkError) -> bool {
    let none = rustix::io::Errno::NODEV.raw_os_error();
    matches!(error, NetlinkError::NetlinkError(told) if told.to_io().raw_os_error() == Some(none))
}

/// The kernel's name of a tunnel.
fn name(tunnel: Tunnel) -> &'static str {
    match tunnel {
        Tunnel::Clear => "drover-vx",
        Tunnel::Sealed => "drover-vs",
    }
}

/// A step in words, after "can't" or "has to".
pub(super) fn words(step: &Step) -> String {
    match step {
        Step::RemoveWire => format!("remove the device {WIRE}"),
        Step::SetWire { address, .. } => format!("give {WIRE} the address {address}"),
        Step::RemoveAddress(address) => format!("take the address {address} from {WIRE}"),
        Step::RemoveTunnel(tunnel) => format!("remove the device {}", name(*tunnel)),
        Step::MakeTunnel { tunnel, vni, .. } => {
            format!("make the VXLAN device {} with identifier {vni}", name(*tunnel))
        }
        Step::SetMtu(tunnel, mtu) => format!("set the MTU of {} to {mtu}", name(*tunnel)),
        Step::Attach(tunnel) => format!("attach {} to {BRIDGE}", name(*tunnel)),
        Step::SetBridgeMac(mac) => format!("give {BRIDGE} the address {mac}"),
        Step::SetNamesRoute { .. } => format!("lead {} to {BRIDGE}", super::DISCOVERY),
        Step::SetOwnRoute { subnet, .. } => format!("route {subnet} to {BRIDGE}"),
        Step::SetEnd(_, mac, host) => format!("lead {mac} to {host}"),
        Step::RemoveEnd(_, mac, host) => format!("stop leading {mac} to {host}"),
        Step::SetPort(tunnel, mac) => format!("lead {mac} into {}", name(*tunnel)),
        Step::RemovePort(tunnel, mac) => {
            format!("stop leading {mac} into {}", name(*tunnel))
        }
        Step::SetNeighbour(gateway, mac) => format!("make {mac} the neighbour {gateway}"),
        Step::RemoveNeighbour(gateway) => format!("forget the neighbour {gateway}"),
        Step::SetRoute { subnet, gateway, .. } => format!("route {subnet} through {gateway}"),
        Step::RemoveRoute { subnet, .. } => format!("remove the route to {subnet}"),
    }
}
