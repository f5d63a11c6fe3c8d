//! `lb_config`: the rules of a balancer, or what a service wants balancers that select it to know.

use drover_core::{BadTuning, RuleProtocol, Selector, ServiceKind, Tuning, Unheeded};

use crate::diagnostic::{Place, Report};
use crate::field::Field;
use crate::keys;
use crate::service::Draft;
use crate::stack::{NamedBalancer, NamedRule};

/// Rancher's balancers answer their own health check here; files rely on it being refused.
const RESERVED_PORT: u16 = 42;

/// Read it into a draft. With rules that listen on a port, or with a balancer's image, it is a balancer.
pub(crate) fn read(
    field: &Field<'_>,
    balancer_image: bool,
    project: &str,
    draft: &mut Draft,
    to: &mut Report,
) {
    let mut balancer = NamedBalancer::default();
    let mut rules = Vec::new();
    for (key, field) in field.known(keys::LB_CONFIG, to).unwrap_or_default() {
        match key {
            "port_rules" => rules = read_rules(&field, project, draft, to),
            "certs" => balancer.certificates = field.distinct(to).unwrap_or_default(),
            "default_cert" => {
                balancer.default_certificate = field.text(to).filter(|c| !c.is_empty());
            }
            "config" => balancer.custom = custom(&field, None, to),
            _ => balancer.stickiness = stickiness(&field, to),
        }
    }
    let listens = rules.iter().any(|(_, rule)| rule.source_port != 0);
    let is_balancer = listens || balancer_image;
    for (field, rule) in &rules {
        if is_balancer {
            check_rule(field, rule, to);
        } else {
            check_target_rule(field, rule, to);
        }
    }
    balancer.rules = rules.into_iter().map(|(_, rule)| rule).collect();
    if is_balancer {
        draft.service.kind = ServiceKind::Balancer;
        become_balancer(draft, to);
        check_protocols(&balancer, field, to);
        check_certificates(&balancer, field.at(), &field.path, to);
    }
    draft.service.balancer = Some(balancer);
}

/// What a balancer's container looks like: its own image, and a port published without a public one is
/// published under the same number.
pub(crate) fn become_balancer(draft: &mut Draft, to: &mut Report) {
    let spec = &mut draft.spec;
    if spec.image.is_empty() {
        crate::service::BALANCER_IMAGE.clone_into(&mut spec.image);
    } else if !spec.image.starts_with("rancher/") {
        let text = "its image is not run: the balancer is Drover's own";
        to.warn(&draft.service.at, &crate::field::join("services", &draft.service.name), text);
    }
    for port in &mut spec.ports {
        port.public = port.public.or(Some(port.private));
    }
}

/// HAProxy text: kept as it is, and every line of it judged. `section` is the one it is part of, if its key says so.
pub(crate) fn custom(field: &Field<'_>, section: Option<&str>, to: &mut Report) -> Option<String> {
    let text = field.text(to).filter(|text| !text.trim().is_empty())?;
    let heading = section.map(|section| format!("{section}\n")).unwrap_or_default();
    let read = Tuning::read(&format!("{heading}{text}"));
    let above = heading.lines().count();
    for BadTuning { line, why, .. } in read.refused {
        let (at, shown) = custom_line(field, line.saturating_sub(above));
        to.error(&at, &field.path, format!("`{shown}`: {why}"));
    }
    for Unheeded { line, why, .. } in read.unheeded {
        let (at, shown) = custom_line(field, line.saturating_sub(above));
        to.note(&at, &field.path, format!("`{shown}`: {why}"));
    }
    Some(text)
}

/// Where a line of a text stands in the file, and how it is shown: as it is written there, variables and all.
fn custom_line(field: &Field<'_>, line: usize) -> (Place, String) {
    let mut at = field.at().clone();
    let Some(scalar) = field.scalar() else { return (at, String::new()) };
    let index = line.saturating_sub(1);
    if scalar.literal {
        at.line += index;
    }
    let text = scalar.source.as_deref().unwrap_or(&scalar.text);
    (at, text.lines().nth(index).unwrap_or_default().trim().to_owned())
}

/// A stickiness policy.
pub(crate) fn stickiness(field: &Field<'_>, to: &mut Report) -> Option<serde_json::Value> {
    let mut policy = serde_json::Map::new();
    for (key, field) in field.known(keys::STICKINESS, to)? {
        let value = match key {
            "indirect" | "nocache" | "postonly" => field.boolean(to).map(Into::into),
            "mode" => mode(&field, to).map(Into::into),
            _ => text(&field, to).map(Into::into),
        };
        policy.extend(value.map(|value| (key.to_owned(), value)));
    }
    (!policy.is_empty()).then_some(serde_json::Value::Object(policy))
}

fn mode(field: &Field<'_>, to: &mut Report) -> Option<String> {
    let mode = text(field, to)?;
    if ["rewrite", "insert", "prefix"].contains(&mode.as_str()) {
        return Some(mode);
    }
    field.expected("rewrite, insert or prefix", to)
}

