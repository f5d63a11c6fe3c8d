//! Services and their revisions: what users ask for.
//!
//! A service row holds what can change while containers run (scale, links, balancer rules); a revision holds
//! what can't. Every edit of the container configuration makes a new, immutable revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    BalancerSpec, ContainerSpec, DependsOn, HealthCheck, ProjectId, Protocol, Rebalance,
    RevisionNo, ScalePolicy, ServiceId, StackId, Time, UpgradePolicy,
};

/// A service. `settled` is the planner's, and so is `scale` where there is a scale policy; everything else is the users'. For them the planner ends a restart and strikes
/// moves that are over, and the end of an upgrade between services writes scales, links and rules (`world/handover.rs`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its key.
    pub id: ServiceId,
    /// The environment it lives in.
    pub project: ProjectId,
    /// The stack it belongs to.
    pub stack: StackId,
    /// Unique ignoring case in the stack.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is made of.
    pub kind: ServiceKind,
    /// Units wanted; ignored for a global service. With a scale policy it is the planner's to find out.
    pub scale: u32,
    /// How the scale is found out, if users don't set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_policy: Option<ScalePolicy>,
    /// What users want of it.
    pub wanted: Wanted,
    /// The last `wanted` that was reached; `None` until the first. Written by the planner. It tells a
    /// service that is on its way ("activating") from one that arrived and now heals ("active").
    #[serde(default)]
    pub settled: Option<Wanted>,
    /// The revision to run; the newest unless an upgrade was rolled back.
    pub current: RevisionNo,
    /// Other services it reaches by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Others of its stack, and what must be so of them before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependsOn>,
    /// For [`ServiceKind::Balancer`]: its rules. For others: the target side of selector rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancer: Option<BalancerSpec>,
    /// For [`ServiceKind::External`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Free data for the metadata service, stored verbatim.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Public ports picked for ports published without one, by private port; kept over upgrades.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picked_ports: Vec<PickedPort>,
    /// A slot keeps its address.
    #[serde(default)]
    pub retain_ip: bool,
    /// Adopt the services whose labels match as links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector_link: Option<String>,
    /// Adopt the containers whose labels match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector_container: Option<String>,
    /// How upgrades go when the request doesn't say.
    #[serde(default)]
    pub upgrade_defaults: UpgradeDefaults,
    /// A rolling restart that was asked for and is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Moves of its units that were asked for and are not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<Rebalance>,
    /// What clients say of it and read back.
    #[serde(default, skip_serializing_if = "Remarks::is_empty")]
    pub remarks: Remarks,
    /// It installs a driver on hosts: what users say of that, kept to be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Driver>,
    /// When it was made.
    pub created_at: Time,
    /// When its removal was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// What clients say of a service when they make it, and read back. Nothing goes by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remarks {
    /// The caller's own key of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// An address that stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<String>,
    /// It was to have such an address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assign_service_ip_address: bool,
    /// It was to start as soon as it was made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub start_on_create: bool,
}

impl Remarks {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a service is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// Containers from an image.
    #[default]
    Containers,
    /// Drover's own load balancer.
    Balancer,
    /// A name for other services; no containers.
    Alias,
    /// A name for addresses outside; no containers.
    External,
}

impl ServiceKind {
    /// Whether the planner makes units for it.
    pub fn has_units(self) -> bool {
        match self {
            Self::Containers | Self::Balancer => true,
            Self::Alias | Self::External => false,
        }
    }
}

/// What users want of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Containers stopped but kept.
    Inactive,
    /// Running.
    Active,
    /// Gone.
    Removed,
}

/// What a service that installs a driver says of it, verbatim. Its containers run as any others do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// A driver of volumes.
    Storage(serde_json::Map<String, serde_json::Value>),
    /// A driver of networks.
    Network(serde_json::Map<String, serde_json::Value>),
}

/// A link to another service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The target.
    pub service: ServiceId,
    /// Name it is reached by; empty means the target's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// Where an external service really is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Or a host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Its health check: balancers check it, nobody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// A public port picked for a private one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PickedPort {
    /// Port in the container.
    pub private: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port on every host that runs a unit.
    pub public: u16,
}

/// Upgrade settings a service carries for requests that leave them out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpgradeDefaults {
    /// Units per batch.
    pub batch_size: Option<u32>,
    /// Pause between batches.
    pub interval_ms: Option<u64>,
    /// Start the new unit before stopping the old.
    pub start_first: Option<bool>,
    /// What is decided without people.
    #[serde(skip_serializing_if = "UpgradePolicy::is_plain")]
    pub policy: UpgradePolicy,
}

/// A rolling restart in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Its number; a unit whose `run` is lower has not been restarted yet.
    pub run: u64,
    /// Units per batch.
    pub batch_size: u32,
    /// Pause between batches.
    pub interval_ms: u64,
}

/// One immutable configuration of a service's containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The service.
    pub service: ServiceId,
    /// Its number, from 1.
    pub number: RevisionNo,
    /// The containers of one unit.
    pub template: Arc<Template>,
    /// Image reference → digest, filled in once each is known, never changed after: every slot runs the
    /// same image even when a tag moves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, String>,
    /// Who made it: an access key, or what of Drover.
    pub by: String,
    /// Why, in the words of whoever did; empty if nothing was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When.
    pub created_at: Time,
}

/// The containers of one unit: a primary and its sidekicks, placed and replaced together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The primary container.
    pub primary: ContainerSpec,
    /// Sidekicks by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sidekicks: BTreeMap<String, ContainerSpec>,
}

impl Template {
    /// All members: the primary under the empty name, then the sidekicks.
    pub fn members(&self) -> impl Iterator<Item = (&str, &ContainerSpec)> {
        let sidekicks = self.sidekicks.iter().map(|(name, spec)| (name.as_str(), spec));
        std::iter::once(("", &self.primary)).chain(sidekicks)
    }

    /// Number of containers per unit.
    pub fn len(&self) -> usize {
        1 + self.sidekicks.len()
    }

    /// Never: a unit has at least its primary.
    pub fn is_empty(&self) -> bool {
        false
    }
}
