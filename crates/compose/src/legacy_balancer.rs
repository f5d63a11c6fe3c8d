//! The first form of a balancer: links as targets, ports as listeners, labels as rules. It is turned into the
//! same rules that `lb_config` has.

use drover_core::{PortSpec, Protocol, RuleProtocol, ServiceKind};

use crate::balancer;
use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;
use crate::service::Draft;
use crate::stack::{NamedBalancer, NamedRule};

const TARGET: &str = "io.rancher.loadbalancer.target.";
const SSL_PORTS: &str = "io.rancher.loadbalancer.ssl.ports";
const PROXY_PORTS: &str = "io.rancher.loadbalancer.proxy-protocol.ports";
const PREFIX: &str = "io.rancher.loadbalancer.";
const SELECTOR: &str = "io.rancher.service.selector.link";

/// Its keys in rancher-compose.yml.
#[derive(Default)]
pub(crate) struct Asked<'a> {
    pub(crate) config: Option<Field<'a>>,
    pub(crate) certs: Option<Field<'a>>,
    pub(crate) default_cert: Option<Field<'a>>,
}

impl<'a> Asked<'a> {
    /// Those that are there.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        [&self.config, &self.certs, &self.default_cert].into_iter().flatten()
    }
}

/// A port the balancer listens on, and what its targets get by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listener {
    source: u16,
    target: u16,
    protocol: RuleProtocol,
}

/// Turn a draft with the old image into a balancer with rules.
pub(crate) fn read(asked: &Asked<'_>, draft: &mut Draft, to: &mut Report) {
    let mut made = NamedBalancer::default();
    read_config(asked, &mut made, to);
    let listeners = listeners(draft);
    let targets = targets(draft);
    let path = draft.path();
    if targets.is_empty() {
        to.warn(&draft.service.at, &path, "a balancer without links serves nothing");
    }
    let routes = label_routes(draft, &targets, to);
    let secure = label_ports(draft, SSL_PORTS, to);
    for target in &targets {
        for listener in &listeners {
            made.rules.extend(rules_for(target, *listener, &routes, &secure));
        }
    }
    for port in label_ports(draft, PROXY_PORTS, to) {
        let custom = made.custom.get_or_insert_default();
        custom.extend(["frontend ", &port.to_string(), "\n    accept-proxy\n"]);
    }
    become_balancer(draft, &listeners, made, to);
}

/// What traffic goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Service(String),
    Selector(String),
}

fn targets(draft: &mut Draft) -> Vec<Target> {
    let mut targets = Vec::new();
    for external in [false, true] {
        for (link, named) in &draft.links {
            if link.stack.is_some() != external {
                continue;
            }
            let name = if let Some(stack) = &link.stack {
                format!("{stack}/{}", link.service)
            } else {
                draft.targets.push(named.clone());
                link.service.clone()
            };
            targets.push(Target::Service(name));
        }
    }
    targets.dedup();
    targets.extend(draft.service.selector_link.take().map(Target::Selector));
    draft.links.clear();
    targets
}

/// `80`, `80/tcp`, `8080:80`, `8000:80/tcp`, `53/udp`: a protocol that is written is spoken, else it is HTTP.
fn listeners(draft: &Draft) -> Vec<Listener> {
    let mut all: Vec<Listener> = Vec::new();
    for text in draft
        .port_texts
        .iter()
        .map(String::as_str)
        .chain(draft.spec.expose.iter().map(String::as_str))
    {
        let Ok(port) = text.parse::<PortSpec>() else { continue };
        let protocol = match (text.contains('/'), port.protocol) {
            (false, _) => RuleProtocol::Http,
            (true, Protocol::Tcp) => RuleProtocol::Tcp,
            (true, Protocol::Udp) => RuleProtocol::Udp,
        };
        let source = port.public.unwrap_or(port.private);
        if all.iter().all(|held| held.source != source) {
            all.push(Listener { source, target: port.private, protocol });
        }
    }
    all
}

/// Where one target is reached by: `[host][:source][/path][=target]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Route {
    service: String,
    host: Option<String>,
    source: Option<u16>,
    path: Option<String>,
    target: Option<u16>,
}

