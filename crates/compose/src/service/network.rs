//! How a container is reached and what it reaches: network mode, ports, names, links.

use std::collections::BTreeSet;

use drover_core::name::check_link;
use drover_core::{Condition, NetworkMode, PortSpec, Protocol};

use super::{Draft, Needed};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;
use crate::stack::LinkSpec;
use crate::yaml::Value;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    project: &str,
    draft: &mut Draft,
    to: &mut Report,
) -> bool {
    let spec = &mut draft.spec;
    match key {
        "net" | "network_mode" => mode(field, draft, to),
        "ports" => {
            spec.ports = ports(field, to).unwrap_or_default();
            let items = field.items(to).unwrap_or_default();
            draft.port_texts =
                items.iter().filter_map(|f| Some(f.scalar()?.text.clone())).collect();
        }
        "expose" => spec.expose = expose(field, to).unwrap_or_default(),
        "hostname" => spec.hostname = field.word(to),
        "domainname" => spec.domainname = field.word(to),
        "dns" => spec.dns = field.distinct(to).unwrap_or_default(),
        "dns_search" => spec.dns_search = field.distinct(to).unwrap_or_default(),
        "dns_opt" => spec.dns_options = field.distinct(to).unwrap_or_default(),
        "extra_hosts" => spec.extra_hosts = extra_hosts(field, to).unwrap_or_default(),
        "mac_address" => spec.mac_address = field.word(to),
        "links" => links(field, draft, to),
        "external_links" => external_links(field, project, draft, to),
        "depends_on" => depends_on(field, draft, to),
        _ => return false,
    }
    true
}

fn mode(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let Some(text) = field.text(to) else { return };
    let text = text.trim();
    if let Some(name) = text.strip_prefix("container:").or_else(|| text.strip_prefix("service:")) {
        draft.network_of = Some(field.as_named(name.trim()));
        return;
    }
    draft.spec.network = match text {
        "" | "managed" => NetworkMode::Managed,
        "host" => NetworkMode::Host,
        "bridge" | "default" => NetworkMode::Bridge,
        "none" => NetworkMode::None,
        "ipsec" | "vxlan" => {
            field.warn(to, "read as `managed`: every environment has one managed network");
            NetworkMode::Managed
        }
        _ => {
            let known = "managed, host, bridge, none or container:SERVICE";
            return field.expected(known, to).unwrap_or_default();
        }
    };
}

fn ports(field: &Field<'_>, to: &mut Report) -> Option<Vec<PortSpec>> {
    let mut all: Vec<PortSpec> = Vec::new();
    for field in field.items(to)? {
        let port = match &field.node.value {
            Value::Map(_) => long_port(&field, to),
            _ => short_port(&field, to),
        };
        let Some(port) = port else { continue };
        if all.contains(&port) {
            field.error(to, format!("{} stands here twice", field.node.found()));
        } else if port.public.is_some() && all.iter().any(|held| same_binding(held, &port)) {
            field
                .error(to, format!("{} publishes a port that is published already", shown(&field)));
        } else {
            all.push(port);
        }
    }
    Some(all)
}

fn shown(field: &Field<'_>) -> String {
    if field.scalar().is_some() { field.node.found() } else { "this".into() }
}

fn same_binding(a: &PortSpec, b: &PortSpec) -> bool {
    (&a.ip, a.public, a.protocol) == (&b.ip, b.public, b.protocol)
}

fn short_port(field: &Field<'_>, to: &mut Report) -> Option<PortSpec> {
    let scalar = field.scalar();
    let text = scalar.map(|s| s.text.trim()).unwrap_or_default();
    if let Ok(port) = text.parse() {
        return Some(port);
    }
    if scalar.is_none() {
        return field.expected("a port like 8080:80", to);
    }
    let is_range = text.split(':').any(|part| {
        part.split('/')
            .next()
            .and_then(|p| p.split_once('-'))
            .is_some_and(|(low, high)| low.parse::<u16>().is_ok() && high.parse::<u16>().is_ok())
    });
    let found = field.node.found();
    if is_range {
        field
            .error(to, format!("{found} is a range of ports, which is not supported"))
            .hint("write one entry for each port");
    } else {
        field
            .error(to, format!("{found} is not a port"))
            .hint("write [address:][public:]private[/tcp|udp], ports from 1 to 65535");
    }
    None
}

fn long_port(field: &Field<'_>, to: &mut Report) -> Option<PortSpec> {
    let mut port = PortSpec::default();
    for (key, field) in field.known(keys::PORT, to)? {
        match key {
            "target" => port.private = field.within(1, u16::MAX, to)?,
            "published" => port.public = Some(field.within(1, u16::MAX, to)?),
            "host_ip" => port.ip = field.word(to).filter(|ip| ip != "0.0.0.0"),
            _ => {
                port.protocol = match field.scalar().map(|s| s.text.as_str()) {
                    Some("tcp") => Protocol::Tcp,
                    Some("udp") => Protocol::Udp,
                    _ => return field.expected("tcp or udp", to),
                }
            }
        }
    }
    if port.private == 0 {
        field.error(to, "needs a `target`");
        return None;
    }
    Some(port)
}

