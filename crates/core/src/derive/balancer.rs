//! The configuration of one balancer unit: which routes its listeners have, in which order, and which units
//! answer. Order of routes: Rancher's ranks, with ties broken (longest path, longest host, order of the rules).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{behind, carried, drain_timeout_ms, is_serving, ledger_number, selected};
use crate::schedule::resolve;
use crate::{
    BalancerConfig, BalancerSpec, CertificatePem, Desired, HealthCheck, Hold, HostId, Listener,
    NetworkMode, Phase, PortRule, Protocol, Route, RuleProtocol, Service, ServiceId, ServiceKind,
    Slot, Target, Tuning, Unit, UnitKey, UpgradePhase, Wanted, World, label,
};

/// What the balancer process of `unit` serves.
pub fn balancer_config(world: &World, unit: UnitKey) -> BalancerConfig {
    let mut config = BalancerConfig::default();
    let Some(host) = world.unit(unit).map(|u| u.host) else { return config };
    let Some(service) = world.service(unit.service) else { return config };
    let Some(spec) = &service.balancer else { return config };
    let custom = spec.custom.as_deref().map(str::parse::<Tuning>);
    config.tuning = custom.and_then(Result::ok).unwrap_or_default();
    config.routing = world.withdrawn.get(&service.project).copied().unwrap_or_default();
    let mut rules: Vec<(usize, PortRule)> =
        rules(world, service, spec).into_iter().enumerate().collect();
    rules.sort_by_key(|(index, rule)| (rank(rule), *index));
    for (_, rule) in rules {
        let listener = config.listeners.entry(rule.source_port);
        let listener = listener.or_insert_with(|| listener_of(spec, &rule));
        let answers = answers(world, service, host, &rule);
        merge(&mut listener.routes, &rule, spec, answers);
    }
    for name in spec.certificates.iter().chain(&spec.default_certificate) {
        if let Some(pem) = certificate(world, service, name) {
            config.certificates.insert(name.clone(), pem);
        }
    }
    config.draining = draining(world, service);
    config.ledgers = ledgers(world, &config);
    config
}

/// Ports that any balancer of the project sends to on units of `service`, directly or by an alias.
pub(super) fn target_ports(world: &World, service: &Service) -> Vec<u16> {
    let balancers = world.balancers(service.project).filter_map(|id| world.service(id));
    let balancers = balancers.filter(|b| b.wanted != Wanted::Removed && b.id != service.id);
    let with_rules = balancers.filter_map(|b| b.balancer.as_ref().map(|spec| (b, spec)));
    let rules = with_rules.flat_map(|(b, spec)| rules(world, b, spec));
    let to_here = rules.filter(|rule| {
        rule.protocol != RuleProtocol::Udp
            && rule.service.is_some_and(|target| behind(world, target).contains(&service.id))
    });
    to_here.filter_map(|rule| rule.target_port).collect()
}

/// A balancer's rules with selectors put into services. What is found by its labels may say itself for which host and path,
/// and on which port. A balancer that is found says so by its own rules, and requests go straight to their targets;
/// unless the selector's rule has a port, which is then one of the balancer itself.
fn rules(world: &World, balancer: &Service, spec: &BalancerSpec) -> Vec<PortRule> {
    let mut all = found(world, balancer, spec, &[]);
    all.iter_mut().for_each(leave_out_unspoken);
    all
}

