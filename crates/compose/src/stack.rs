//! What the files of a stack ask for, by name: the outcome of parsing, the input of an export.
//!
//! Not the cluster's own form: services are known by name here, ids come when the server takes them in.

use std::collections::BTreeMap;

use drover_core::{
    Condition, Driver, External, RuleProtocol, ScalePolicy, ServiceKind, Template, UpgradeDefaults,
};
use serde::Serialize;

use crate::Place;

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StackSpec {
    /// Its services, those others depend on first.
    pub services: Vec<ServiceSpec>,
    /// The volumes it declares.
    pub volumes: BTreeMap<String, VolumeSpec>,
}

/// A service and its sidekicks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub kind: ServiceKind,
    /// Units wanted when it is made; `None` where the files don't say.
    pub scale: Option<u32>,
    /// The containers of one unit.
    pub template: Template,
    /// Services it reaches under a name. For an alias: the services behind it.
    pub links: Vec<LinkSpec>,
    /// Services of this stack that are made before it, and what must be so of them before it starts.
    pub depends_on: Vec<NeedSpec>,
    /// For a balancer: its rules. For others: what balancers that select it by labels shall know.
    pub balancer: Option<NamedBalancer>,
    /// For an external service.
    pub external: Option<External>,
    /// What it says of the driver that its containers install on hosts.
    pub driver: Option<Driver>,
    /// Free data, verbatim.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// A slot keeps its address.
    pub retain_ip: bool,
    /// Start it when it is made; Rancher's default is yes.
    pub start_on_create: bool,
    /// How upgrades go.
    pub upgrade: UpgradeDefaults,
    /// Services whose labels match count as links.
    pub selector_link: Option<String>,
    /// Containers whose labels match count as its own.
    pub selector_container: Option<String>,
    /// Scale by what the cluster can hold.
    pub scale_policy: Option<ScalePolicy>,
    /// Where it stands.
    #[serde(skip)]
    pub at: Place,
}

/// A service of the same stack, and what must be so of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeedSpec {
    /// The service.
    pub service: String,
    /// What must be so.
    pub condition: Condition,
}

/// A link to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkSpec {
    /// The stack it is in; `None` is this one.
    pub stack: Option<String>,
    /// The service.
    pub service: String,
    /// The name it is reached by; empty is its own.
    pub alias: String,
}

/// [`drover_core::BalancerSpec`] with targets by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NamedBalancer {
    /// Where requests go.
    pub rules: Vec<NamedRule>,
    /// Certificates, by name.
    pub certificates: Vec<String>,
    /// The certificate for names that none of them is for.
    pub default_certificate: Option<String>,
    /// HAProxy text, as given.
    pub custom: Option<String>,
    /// Cookie stickiness, as given.
    pub stickiness: Option<serde_json::Value>,
}

/// [`drover_core::PortRule`] with its target by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NamedRule {
    /// Port the balancer listens on; 0 on the target side of a selector rule.
    pub source_port: u16,
    /// What is spoken on it.
    pub protocol: RuleProtocol,
    /// Host name: exact, `*.suffix` or `prefix.*`; `None` matches all.
    pub hostname: Option<String>,
    /// Path prefix; `None` matches all.
    pub path: Option<String>,
    /// Lower first.
    pub priority: Option<u32>,
    /// Target by name: `service`, or `stack/service` for another stack…
    pub service: Option<String>,
    /// …or by labels.
    pub selector: Option<String>,
    /// Port of the target's containers.
    pub target_port: Option<u16>,
    /// Name for custom configuration.
    pub backend_name: Option<String>,
    /// Share of the traffic, 0–256.
    pub weight: Option<u16>,
}

/// A declared volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VolumeSpec {
    /// Docker volume driver; empty is `local`.
    pub driver: String,
    /// Its options.
    pub driver_options: BTreeMap<String, String>,
    /// Exists already in the environment.
    pub external: bool,
    /// One for each slot instead of one for the stack.
    pub per_container: bool,
    /// Where it stands.
    #[serde(skip)]
    pub at: Place,
}

impl StackSpec {
    /// A service of it.
    pub fn service(&self, name: &str) -> Option<&ServiceSpec> {
        self.services.iter().find(|s| s.name == name)
    }
}
