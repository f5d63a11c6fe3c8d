//! The things of the metadata tree: Rancher's fields of containers, services, stacks, hosts and the network, from our
//! facts. What we have no notion of is there and empty: templates read fields without asking whether they exist.

use drover_core::{
    DiscoveredContainer, DiscoveredHost, DiscoveredMember, DiscoveredService, DiscoveredStack,
    Discovery, Health, HealthCheck, NetworkMode, Phase, PortSpec, ServiceKind, StackId, Wanted,
    label, uuid,
};
use serde_json::{Map, Value, json};

use super::edition::Edition;
use super::names::ZONE;

/// Writes things as one version has them.
#[derive(Clone, Copy)]
pub(super) struct Objects<'a> {
    pub(super) facts: &'a Discovery,
    pub(super) edition: Edition,
}

impl Objects<'_> {
    /// Every container of every service.
    pub(super) fn containers(self) -> Vec<Value> {
        let services = self.facts.services.values();
        let all = services.flat_map(|s| s.containers.iter().map(|c| self.container(s, c)));
        all.collect()
    }

    /// Every service; each sidekick is one of its own.
    pub(super) fn services(self) -> Vec<Value> {
        self.facts.services.values().flat_map(|service| self.with_sidekicks(service)).collect()
    }

    /// Every stack.
    pub(super) fn stacks(self) -> Vec<Value> {
        self.facts.stacks.iter().map(|(id, stack)| self.stack(*id, stack)).collect()
    }

    /// Every host.
    pub(super) fn hosts(self) -> Vec<Value> {
        self.facts.hosts.iter().map(|(id, host)| self.host(id.0, host)).collect()
    }

    /// The one network.
    pub(super) fn networks(self) -> Vec<Value> {
        vec![json!({
            "name": NETWORK,
            "uuid": self.network_uuid(),
            "environment_uuid": self.facts.project.uuid,
            "is_default": true,
            "host_ports": true,
            "metadata": {},
            "default_policy_action": "allow",
            "policy": [],
        })]
    }

    /// A container.
    pub(super) fn container(
        self,
        service: &DiscoveredService,
        container: &DiscoveredContainer,
    ) -> Value {
        let unknown = DiscoveredMember::default();
        let member = service.members.get(&container.member).unwrap_or(&unknown);
        let host = self.facts.hosts.get(&container.host);
        // Who shares another's network has no address of its own here; names lead to the other's.
        let owner = match &member.network {
            NetworkMode::Container(owner) => sibling(service, container, owner),
            _ => None,
        };
        let ip = Some(&container.address).filter(|ip| owner.is_none() && !ip.is_empty());
        let is_ours = member.network == NetworkMode::Managed;
        let (stack_name, stack_uuid) = self.stack_of(service);
        json!({
            "name": self.spell(&container.name),
            "uuid": container.uuid,
            "primary_ip": ip,
            "ips": ip.into_iter().collect::<Vec<_>>(),
            "primary_mac_address": null,
            "ports": self.bound_ports(member, host.map(|host| host.address.as_str())),
            "hostname": hostname(member, container),
            "labels": labels(member, service, container, &stack_name),
            "state": state(container.phase),
            "health_state": health_state(member, container),
            "health_check": health_check(member.health_check.as_ref()),
            "health_check_hosts": [],
            "start_count": container.starts,
            "create_index": container.serial,
            "service_index": container.index,
            "service_name": self.spell(member_name(service, &container.member)),
            "service_uuid": service.uuid,
            "stack_name": self.spell(&stack_name),
            "stack_uuid": stack_uuid,
            "host_uuid": host.map(|host| &host.uuid),
            "environment_uuid": self.facts.project.uuid,
            "network_uuid": is_ours.then(|| self.network_uuid()),
            "network_from_container_uuid": owner.map(|owner| &owner.uuid),
            "external_id": container.docker_id,
            "dns": if is_ours { vec![drover_core::DISCOVERY_ADDRESS] } else { Vec::new() },
            "dns_search": dns_search(member, service, &stack_name),
            "links": {},
            "memory_reservation": null,
            "milli_cpu_reservation": null,
            "system": false,
        })
    }

    /// A service as its primary has it, then its sidekicks.
    pub(super) fn with_sidekicks(self, service: &DiscoveredService) -> Vec<Value> {
        let members = std::iter::once("").chain(service.sidekicks.iter().map(String::as_str));
        members.map(|member| self.service(service, member)).collect()
    }

    /// One member of a service.
    pub(super) fn service(self, service: &DiscoveredService, member: &str) -> Value {
        let unknown = DiscoveredMember::default();
        let spec = service.members.get(member).unwrap_or(&unknown);
        let (stack_name, stack_uuid) = self.stack_of(service);
        let name = self.spell(member_name(service, member));
        let containers = service.containers.iter().filter(|c| c.member == member);
        let external = service.external.as_ref();
        let checked = external.and_then(|external| external.health_check.as_ref());
        let sidekicks = service.sidekicks.iter().filter(|_| member.is_empty());
        let balancer = Some(&service.lb_config).filter(|_| member.is_empty());
        json!({
            "name": name,
            "uuid": service.uuid,
            "stack_name": self.spell(&stack_name),
            "stack_uuid": stack_uuid,
            "kind": kind(service.kind),
            "state": wanted(service.wanted),
            "scale": service.scale,
            "hostname": external.and_then(|e| e.hostname.as_ref()).or(spec.hostname.as_ref()),
            "vip": null,
            "fqdn": null,
            "external_ips": external.map(|e| e.addresses.clone()).unwrap_or_default(),
            "ports": spec.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "expose": spec.expose,
            "labels": spec.labels,
            "metadata": service.metadata,
            "sidekicks": sidekicks.map(|name| self.spell(name)).collect::<Vec<_>>(),
            "primary_service_name": self.spell(&service.name),
            "links": self.links(service),
            "containers": containers
                .map(|c| self.nested(&c.name, || self.container(service, c)))
                .collect::<Vec<_>>(),
            "health_check": health_check(checked.or(spec.health_check.as_ref())),
            "lb_config": balancer,
            "create_index": service.containers.iter().map(|c| c.serial).max(),
            "environment_uuid": self.facts.project.uuid,
            "system": false,
            "token": null,
        })
    }

    /// A stack with its services.
    pub(super) fn stack(self, id: StackId, stack: &DiscoveredStack) -> Value {
        let services = self.facts.services.values().filter(|service| service.stack == id);
        let services = services.flat_map(|service| {
            let members = std::iter::once("").chain(service.sidekicks.iter().map(String::as_str));
            members.map(|member| {
                self.nested(member_name(service, member), || self.service(service, member))
            })
        });
        json!({
            "name": self.spell(&stack.name),
            "uuid": stack.uuid,
            "environment_name": self.facts.project.name,
            "environment_uuid": self.facts.project.uuid,
            "services": services.collect::<Vec<_>>(),
            "system": false,
        })
    }

    /// A host.
    pub(super) fn host(self, id: u64, host: &DiscoveredHost) -> Value {
        let mut fields = json!({
            "name": host.name,
            "hostname": host.hostname,
            "uuid": host.uuid,
            "agent_ip": host.address,
            "labels": host.labels,
            "state": if host.active { "active" } else { "inactive" },
            "agent_state": if host.connected { "active" } else { "disconnected" },
            "milli_cpu": host.milli_cpu,
            "memory": host.memory,
            "local_storage_mb": null,
            "environment_uuid": self.facts.project.uuid,
        });
        if self.edition < Edition::Third {
            fields["hostId"] = id.into();
        }
        fields
    }

    fn spell(self, name: &str) -> String {
        self.edition.spell(name)
    }

    /// A thing within another: itself, or its name where the version has names.
    fn nested(self, name: &str, whole: impl FnOnce() -> Value) -> Value {
        if self.edition.nests() { whole() } else { name.into() }
    }

    fn network_uuid(self) -> String {
        uuid(&self.facts.project.uuid, "network")
    }

    fn stack_of(self, service: &DiscoveredService) -> (String, String) {
        let stack = self.facts.stacks.get(&service.stack);
        stack.map(|stack| (stack.name.clone(), stack.uuid.clone())).unwrap_or_default()
    }

    /// `address:public:private/protocol`.
    fn bound_ports(self, member: &DiscoveredMember, host: Option<&str>) -> Vec<String> {
        let everywhere = match self.edition {
            Edition::First | Edition::Second => host.unwrap_or("0.0.0.0"),
            Edition::Third => "0.0.0.0",
        };
        let bound = |port: &PortSpec| {
            let (ip, public) = (port.ip.as_deref().unwrap_or(everywhere), port.public?);
            Some(format!("{ip}:{public}:{}/{}", port.private, port.protocol))
        };
        member.ports.iter().filter_map(bound).collect()
    }

    /// `stack/service` to alias; of two aliases for one service one is left, as in Rancher.
    fn links(self, service: &DiscoveredService) -> Map<String, Value> {
        let link = |(alias, target): &(String, _)| {
            let target = self.facts.services.get(target)?;
            let (stack, _) = self.stack_of(target);
            let key = self.spell(&format!("{stack}/{}", target.name));
            let alias = if alias.is_empty() { &target.name } else { alias };
            Some((key, alias.as_str().into()))
        };
        service.links.iter().filter_map(link).collect()
    }
}