/// `within` are the balancers that ask for these rules: what they ask of each other in a circle adds nothing.
fn found(
    world: &World,
    balancer: &Service,
    spec: &BalancerSpec,
    within: &[ServiceId],
) -> Vec<PortRule> {
    let within = [within, &[balancer.id]].concat();
    let mut all = Vec::new();
    for rule in &spec.rules {
        let Some(selector) = &rule.selector else {
            all.push(rule.clone());
            // A rule for one side of an upgrade between services is one for the other too,.
            let twin = rule.service.and_then(|source| carried(world, source));
            let twin = twin.filter(|target| *target != balancer.id);
            all.extend(twin.map(|target| PortRule { service: Some(target), ..rule.clone() }));
            continue;
        };
        for target in selected(world, balancer, selector) {
            let plain = PortRule { service: Some(target.id), selector: None, ..rule.clone() };
            match &target.balancer {
                Some(own) if target.kind == ServiceKind::Balancer && rule.target_port.is_none() => {
                    let is_new = target.wanted == Wanted::Active && !within.contains(&target.id);
                    let theirs = is_new.then(|| found(world, target, own, &within));
                    all.extend(theirs.into_iter().flatten().filter_map(|own| through(rule, own)));
                }
                Some(own) if target.kind != ServiceKind::Balancer && !own.rules.is_empty() => {
                    all.extend(own.rules.iter().map(|own| beside(&plain, own)));
                }
                Some(_) | None => all.push(plain),
            }
        }
    }
    all
}

/// A rule that found a service which has something to say itself.
fn beside(plain: &PortRule, own: &PortRule) -> PortRule {
    PortRule {
        hostname: own.hostname.clone().or_else(|| plain.hostname.clone()),
        path: own.path.clone().or_else(|| plain.path.clone()),
        target_port: own.target_port.or(plain.target_port),
        backend_name: own.backend_name.clone().or_else(|| plain.backend_name.clone()),
        weight: own.weight.or(plain.weight),
        ..plain.clone()
    }
}

/// Another balancer's rule, on the port of the one that found it; none where that port speaks something else.
fn through(rule: &PortRule, own: PortRule) -> Option<PortRule> {
    let spoken = |protocol: RuleProtocol| match protocol {
        RuleProtocol::Http | RuleProtocol::Https => RuleProtocol::Http,
        RuleProtocol::Tcp | RuleProtocol::Tls => RuleProtocol::Tcp,
        RuleProtocol::Sni => RuleProtocol::Sni,
        RuleProtocol::Udp => RuleProtocol::Udp,
    };
    (spoken(rule.protocol) == spoken(own.protocol)).then(|| PortRule {
        source_port: rule.source_port,
        protocol: rule.protocol,
        priority: own.priority.or(rule.priority),
        ..own
    })
}

/// What is not HTTP has no paths and, but for SNI, no host names: all targets of the port balance together.
fn leave_out_unspoken(rule: &mut PortRule) {
    match rule.protocol {
        RuleProtocol::Http | RuleProtocol::Https => {}
        RuleProtocol::Sni => rule.path = None,
        RuleProtocol::Tcp | RuleProtocol::Tls | RuleProtocol::Udp => {
            (rule.hostname, rule.path) = (None, None);
        }
    }
}

fn listener_of(spec: &BalancerSpec, rule: &PortRule) -> Listener {
    let ends_tls = matches!(rule.protocol, RuleProtocol::Https | RuleProtocol::Tls);
    Listener {
        protocol: rule.protocol,
        routes: Vec::new(),
        certificates: if ends_tls { spec.certificates.clone() } else { Vec::new() },
        default_certificate: spec.default_certificate.clone().filter(|_| ends_tls),
    }
}

fn certificate(world: &World, service: &Service, name: &str) -> Option<CertificatePem> {
    let mut held = world.certificates.values();
    let held = held.find(|c| {
        c.project == service.project && c.removed_at.is_none() && c.name.eq_ignore_ascii_case(name)
    })?;
    let chain = format!("{}\n{}", held.certificate.trim_end(), held.chain);
    Some(CertificatePem { chain, key: held.key.clone() })
}

/// Least first. An explicit priority goes before everything without one.
type Rank = (bool, u32, u8, Reverse<usize>, Reverse<usize>);