fn expose(field: &Field<'_>, to: &mut Report) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for field in field.items(to)? {
        let Some(text) = field.text(to) else { continue };
        match text.trim().parse::<PortSpec>() {
            Ok(port) if port.public.is_none() && port.ip.is_none() => all.push(text),
            // A v1 balancer listens inside the network by this form.
            Ok(port) if port.ip.is_none() => all.push(text),
            Ok(_) | Err(_) => field.wrong("a port like 80 or 80/udp", to),
        }
    }
    Some(all)
}

/// `name:address` lines, or a map.
fn extra_hosts(field: &Field<'_>, to: &mut Report) -> Option<Vec<String>> {
    if let Value::Map(_) = field.node.value {
        let pairs = field.pairs(to)?.into_iter();
        return Some(pairs.filter_map(|p| Some(format!("{}:{}", p.key, p.value?.text))).collect());
    }
    let mut all = Vec::new();
    for field in field.items(to)? {
        let Some(text) = field.text(to) else { continue };
        if text.contains([':', '=']) {
            let separated = if text.contains(':') { text } else { text.replacen('=', ":", 1) };
            all.push(separated);
        } else {
            field.wrong("name:address", to);
        }
    }
    Some(all)
}

fn links(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let mut seen = BTreeSet::new();
    for field in field.items(to).unwrap_or_default() {
        let Some(text) = field.word(to) else { continue };
        let (service, alias) = split_alias(&text);
        if service.contains('/') {
            field
                .error(to, format!("{} names a service of another stack", field.node.found()))
                .hint("write it under `external_links`");
        } else if !seen.insert(text.clone()) {
            field.error(to, format!("{} stands here twice", field.node.found()));
        } else if let Err(bad) = check_link(&alias) {
            field.error(to, format!("{}: {bad}", field.node.found()));
        } else {
            let link = LinkSpec { stack: None, service: service.clone(), alias };
            draft.links.push((link, field.as_named(service)));
        }
    }
}

fn external_links(field: &Field<'_>, project: &str, draft: &mut Draft, to: &mut Report) {
    for field in field.items(to).unwrap_or_default() {
        let Some(text) = field.word(to) else { continue };
        let (target, alias) = split_alias(&text);
        let parts = target.split_once('/').filter(|(stack, service)| {
            !stack.is_empty() && !service.is_empty() && !service.contains('/')
        });
        let Some((stack, service)) = parts else {
            field.wrong("stack/service or stack/service:alias", to);
            continue;
        };
        if let Err(bad) = check_link(&alias) {
            field.error(to, format!("{}: {bad}", field.node.found()));
            continue;
        }
        let own = !project.is_empty() && stack.eq_ignore_ascii_case(project);
        let stack = (!own).then(|| stack.to_owned());
        let link = LinkSpec { stack, service: service.to_owned(), alias };
        draft.links.push((link, field.as_named(service)));
    }
}

fn split_alias(text: &str) -> (String, String) {
    let (target, alias) = text.split_once(':').unwrap_or((text, ""));
    (target.trim().to_owned(), alias.trim().to_owned())
}

/// A list of names, or the newer map with conditions.
fn depends_on(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let Value::Map(_) = field.node.value else {
        for field in field.items(to).unwrap_or_default() {
            let named = field.named(to);
            draft.depends_on.extend(named.map(|name| Needed { name, ..Needed::default() }));
        }
        return;
    };
    for (entry, field) in field.entries(to).unwrap_or_default() {
        let name = field.as_named(entry.key.clone());
        let mut needed = Needed { name, ..Needed::default() };
        for (key, field) in field.known(keys::DEPENDS_ON, to).unwrap_or_default() {
            match key {
                "condition" => needed.condition = condition(&field, to).unwrap_or_default(),
                "required" => needed.is_optional = !field.boolean(to).unwrap_or(true),
                "restart" if field.boolean(to).unwrap_or_default() => {
                    field.warn(to, "ignored: nothing is restarted because another service is");
                }
                _ => {}
            }
        }
        draft.depends_on.push(needed);
    }
}

fn condition(field: &Field<'_>, to: &mut Report) -> Option<Condition> {
    let word = field.word(to)?;
    let known = Condition::of(&word);
    if known.is_none() {
        let all = Condition::ALL.map(Condition::word).join(", ");
        field.error(to, format!("`{word}` is no condition: it is one of {all}"));
    }
    known
}
