//! Network mode, published ports, names and name service.

use drover_core::{BadPort, ContainerSpec, NetworkMode, PortSpec};
use serde_json::{Map, Value};

use super::{put, put_list};
use crate::body::Body;
use crate::{ApiError, Code};

pub(super) fn read(from: &Body<'_>, spec: &mut ContainerSpec) -> Result<(), ApiError> {
    spec.network = read_mode(from)?;
    let ports = from.words("ports")?;
    let parsed: Result<Vec<PortSpec>, BadPort> = ports.iter().map(|port| port.parse()).collect();
    spec.ports =
        parsed.map_err(|bad| from.refuse(Code::InvalidFormat, "ports", &bad.to_string()))?;
    spec.expose = from.words("expose")?;
    spec.hostname = from.word("hostname")?;
    spec.domainname = from.word("domainName")?;
    spec.dns = from.words("dns")?;
    spec.dns_search = from.words("dnsSearch")?;
    spec.dns_options = from.words("dnsOpt")?;
    spec.extra_hosts = from.words("extraHosts")?;
    spec.mac_address = from.word("macAddress")?;
    Ok(())
}

pub(super) fn write(spec: &ContainerSpec, out: &mut Map<String, Value>) {
    let (mode, member) = match &spec.network {
        NetworkMode::Managed => ("managed", None),
        NetworkMode::Host => ("host", None),
        NetworkMode::Bridge => ("bridge", None),
        NetworkMode::None => ("none", None),
        NetworkMode::Container(member) => ("container", Some(member.as_str())),
    };
    put(out, "networkMode", Some(mode));
    put(out, "networkLaunchConfig", member);
    let ports: Vec<String> = spec.ports.iter().map(PortSpec::to_string).collect();
    put_list(out, "ports", &ports);
    put_list(out, "expose", &spec.expose);
    put(out, "hostname", spec.hostname.as_deref());
    put(out, "domainName", spec.domainname.as_deref());
    put_list(out, "dns", &spec.dns);
    put_list(out, "dnsSearch", &spec.dns_search);
    put_list(out, "dnsOpt", &spec.dns_options);
    put_list(out, "extraHosts", &spec.extra_hosts);
    put(out, "macAddress", spec.mac_address.as_deref());
}

fn read_mode(from: &Body<'_>) -> Result<NetworkMode, ApiError> {
    // Beside the fixed words: Rancher's own network drivers by name, which all meant "the project's network".
    match from.word("networkMode")?.as_deref() {
        None | Some("managed" | "ipsec" | "vxlan") => Ok(NetworkMode::Managed),
        Some("host") => Ok(NetworkMode::Host),
        Some("bridge" | "default") => Ok(NetworkMode::Bridge),
        Some("none") => Ok(NetworkMode::None),
        Some("container") => match from.get("networkLaunchConfig").and_then(Value::as_str) {
            Some(member) => Ok(NetworkMode::Container(member.to_owned())),
            None => Err(from.lacks("networkLaunchConfig")),
        },
        Some(other) => {
            if let Some(member) = other.strip_prefix("container:") {
                return Ok(NetworkMode::Container(member.to_owned()));
            }
            let why = format!(
                "there is no network `{other}`: use managed, host, bridge, none or container"
            );
            Err(from.refuse(Code::InvalidOption, "networkMode", &why))
        }
    }
}