/// What Rancher calls the network of a project.
const NETWORK: &str = "ipsec";

fn member_name<'a>(service: &'a DiscoveredService, member: &'a str) -> &'a str {
    if member.is_empty() { &service.name } else { member }
}

/// Another container of the same unit.
fn sibling<'a>(
    service: &'a DiscoveredService,
    container: &DiscoveredContainer,
    member: &str,
) -> Option<&'a DiscoveredContainer> {
    service.containers.iter().find(|c| c.unit == container.unit && c.member == member)
}

/// Docker's: what was asked for, or the short id.
fn hostname(member: &DiscoveredMember, container: &DiscoveredContainer) -> Option<String> {
    const SHORT: usize = 12;
    let override_ = member.labels.get(label::HOSTNAME_OVERRIDE).map(String::as_str);
    if override_ == Some("container_name") {
        return Some(container.name.clone());
    }
    let short = || container.docker_id.get(..SHORT).map(str::to_owned);
    member.hostname.clone().or_else(short)
}

/// What short names are tried with inside the container.
fn dns_search(member: &DiscoveredMember, service: &DiscoveredService, stack: &str) -> Vec<String> {
    let mut search = member.dns_search.clone();
    if member.network == NetworkMode::Managed {
        let stack = format!("{stack}.{ZONE}").to_lowercase();
        let service = service.name.to_lowercase();
        search.extend([stack.clone(), format!("{service}.{stack}"), ZONE.to_owned()]);
    }
    search
}

