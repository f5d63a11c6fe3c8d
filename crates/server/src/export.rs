//! A stack of the cluster as compose files: the snapshot's ids turned back into names.
//!
//! Only for stacks (or parts of them) that were not made from files; those are given back as they came.

use std::collections::{BTreeMap, BTreeSet};

use drover_api::Kind;
use drover_compose::{
    Exported, LinkSpec, NamedBalancer, NamedRule, NeedSpec, ServiceSpec, StackSpec, VolumeSpec,
};
use drover_core::{
    BalancerSpec, ContainerSpec, DependsOn, Link, PortRule, Service, ServiceId, StackId, Template,
    Wanted, World,
};
use serde_json::{Value, json};

/// Label and metadata key in which clients keep a hash of what they sent.
const CLIENT_HASH: &str = "io.rancher.service.hash";

/// The answer: a `composeConfig`.
pub(crate) fn compose_config(world: &World, stack: StackId, services: &[ServiceId]) -> Value {
    let Exported { docker_compose, rancher_compose } =
        drover_compose::export(&stack_spec(world, stack, services));
    json!({
        "id": null, "type": "composeConfig", "links": {}, "actions": {},
        "dockerComposeConfig": docker_compose, "rancherComposeConfig": rancher_compose,
    })
}

fn stack_spec(world: &World, stack: StackId, services: &[ServiceId]) -> StackSpec {
    let names = Names { world, stack };
    let services = services.iter().filter_map(|id| world.service(*id));
    let mut services: Vec<ServiceSpec> = services.map(|service| names.service(service)).collect();
    let exported: BTreeSet<String> = services.iter().map(|service| service.name.clone()).collect();
    for service in &mut services {
        service.depends_on.retain(|need| exported.contains(&need.service));
    }
    let volumes = world.volume_templates.values();
    let volumes = volumes.filter(|v| v.stack == stack && v.removed_at.is_none()).map(|volume| {
        let spec = VolumeSpec {
            driver: volume.driver.clone(),
            driver_options: volume.driver_options.clone(),
            external: volume.external,
            per_container: volume.per_container,
            ..VolumeSpec::default()
        };
        (volume.name.clone(), spec)
    });
    StackSpec { services, volumes: volumes.collect::<BTreeMap<_, _>>() }
}

/// Names as seen from one stack.
struct Names<'a> {
    world: &'a World,
    stack: StackId,
}

impl Names<'_> {
    fn service(&self, service: &Service) -> ServiceSpec {
        let template = self.world.current_template(service).map(|t| (**t).clone());
        let mut metadata = service.metadata.clone();
        metadata.remove(CLIENT_HASH);
        ServiceSpec {
            name: service.name.clone(),
            kind: service.kind,
            scale: Some(service.scale).filter(|_| service.scale_policy.is_none()),
            scale_policy: service.scale_policy,
            template: plain(template.unwrap_or_default()),
            depends_on: service.depends_on.iter().filter_map(|held| self.need(held)).collect(),
            links: service.links.iter().map(|link| self.link(link)).collect(),
            balancer: service.balancer.as_ref().map(|spec| self.balancer(spec)),
            external: service.external.clone(),
            driver: service.driver.clone(),
            metadata,
            retain_ip: service.retain_ip,
            start_on_create: true,
            upgrade: service.upgrade_defaults.clone(),
            selector_link: service.selector_link.clone(),
            selector_container: service.selector_container.clone(),
            ..ServiceSpec::default()
        }
    }

    /// One that is gone is waited for by nobody.
    fn need(&self, held: &DependsOn) -> Option<NeedSpec> {
        let needed = self.world.service(held.service)?;
        let service = Some(needed).filter(|held| held.wanted != Wanted::Removed)?.name.clone();
        Some(NeedSpec { service, condition: held.condition })
    }

    fn link(&self, link: &Link) -> LinkSpec {
        let (stack, service) = self.name(link.service);
        LinkSpec { stack, service, alias: link.alias.clone() }
    }

    fn balancer(&self, spec: &BalancerSpec) -> NamedBalancer {
        NamedBalancer {
            rules: spec.rules.iter().map(|rule| self.rule(rule)).collect(),
            certificates: spec.certificates.clone(),
            default_certificate: spec.default_certificate.clone(),
            custom: spec.custom.clone(),
            stickiness: spec.stickiness.clone(),
        }
    }

    fn rule(&self, rule: &PortRule) -> NamedRule {
        let target = rule.service.map(|id| match self.name(id) {
            (None, service) => service,
            (Some(stack), service) => format!("{stack}/{service}"),
        });
        NamedRule {
            source_port: rule.source_port,
            protocol: rule.protocol,
            hostname: rule.hostname.clone(),
            path: rule.path.clone(),
            priority: rule.priority,
            service: target,
            selector: rule.selector.clone(),
            target_port: rule.target_port,
            backend_name: rule.backend_name.clone(),
            weight: rule.weight,
        }
    }

    /// The stack, if it is another one, and the name. What is gone keeps its id: a name nothing has.
    fn name(&self, id: ServiceId) -> (Option<String>, String) {
        let Some(service) = self.world.service(id) else { return (None, Kind::Service.id(id.0)) };
        let other = self.world.stacks.get(&service.stack).filter(|stack| stack.id != self.stack);
        (other.map(|stack| stack.name.clone()), service.name.clone())
    }
}

/// Without what clients wrote there for themselves: files that are read again get it anew.
fn plain(template: Template) -> Template {
    let plain = |mut spec: ContainerSpec| {
        spec.labels.remove(CLIENT_HASH);
        spec
    };
    let sidekicks = template.sidekicks.into_iter().map(|(name, spec)| (name, plain(spec)));
    Template { primary: plain(template.primary), sidekicks: sidekicks.collect() }
}