fn rank(rule: &PortRule) -> Rank {
    let host = rule.hostname.as_deref().unwrap_or("");
    let path = rule.path.as_deref().unwrap_or("");
    let kind = match (host.is_empty(), is_wildcard(host), path.is_empty()) {
        (false, false, false) => 1,
        (false, false, true) => 2,
        (false, true, false) => 3,
        (false, true, true) => 4,
        (true, _, false) => 5,
        (true, _, true) => 6,
    };
    let priority = rule.priority.unwrap_or(0);
    (rule.priority.is_none(), priority, kind, Reverse(path.len()), Reverse(host.len()))
}

/// `*.suffix` or `prefix.*`; a star anywhere else is taken literally.
fn is_wildcard(host: &str) -> bool {
    host.len() > 2 && (host.starts_with('*') || host.ends_with('*'))
}

/// Who answers a rule's requests.
struct Answers {
    targets: Vec<Target>,
    hold: Option<Hold>,
}

/// Rules for the same host and path share one route; an address is listed once.
fn merge(routes: &mut Vec<Route>, rule: &PortRule, spec: &BalancerSpec, answers: Answers) {
    let wanted = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let (hostname, path) = (wanted(&rule.hostname), wanted(&rule.path));
    let Answers { targets, hold } = answers;
    let same = routes.iter_mut().find(|r| r.hostname == hostname && r.path == path);
    match same {
        None => routes.push(Route {
            backend: backend(rule),
            hostname,
            path,
            targets,
            service: rule.service,
            hold,
            stickiness: spec
                .stickiness
                .clone()
                .and_then(|given| serde_json::from_value(given).ok()),
        }),
        Some(route) => {
            route.hold = route.hold.or(hold);
            for target in targets {
                if route.targets.iter().all(|held| held.address != target.address) {
                    route.targets.push(target);
                }
            }
        }
    }
}