fn read_rules<'a>(
    field: &Field<'a>,
    project: &str,
    draft: &mut Draft,
    to: &mut Report,
) -> Vec<(Field<'a>, NamedRule)> {
    let mut rules = Vec::new();
    for field in field.items(to).unwrap_or_default() {
        let mut rule = NamedRule::default();
        for (key, field) in field.known(keys::PORT_RULE, to).unwrap_or_default() {
            match key {
                "source_port" => {
                    rule.source_port = field.within(1, u16::MAX, to).unwrap_or_default();
                }
                "protocol" => rule.protocol = protocol(&field, to).unwrap_or_default(),
                "hostname" => rule.hostname = text(&field, to),
                "path" => rule.path = text(&field, to),
                "target_port" => rule.target_port = field.within(1, u16::MAX, to),
                "service" => {
                    rule.service = target(&field, project, to);
                    draft.targets.extend(rule.service.clone().map(|name| field.as_named(name)));
                }
                "selector" => rule.selector = selector(&field, to),
                "priority" => rule.priority = field.within(0, u32::MAX, to).filter(|p| *p > 0),
                "backend_name" => rule.backend_name = text(&field, to),
                _ => rule.weight = field.within(0, 256, to),
            }
        }
        rules.push((field, rule));
    }
    rules
}

fn text(field: &Field<'_>, to: &mut Report) -> Option<String> {
    field.text(to).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

/// Labels that select services.
pub(crate) fn selector(field: &Field<'_>, to: &mut Report) -> Option<String> {
    let selector = text(field, to)?;
    if let Err(bad) = selector.parse::<Selector>() {
        field.error(to, bad.to_string());
    }
    Some(selector)
}

fn protocol(field: &Field<'_>, to: &mut Report) -> Option<RuleProtocol> {
    match field.scalar().map(|s| s.text.trim()) {
        Some("http" | "") => Some(RuleProtocol::Http),
        Some("https") => Some(RuleProtocol::Https),
        Some("tcp") => Some(RuleProtocol::Tcp),
        Some("tls") => Some(RuleProtocol::Tls),
        Some("sni") => Some(RuleProtocol::Sni),
        Some("udp") => Some(RuleProtocol::Udp),
        _ => field.expected("http, https, tcp, tls, sni or udp", to),
    }
}

/// `service`, `stack/service`; the stack's own name before it is dropped.
pub(crate) fn own_target(name: &str, project: &str) -> String {
    match name.split_once('/') {
        Some((stack, service)) if !project.is_empty() && stack.eq_ignore_ascii_case(project) => {
            service.to_owned()
        }
        _ => name.to_owned(),
    }
}

fn target(field: &Field<'_>, project: &str, to: &mut Report) -> Option<String> {
    let name = text(field, to)?;
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        return field.expected("service or stack/service", to);
    }
    Some(own_target(&name, project))
}

fn check_rule(field: &Field<'_>, rule: &NamedRule, to: &mut Report) {
    match rule.source_port {
        0 => drop(field.error(to, "needs a `source_port`")),
        RESERVED_PORT => {
            field
                .error(to, "port 42 is reserved for the balancer's own health check")
                .hint("listen on another");
        }
        _ => {}
    }
    match (&rule.service, &rule.selector) {
        (None, None) => drop(field.error(to, "needs a `service` or a `selector`")),
        (Some(_), Some(_)) => {
            field.error(to, "has both `service` and `selector`; a rule has one target");
        }
        (Some(_), None) if rule.target_port.is_none() => {
            field.error(to, "needs a `target_port`");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let (host, path) = (rule.hostname.is_some(), rule.path.is_some());
    let without_effect = match rule.protocol {
        RuleProtocol::Http | RuleProtocol::Https => None,
        RuleProtocol::Sni => path.then_some("`path`"),
        RuleProtocol::Tcp | RuleProtocol::Tls | RuleProtocol::Udp => {
            (host || path).then_some("`hostname` and `path`")
        }
    };
    if let Some(what) = without_effect {
        field.warn(to, format!("{what} have no effect with this protocol"));
    }
}

fn check_target_rule(field: &Field<'_>, rule: &NamedRule, to: &mut Report) {
    if rule.service.is_some() || rule.selector.is_some() {
        field
            .error(to, "names a target but no `source_port`")
            .hint("a balancer's rule listens on a `source_port`");
    }
}

/// Without a certificate every handshake would fail.
pub(crate) fn check_certificates(
    balancer: &NamedBalancer,
    at: &Place,
    path: &str,
    to: &mut Report,
) {
    let ends_tls =
        |rule: &&NamedRule| matches!(rule.protocol, RuleProtocol::Https | RuleProtocol::Tls);
    if balancer.certificates.is_empty()
        && balancer.default_certificate.is_none()
        && let Some(rule) = balancer.rules.iter().find(ends_tls)
    {
        let port = rule.source_port;
        to.error(at, path, format!("port {port} ends TLS and needs a certificate"))
            .hint("give `default_cert` or `certs`");
    }
}

/// One protocol per port: the first rule's.
fn check_protocols(balancer: &NamedBalancer, field: &Field<'_>, to: &mut Report) {
    let mut spoken = std::collections::BTreeMap::new();
    for rule in &balancer.rules {
        let first = spoken.entry(rule.source_port).or_insert(rule.protocol);
        if *first != rule.protocol {
            let port = rule.source_port;
            field.warn(
                to,
                format!("the rules of port {port} differ in protocol: the first one's holds"),
            );
            return;
        }
    }
}