/// The user's, and those that every container of ours carries.
fn labels(
    member: &DiscoveredMember,
    service: &DiscoveredService,
    container: &DiscoveredContainer,
    stack: &str,
) -> Map<String, Value> {
    let sidekick = if container.member.is_empty() { "" } else { "/" };
    let service = format!("{stack}/{}{sidekick}{}", service.name, container.member);
    let given = member.labels.iter().map(|(key, value)| (key.as_str(), value.clone()));
    let set = [
        (label::STACK, stack.to_owned()),
        (label::STACK_SERVICE, service.clone()),
        ("io.rancher.project.name", stack.to_owned()),
        ("io.rancher.project_service.name", service),
        ("io.rancher.container.name", container.name.clone()),
        ("io.rancher.container.uuid", container.uuid.clone()),
    ];
    given.chain(set).map(|(key, value)| (key.to_owned(), value.into())).collect()
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending | Phase::Pulling => "creating",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::BackOff | Phase::Completed | Phase::Stopped | Phase::Gone => "stopped",
    }
}

fn health_state(
    member: &DiscoveredMember,
    container: &DiscoveredContainer,
) -> Option<&'static str> {
    match container.health {
        Health::None if member.health_check.is_none() => None,
        Health::None | Health::Starting => Some("initializing"),
        Health::Healthy => Some("healthy"),
        Health::Unhealthy => Some("unhealthy"),
    }
}

fn health_check(check: Option<&HealthCheck>) -> Value {
    check.map_or(Value::Null, |check| {
        json!({
            "port": check.port,
            "request_line": check.request_line,
            "interval": check.interval_ms,
            "response_timeout": check.response_timeout_ms,
            "healthy_threshold": check.healthy_threshold,
            "unhealthy_threshold": check.unhealthy_threshold,
        })
    })
}

fn kind(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Containers => "service",
        ServiceKind::Balancer => "loadBalancerService",
        ServiceKind::Alias => "dnsService",
        ServiceKind::External => "externalService",
    }
}

fn wanted(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Inactive => "inactive",
        Wanted::Active => "active",
        Wanted::Removed => "removing",
    }
}