/// Rancher's name of a backend: `80_host_path`, with everything else than letters and digits as `_`.
fn backend(rule: &PortRule) -> String {
    if let Some(name) = rule.backend_name.clone().filter(|name| !name.is_empty()) {
        return name;
    }
    let host = rule.hostname.as_deref().unwrap_or_default();
    let path = rule.path.as_deref().unwrap_or_default();
    let name = format!("{}_{host}_{path}", rule.source_port);
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn answers(world: &World, balancer: &Service, from: HostId, rule: &PortRule) -> Answers {
    let mut answers = Answers { targets: Vec::new(), hold: None };
    let (Some(service), Some(port)) = (rule.service, rule.target_port) else { return answers };
    let weight = rule.weight.unwrap_or(1);
    let mut found = BTreeMap::new();
    let behind = behind(world, service).into_iter().filter_map(|id| world.service(id));
    for service in behind.filter(|service| service.wanted == Wanted::Active) {
        answers.hold = answers.hold.or_else(|| is_coming(world, service).then_some(Hold::DEFAULT));
        collect(world, from, service, port, weight, &mut found);
    }
    let targets = found.into_values().collect();
    answers.targets = nearest(world, balancer, from, targets);
    answers
}

/// The check of what runs there: versions and services that share a route need not have the same.
fn check_of(world: &World, unit: UnitKey) -> Option<HealthCheck> {
    world.template(unit.service, unit.revision)?.primary.health_check.clone()
}

fn collect(
    world: &World,
    from: HostId,
    service: &Service,
    port: u16,
    weight: u16,
    found: &mut BTreeMap<(UnitKey, String), Target>,
) {
    for unit in world.units_of(service.id).filter(|unit| is_serving(world, unit)) {
        let Some(address) = address(world, from, service, unit, port) else { continue };
        let check = check_of(world, unit.key);
        let host = Some(unit.host);
        let target = Target { unit: unit.key, address: address.clone(), host, weight, check };
        found.insert((unit.key, address), target);
    }
    let external = service.external.iter().filter(|_| service.kind == ServiceKind::External);
    let addresses = external.flat_map(|external| {
        let check = external.health_check.as_ref();
        external.addresses.iter().chain(&external.hostname).map(move |address| (address, check))
    });
    for (index, (address, check)) in (1u32..).zip(addresses) {
        // Not a unit of ours, but counted like one: one slot for each address.
        let slot = Slot::Number(index);
        let unit = UnitKey { service: service.id, slot, revision: service.current, incarnation: 0 };
        let address = with_port(address, port);
        let (check, address_) = (check.cloned(), address.clone());
        let target = Target { unit, address: address_, host: None, weight, check };
        found.insert((unit, address), target);
    }
}

/// Targets on the balancer's own host, where its label asks for those only or first.
fn nearest(world: &World, balancer: &Service, from: HostId, all: Vec<Target>) -> Vec<Target> {
    let template = world.current_template(balancer);
    let wish = template.and_then(|t| t.primary.label(label::BALANCER_TARGET)).unwrap_or_default();
    let is_here = |target: &Target| world.unit(target.unit).is_none_or(|unit| unit.host == from);
    let near = || all.iter().filter(|target| is_here(target)).cloned().collect::<Vec<_>>();
    match wish.trim() {
        "only-local" => near(),
        "prefer-local" => Some(near()).filter(|near| !near.is_empty()).unwrap_or(all),
        _ => all,
    }
}

/// Whether a unit of the service can be expected to serve soon: one is being started or swapped, and none fails again
/// and again.
fn is_coming(world: &World, service: &Service) -> bool {
    let swaps = service.restart.is_some()
        || world.upgrade(service.id).is_some_and(|upgrade| {
            matches!(upgrade.phase, UpgradePhase::Upgrading | UpgradePhase::RollingBack)
        });
    let mut failing = false;
    let mut starting = false;
    for unit in world.units_of(service.id).filter(|unit| unit.desired == Desired::Running) {
        let seen = world.observed(unit.key);
        failing |= seen.is_some_and(|seen| seen.attempt > 1 || seen.phase == Phase::BackOff);
        starting |= !world.is_lost(unit.host);
    }
    starting && !failing || swaps && !failing && service.kind.has_units()
}

/// Units that leave, and how long their requests may take.
fn draining(world: &World, balancer: &Service) -> BTreeMap<UnitKey, u64> {
    let services = world.services.values().filter(|s| s.project == balancer.project);
    let units = services.flat_map(|service| world.units_of(service.id));
    let leaving = units.filter(|unit| unit.desired == Desired::Draining);
    leaving.map(|unit| (unit.key, drain_timeout_ms(world, unit))).collect()
}

/// The countings that requests of this configuration's services are for.
fn ledgers(world: &World, config: &BalancerConfig) -> BTreeMap<ServiceId, u64> {
    let routes = config.listeners.values().flat_map(|listener| &listener.routes);
    let named = routes.flat_map(|route| {
        route.targets.iter().map(|target| target.unit.service).chain(route.service)
    });
    named.filter_map(|id| Some((id, ledger_number(world, id)?))).collect()
}

/// How `unit` is reached on `port` from the host `from`: by its own address in the project's network; by its host's
/// where it has no network of its own or hides in Docker's.
fn address(
    world: &World,
    from: HostId,
    service: &Service,
    unit: &Unit,
    port: u16,
) -> Option<String> {
    let host = world.host(unit.host)?;
    let template = world.template(service.id, unit.key.revision)?;
    if template.primary.network == NetworkMode::Host {
        return Some(with_port(&host.address, port));
    }
    let is_routed = template.primary.network == NetworkMode::Managed && host.subnet.is_some();
    if unit.host != from && !is_routed {
        let published = resolve(service, &template.primary.ports)
            .find(|p| p.private == port && p.protocol == Protocol::Tcp && p.ip.is_none());
        if let Some(public) = published.and_then(|p| p.public) {
            return Some(with_port(&host.address, public));
        }
    }
    let own = &world.observed(unit.key)?.containers.get("")?.address;
    (!own.is_empty()).then(|| with_port(own, port))
}

fn with_port(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
