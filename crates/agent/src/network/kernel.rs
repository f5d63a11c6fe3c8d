//! The kernel's side of the network, over netlink: looking at our devices and carrying out steps. Nothing is decided
//! here, and nothing but our own devices is touched.

mod act;
mod look;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::RouteAttribute;
use rtnetlink::{Error as NetlinkError, Handle, RouteMessageBuilder};

use super::plan::Step;

/// Docker's bridge.
pub(super) const BRIDGE: &str = "drover0";
/// The tunnel.
pub(super) const TUNNEL: &str = "drover-vx";
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
    for (path, value) in wrong_settings() {
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
    let wrong = |(path, value): &(String, &str)| {
        std::fs::read_to_string(path).map_or(true, |held| held.trim() != *value)
    };
    settings.into_iter().filter(wrong).collect()
}

fn mtu(attribute: &LinkAttribute) -> Option<u32> {
    match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
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

/// A step in words, after "can't" or "has to".
pub(super) fn words(step: &Step) -> String {
    match step {
        Step::RemoveTunnel => format!("remove the device {TUNNEL}"),
        Step::MakeTunnel { vni } => format!("make the VXLAN device {TUNNEL} with identifier {vni}"),
        Step::SetMtu(mtu) => format!("set the MTU of {TUNNEL} to {mtu}"),
        Step::Attach => format!("attach {TUNNEL} to {BRIDGE}"),
        Step::SetBridgeMac(mac) => format!("give {BRIDGE} the address {mac}"),
        Step::SetNamesRoute { .. } => format!("lead {} to {BRIDGE}", super::DISCOVERY),
        Step::SetEnd(mac, host) => format!("lead {mac} to {host}"),
        Step::RemoveEnd(mac, host) => format!("stop leading {mac} to {host}"),
        Step::SetPort(mac) => format!("lead {mac} into {TUNNEL}"),
        Step::RemovePort(mac) => format!("stop leading {mac} into {TUNNEL}"),
        Step::SetNeighbour(gateway, mac) => format!("make {mac} the neighbour {gateway}"),
        Step::RemoveNeighbour(gateway) => format!("forget the neighbour {gateway}"),
        Step::SetRoute { subnet, gateway, .. } => format!("route {subnet} through {gateway}"),
        Step::RemoveRoute { subnet, .. } => format!("remove the route to {subnet}"),
    }
}