fn label_routes(draft: &Draft, targets: &[Target], to: &mut Report) -> Vec<Route> {
    let mut routes = Vec::new();
    for (key, named) in &draft.platform_labels {
        let lower = key.to_ascii_lowercase();
        let Some(service) = lower.strip_prefix(TARGET) else { continue };
        let service = targets.iter().find_map(|t| match t {
            Target::Service(name) if name.eq_ignore_ascii_case(service) => Some(name.clone()),
            Target::Service(_) | Target::Selector(_) => None,
        });
        let Some(service) = service else {
            to.warn(&named.at, &named.path, "routes to a service that is not among the links");
            continue;
        };
        for part in named.name.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            if let Some(route) = parse_route(part) {
                routes.push(Route { service: service.clone(), ..route });
            } else {
                let text = format!("`{}` is not a route", named.shown);
                to.error(&named.at, &named.path, text)
                    .hint("write [host][:source_port][/path][=target_port]");
            }
        }
    }
    routes
}

fn parse_route(text: &str) -> Option<Route> {
    let mut route = Route::default();
    let (front, target) = match text.rsplit_once('=') {
        Some((front, target)) => (front, Some(port(target)?)),
        None => (text, None),
    };
    route.target = target;
    let (place, path) = match front.find('/') {
        Some(slash) => (&front[..slash], Some(front[slash..].to_owned())),
        None => (front, None),
    };
    route.path = path;
    let is_number = !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        // A lone number is where the traffic goes, not where it comes in.
        let lone = route.path.is_none() && route.target.is_none();
        let slot = if lone { &mut route.target } else { &mut route.source };
        *slot = Some(port(place)?);
    } else {
        let (host, source) = match place.split_once(':') {
            Some((host, source)) => (host, Some(port(source)?)),
            None => (place, None),
        };
        route.source = source;
        route.host = (!host.is_empty()).then(|| host.to_owned());
    }
    Some(route)
}

fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port > 0)
}

/// The rules of one target on one port: those its labels make, or the plain one.
fn rules_for(
    target: &Target,
    listener: Listener,
    routes: &[Route],
    secure: &[u16],
) -> Vec<NamedRule> {
    let protocol = match (secure.contains(&listener.source), listener.protocol) {
        (true, RuleProtocol::Tcp) => RuleProtocol::Tls,
        (true, RuleProtocol::Http) => RuleProtocol::Https,
        (_, protocol) => protocol,
    };
    let (service, selector) = match target {
        Target::Service(name) => (Some(name.clone()), None),
        Target::Selector(selector) => (None, Some(selector.clone())),
    };
    let base = NamedRule {
        source_port: listener.source,
        protocol,
        service: service.clone(),
        selector,
        target_port: Some(listener.target),
        ..NamedRule::default()
    };
    let fitting = routes.iter().filter(|route| {
        Some(&route.service) == service.as_ref()
            && route.source.is_none_or(|source| source == listener.source)
    });
    let rules: Vec<NamedRule> = fitting
        .map(|route| NamedRule {
            hostname: route.host.clone(),
            path: route.path.clone(),
            target_port: route.target.or(base.target_port),
            ..base.clone()
        })
        .collect();
    if rules.is_empty() { vec![base] } else { rules }
}

/// A label with a list of ports.
fn label_ports(draft: &Draft, key: &str, to: &mut Report) -> Vec<u16> {
    let Some((_, named)) =
        draft.platform_labels.iter().find(|(held, _)| held.eq_ignore_ascii_case(key))
    else {
        return Vec::new();
    };
    let texts = named.name.split(',').map(str::trim).filter(|t| !t.is_empty());
    let ports: Option<Vec<u16>> = texts.map(port).collect();
    if ports.is_none() {
        to.error(&named.at, &named.path, format!("`{}` is not a list of ports", named.shown));
    }
    ports.unwrap_or_default()
}

fn read_config(asked: &Asked<'_>, made: &mut NamedBalancer, to: &mut Report) {
    if let Some(certs) = &asked.certs {
        made.certificates = certs.distinct(to).unwrap_or_default();
    }
    if let Some(cert) = &asked.default_cert {
        made.default_certificate = cert.word(to);
    }
    let Some(config) = &asked.config else { return };
    for (key, field) in config.known(keys::LEGACY_LB, to).unwrap_or_default() {
        match key {
            "haproxy_config" => {
                for (section, field) in field.known(keys::HAPROXY, to).unwrap_or_default() {
                    let text = balancer::custom(&field, Some(section), to);
                    let Some(text) = text else { continue };
                    let custom = made.custom.get_or_insert_default();
                    custom.extend([section, "\n", text.trim_end(), "\n"]);
                }
            }
            _ => made.stickiness = balancer::stickiness(&field, to),
        }
    }
}

