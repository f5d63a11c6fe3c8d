//! The project's own network on one host: which addresses its containers get, and where the others' are.
//!
//! Every host has a subnet of the project's range, given by the planner and kept for as long as it is a host.
//! What an agent does with it (bridge, tunnel, routes) is its own business.

use serde::{Deserialize, Serialize};

use crate::{Host, HostId, ProjectId, World};

/// Setting: the range that hosts' subnets are cut from.
pub const RANGE_SETTING: &str = "drover.network.range";
/// Setting: `wireguard` encrypts what goes from host to host.
pub const ENCRYPTION_SETTING: &str = "drover.network.encryption";
/// Setting: a number; hosts whose key was made for another one make a new key.
pub const KEYS_SETTING: &str = "drover.network.encryption.keys";
/// The range where the setting says nothing.
pub const DEFAULT_RANGE: &str = "10.42.0.0/16";
/// Where names and metadata are asked for, on every host.
pub const DISCOVERY_ADDRESS: &str = "169.254.169.250";
/// UDP port of the tunnels, as IANA has it.
pub const VXLAN_PORT: u16 = 4789;
/// UDP port of encrypted tunnels.
pub const WIREGUARD_PORT: u16 = 51820;

/// The network of one host's project, as its agent sets it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNetwork {
    /// The whole range, `10.42.0.0/16`.
    pub range: String,
    /// This host's part of it, `10.42.3.0/24`; its first address is the gateway's.
    pub subnet: String,
    /// VXLAN network identifier; one for each project, so that two never hear each other.
    pub vni: u32,
    /// What goes to other hosts is encrypted.
    pub encrypted: bool,
    /// Which key this host is to have: another number than before asks for a new one.
    pub key_number: u64,
    /// The other hosts of the project that have a subnet.
    pub peers: Vec<Peer>,
}

/// Another host of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Which.
    pub host: u64,
    /// Address other hosts reach it by.
    pub address: String,
    /// Its part of the range.
    pub subnet: String,
    /// Its WireGuard public key, base64; empty if its agent told none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub public_key: String,
    /// It takes packets in the clear.
    pub clear: bool,
    /// It sends everything to this host encrypted.
    pub sealed: bool,
}

impl World {
    /// The range hosts' subnets are cut from.
    pub fn network_range(&self) -> &str {
        self.settings.get(RANGE_SETTING).map_or(DEFAULT_RANGE, String::as_str)
    }

    /// The network as the agent of `host` shall set it up; `None` until the planner gave it a subnet.
    pub fn host_network(&self, host: HostId) -> Option<HostNetwork> {
        let host = self.host(host)?;
        let mut peers: Vec<&Host> = self.hosts_in(host.project).collect();
        peers.sort_unstable_by_key(|peer| peer.id);
        let peers = peers.into_iter().filter(|peer| peer.id != host.id);
        let setting = |name| self.settings.get(name).map(String::as_str).unwrap_or_default();
        Some(HostNetwork {
            range: self.network_range().to_owned(),
            subnet: host.subnet.clone()?,
            vni: vni(host.project),
            encrypted: setting(ENCRYPTION_SETTING) == "wireguard",
            key_number: setting(KEYS_SETTING).parse().unwrap_or_default(),
            peers: peers.filter_map(|peer| self.peer(peer, host.id)).collect(),
        })
    }

    /// A host as another one sees it. An agent that tells of no key is too old for one, or did not speak yet: it can
    /// only be reached in the clear.
    fn peer(&self, peer: &Host, from: HostId) -> Option<Peer> {
        let facts = self.seen.get(&peer.id).map(|seen| &seen.facts);
        let public_key = facts.map(|facts| facts.public_key.clone()).unwrap_or_default();
        let tunnels = facts.map(|facts| facts.tunnels.clone()).unwrap_or_default();
        Some(Peer {
            host: peer.id.0,
            address: peer.address.clone(),
            subnet: peer.subnet.clone()?,
            clear: tunnels.clear || public_key.is_empty(),
            sealed: tunnels.sealed_to.contains(&from.0),
            public_key,
        })
    }
}

/// 24 bits, never 0.
fn vni(project: ProjectId) -> u32 {
    u32::try_from(project.0 % 0x00ff_ffff).unwrap_or_default() + 1
}

/// Whether hosts' subnets can be cut from this text.
pub fn is_range(text: &str) -> bool {
    free_subnet(text, &[]).is_some()
}

/// Whether an address is one of a subnet, `10.42.3.0/24`.
pub(crate) fn is_in(subnet: &str, address: &str) -> bool {
    let Some((base, length)) = subnet.split_once('/') else { return false };
    let parsed = (base.parse::<std::net::Ipv4Addr>(), address.parse::<std::net::Ipv4Addr>());
    let (Ok(base), Ok(address), Ok(length)) = (parsed.0, parsed.1, length.parse::<u32>()) else {
        return false;
    };
    let host_bits = 32_u32.saturating_sub(length);
    let of = |address| u64::from(u32::from(address)) >> host_bits;
    of(base) == of(address)
}

/// The first `/24` of `range` that is not in `taken`; `None` if the range is used up or makes no sense.
pub(crate) fn free_subnet(range: &str, taken: &[&str]) -> Option<String> {
    let (base, length) = range.split_once('/')?;
    let (base, length) = (base.parse::<std::net::Ipv4Addr>().ok()?, length.parse::<u32>().ok()?);
    let count = 1_u32.checked_shl(24_u32.checked_sub(length)?)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or_default();
    let base = u32::from(base) & mask;
    let subnets = (1..count.max(2)).map(|n| base + ((n % count) << 8));
    let mut texts = subnets.map(|subnet| format!("{}/24", std::net::Ipv4Addr::from(subnet)));
    texts.find(|subnet| !taken.contains(&subnet.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_given_in_order_and_never_twice() {
        let check = |range, taken: &[&str], want: Option<&str>| {
            assert_eq!(free_subnet(range, taken).as_deref(), want, "{range} {taken:?}");
        };
        check("10.42.0.0/16", &[], Some("10.42.1.0/24"));
        check("10.42.0.0/16", &["10.42.1.0/24", "10.42.3.0/24"], Some("10.42.2.0/24"));
        check("10.42.7.9/16", &[], Some("10.42.1.0/24"));
        check("172.30.4.0/23", &[], Some("172.30.5.0/24"));
        check("172.30.4.0/23", &["172.30.5.0/24"], None);
        check("172.30.4.0/24", &[], Some("172.30.4.0/24"));
        check("10.0.0.0/25", &[], None);
        check("nonsense", &[], None);
    }

    #[test]
    fn an_address_is_in_a_subnet() {
        for (subnet, address, want) in [
            ("10.42.3.0/24", "10.42.3.7", true),
            ("10.42.3.0/24", "10.42.4.7", false),
            ("10.42.3.0/24", "172.17.0.2", false),
            ("10.42.0.0/16", "10.42.4.7", true),
            ("0.0.0.0/0", "10.42.4.7", true),
            ("10.42.3.0/24", "", false),
            ("", "10.42.3.7", false),
        ] {
            assert_eq!(is_in(subnet, address), want, "{subnet} {address}");
        }
    }
}
