//! Network, names and ports.

use std::collections::HashMap;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding,
};
use drover_core::{NetworkMode, PortSpec, label};

use super::{BadSpec, Making, some_list};
use crate::network::NETWORK;
use crate::reconcile::named;

/// Docker's default bridge, which managed containers are on while the host has no part of the project's network.
const BRIDGE: &str = "bridge";
/// Where a container looks for its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Bytes a host name may have in the kernel.
const LONGEST_HOSTNAME: usize = 64;

pub(super) fn fill(making: &Making<'_>, host: &mut HostConfig) -> Result<(), BadSpec> {
    let spec = making.spec;
    host.network_mode = Some(mode(making)?);
    fill_names(making, host);
    host.dns_options = some_list(&spec.dns_options);
    host.extra_hosts = some_list(&spec.extra_hosts);
    if shares_a_stack(making) {
        return Ok(());
    }
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports(making) {
        let binding = PortBinding {
            host_ip: Some(port.ip.clone().unwrap_or_default()),
            host_port: Some(port.public.map_or(String::new(), |p| p.to_string())),
        };
        let private = format!("{}/{}", port.private, port.protocol);
        bindings.entry(private).or_default().get_or_insert_default().push(binding);
    }
    host.port_bindings = (!bindings.is_empty()).then_some(bindings);
    Ok(())
}

/// Names: the platform's, else what the spec says. Name servers of a spec are asked by the platform's, for names that
/// aren't ours: a resolver that asked them first would find none of ours.
fn fill_names(making: &Making<'_>, host: &mut HostConfig) {
    let spec = making.spec;
    let Some(names) = &making.names else {
        host.dns = some_list(&spec.dns);
        host.dns_search = some_list(&spec.dns_search);
        return;
    };
    host.dns = Some(vec![drover_core::DISCOVERY_ADDRESS.to_owned()]);
    host.dns_search = some_list(names.search);
    let target = |mount: &String| mount.split(':').nth(1) == Some(RESOLV_CONF);
    if !spec.volumes.iter().any(target) {
        let mount = Mount {
            target: Some(RESOLV_CONF.to_owned()),
            source: Some(names.file.display().to_string()),
            typ: Some(MountType::BIND),
            ..Mount::default()
        };
        host.mounts.get_or_insert_default().push(mount);
    }
}

/// Ports the container declares, as `80/tcp`.
pub(super) fn exposed(making: &Making<'_>) -> Vec<String> {
    if shares_a_stack(making) {
        return Vec::new();
    }
    let published = ports(making).iter().map(|p| format!("{}/{}", p.private, p.protocol));
    let mut all: Vec<String> =
        published.chain(making.spec.expose.iter().flat_map(|text| expand(text))).collect();
    all.sort();
    all.dedup();
    all
}

/// The host name: the container's name where the label asks for it, else what the spec says, else Docker's choice.
pub(super) fn hostname(making: &Making<'_>) -> Option<String> {
    let spec = making.spec;
    // Docker refuses a name of its own for a container that lives in another's network.
    if matches!(spec.network, NetworkMode::Container(_)) {
        return None;
    }
    if spec.label(label::HOSTNAME_OVERRIDE).map(str::trim) == Some("container_name") {
        return Some(shortened(&making.unit.display_name(making.member)));
    }
    spec.hostname.clone().filter(|name| !name.is_empty())
}

/// What is asked of its end of the network, if anything is.
pub(super) fn endpoint(making: &Making<'_>) -> Result<Option<NetworkingConfig>, BadSpec> {
    let mac = making.spec.mac_address.clone().filter(|mac| !mac.is_empty());
    let address = making.address.filter(|_| on_network(making));
    if mac.is_none() && address.is_none() {
        return Ok(None);
    }
    if mac.is_some() && making.api < (1, 44) {
        return Err(BadSpec::MacAddress(making.api.0, making.api.1));
    }
    let ipam_config = address.map(|address| EndpointIpamConfig {
        ipv4_address: Some(address.to_string()),
        ..EndpointIpamConfig::default()
    });
    let endpoint =
        EndpointSettings { mac_address: mac, ipam_config, ..EndpointSettings::default() };
    let name = if on_network(making) { NETWORK } else { BRIDGE };
    let endpoints = HashMap::from([(name.to_owned(), endpoint)]);
    Ok(Some(NetworkingConfig { endpoints_config: Some(endpoints) }))
}

/// It is on the project's own network.
fn on_network(making: &Making<'_>) -> bool {
    making.joined && making.spec.network == NetworkMode::Managed
}

fn mode(making: &Making<'_>) -> Result<String, BadSpec> {
    Ok(match &making.spec.network {
        NetworkMode::Managed if making.joined => NETWORK.to_owned(),
        NetworkMode::Managed | NetworkMode::Bridge => BRIDGE.to_owned(),
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Container(name) => {
            let provider = named(making.unit, &making.template.template, name);
            let container = provider.and_then(|p| making.siblings.get(p));
            let container = container.ok_or_else(|| BadSpec::NoSuchMember {
                what: "it shares the network",
                name: name.clone(),
            })?;
            format!("container:{container}")
        }
    })
}

/// It has no network of its own that ports could be published from.
fn shares_a_stack(making: &Making<'_>) -> bool {
    matches!(making.spec.network, NetworkMode::Host | NetworkMode::Container(_))
}

/// Its ports with every public one filled in.
fn ports<'a>(making: &Making<'a>) -> &'a [PortSpec] {
    making.template.ports.get(making.member).unwrap_or(&making.spec.ports)
}

/// `80`, `80/udp` or `3000-3002/tcp`, port by port.
fn expand(text: &str) -> Vec<String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
        (Ok(low), Ok(high)) => (low..=high).map(|port| format!("{port}/{protocol}")).collect(),
        // Docker says what is wrong with it.
        (Err(_), _) | (_, Err(_)) => vec![text.to_owned()],
    }
}

/// The front is cut, not the number at the end, which tells containers apart.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST_HOSTNAME {
        return name.to_owned();
    }
    let (front, end) = name.rsplit_once('-').unwrap_or((name, ""));
    let room = LONGEST_HOSTNAME.saturating_sub(end.len() + 1);
    let front: String = front.chars().take(room).collect();
    format!("{}-{end}", front.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_ports_are_spelled_out() {
        assert_eq!(expand("80"), ["80/tcp"]);
        assert_eq!(expand("53/udp"), ["53/udp"]);
        assert_eq!(expand("3000-3002"), ["3000/tcp", "3001/tcp", "3002/tcp"]);
        assert_eq!(expand("web"), ["web"]);
    }

    #[test]
    fn long_names_keep_their_number() {
        let name = format!("{}-web-12", "a".repeat(80));
        let short = shortened(&name);
        assert_eq!((short.len(), short.ends_with("a-12")), (64, true));
        assert_eq!(shortened("app-web-1"), "app-web-1");
    }
}