/// Ports become the listening ones, and everything the rules now say is dropped.
fn become_balancer(
    draft: &mut Draft,
    listeners: &[Listener],
    made: NamedBalancer,
    to: &mut Report,
) {
    crate::service::BALANCER_IMAGE.clone_into(&mut draft.spec.image);
    for port in &mut draft.spec.ports {
        port.private = port.public.unwrap_or(port.private);
    }
    draft.spec.expose.clear();
    draft.spec.labels.retain(|key, _| {
        let key = key.to_ascii_lowercase();
        !key.starts_with(PREFIX) && key != SELECTOR
    });
    if listeners.is_empty() {
        to.error(&draft.service.at, &draft.path(), "a balancer needs `ports` or `expose`");
    }
    draft.service.kind = ServiceKind::Balancer;
    balancer::check_certificates(&made, &draft.service.at, &draft.path(), to);
    draft.service.balancer = Some(made);
    balancer::become_balancer(draft, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_in_labels() {
        for (text, host, source, path, target) in [
            ("example.com:80/path=81", "example.com", 80, "/path", 81),
            ("example.com:80/path/a", "example.com", 80, "/path/a", 0),
            ("example.com:80=81", "example.com", 80, "", 81),
            ("example.com:80", "example.com", 80, "", 0),
            ("example.com/path/b/c=81", "example.com", 0, "/path/b/c", 81),
            ("example.com/path", "example.com", 0, "/path", 0),
            ("example.com=81", "example.com", 0, "", 81),
            ("example.com", "example.com", 0, "", 0),
            ("80/path=81", "", 80, "/path", 81),
            ("80/path", "", 80, "/path", 0),
            ("80=81", "", 80, "", 81),
            ("/path=81", "", 0, "/path", 81),
            ("/path", "", 0, "/path", 0),
            ("81", "", 0, "", 81),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let number = |number: u16| (number > 0).then_some(number);
            let want = Route {
                service: String::new(),
                host: some(host),
                source: number(source),
                path: some(path),
                target: number(target),
            };
            assert_eq!(parse_route(text), Some(want), "{text}");
        }
        for text in ["example.com:x", "a=b", "70000", "example.com:80=0"] {
            assert_eq!(parse_route(text), None, "{text}");
        }
    }
    #[test]
    fn label_rules_take_the_place_of_plain_ones_port_by_port() {
        let check = |labels: &[&str], listener: (u16, u16, RuleProtocol), want: &[&str]| {
            let routes = labels.iter().map(|label| {
                let route = parse_route(label).unwrap();
                Route { service: "web".into(), ..route }
            });
            let routes: Vec<Route> = routes.collect();
            let (source, target, protocol) = listener;
            let target_of = Target::Service("web".into());
            let listener = Listener { source, target, protocol };
            let rules = rules_for(&target_of, listener, &routes, &[443]);
            let shown: Vec<String> = rules
                .iter()
                .map(|rule| {
                    let host = rule.hostname.as_deref().unwrap_or("*");
                    let path = rule.path.as_deref().unwrap_or("");
                    let (port, to) = (rule.source_port, rule.target_port.unwrap());
                    format!("{:?} {host}:{port}{path}={to}", rule.protocol)
                })
                .collect();
            assert_eq!(shown, want, "{labels:?}");
        };
        let http = (80, 8080, RuleProtocol::Http);
        check(&[], http, &["Http *:80=8080"]);
        check(&["a.com"], http, &["Http a.com:80=8080"]);
        check(&["a.com=81"], http, &["Http a.com:80=81"]);
        check(&["a.com:80/x=81", "b.com/y"], http, &["Http a.com:80/x=81", "Http b.com:80/y=8080"]);
        // A label for another port leaves the plain rule where it is.
        check(&["a.com:81"], http, &["Http *:80=8080"]);
        check(&["a.com:81", "/x"], http, &["Http *:80/x=8080"]);
        check(&["9000"], http, &["Http *:80=9000"]);
        let secure = (443, 8080, RuleProtocol::Http);
        check(&["a.com"], secure, &["Https a.com:443=8080"]);
        check(&[], (443, 9, RuleProtocol::Tcp), &["Tls *:443=9"]);
        check(&[], (53, 53, RuleProtocol::Udp), &["Udp *:53=53"]);
    }
}
