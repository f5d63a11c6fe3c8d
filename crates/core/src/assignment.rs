//! What one host shall run: the whole of it, with a generation. Derived from the snapshot, written to the
//! agent's disk, then acted on. See [`crate::derive::assignment`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    BalancerConfig, Desired, HostId, HostNetwork, PortSpec, Secret, Template, UnitKey, VerifyAsk,
    Watched,
};

/// Everything one agent needs to know. An agent refuses an older generation, and the same generation with
/// other content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostAssignment {
    /// Id of the cluster; containers labelled with another one are not ours.
    pub cluster: String,
    /// The host it is for; 0 in an empty assignment.
    pub host: u64,
    /// [`crate::World::version`] it was derived at.
    pub generation: u64,
    /// Every unit that is on this host or must be removed from it.
    pub units: BTreeMap<UnitKey, AssignedUnit>,
    /// Configurations that units refer to, by `service/revision`.
    pub templates: BTreeMap<String, AssignedTemplate>,
    /// Configuration of each balancer unit here.
    pub balancers: BTreeMap<UnitKey, BalancerConfig>,
    /// The project's network; `None` while the host has no part of it: units then use Docker's bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<HostNetwork>,
    /// Logins for pulls, by registry as it stands in image references.
    pub registries: BTreeMap<String, RegistryLogin>,
    /// Secrets that units here read, by name; base64. One that is missing is not there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// Units of other hosts that this one probes, and says what it finds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub watched: BTreeMap<UnitKey, Watched>,
    /// Images, `name@digest`, that the host is not to lose while it has them: those of every revision that services with
    /// a unit here can be taken back to.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub leases: BTreeSet<String>,
}

/// One unit to run, stop or remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedUnit {
    /// What it shall be.
    pub desired: Desired,
    /// Under which generation to report.
    pub generation: u64,
    /// Key into [`HostAssignment::templates`].
    pub template: String,
    /// Stack name, for names and labels.
    pub stack: String,
    /// Service name, for names and labels.
    pub service: String,
    /// `N` of the container names.
    pub number: String,
    /// Container number of the primary; makes Docker names unique on the host.
    pub serial: u64,
    /// Docker volumes behind the declared names the unit mounts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, AssignedVolume>,
    /// A slot keeps its address on a host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain_ip: bool,
    /// TCP ports of the primary that must accept before the unit counts as ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ready_ports: Vec<u16>,
    /// What its upgrade asks of it while it is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyAsk>,
}

impl AssignedUnit {
    /// Display name of a member's container: `stack-service-N`, sidekick `stack-service-sidekick-N`.
    pub fn display_name(&self, member: &str) -> String {
        let Self { stack, service, number, .. } = self;
        if member.is_empty() {
            format!("{stack}-{service}-{number}")
        } else {
            format!("{stack}-{service}-{member}-{number}")
        }
    }

    /// Docker's name of a member's container: old and new of one slot never share it.
    pub fn docker_name(&self, member: &str) -> String {
        format!("r-{}-{}", self.display_name(member), self.serial)
    }
}

/// The containers of a unit, ready to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedTemplate {
    /// The containers.
    pub template: Arc<Template>,
    /// What the primary is: an image of the user's, or a process of Drover's own.
    pub role: Role,
    /// Published ports by member, every public port filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, Vec<PortSpec>>,
    /// Image reference → digest to run, where known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, String>,
}

/// What a unit's primary container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The image in its spec.
    Image,
    /// `drover balancer`, from the system image that the agent makes of its own executable. Its spec's image
    /// and command are ignored; its config is in [`HostAssignment::balancers`].
    Balancer,
}

/// A declared volume, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedVolume {
    /// Docker's name of it.
    pub name: String,
    /// Driver; empty is `local`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Driver options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Must exist already.
    #[serde(default)]
    pub external: bool,
    /// Stays when a container goes that wants its volumes to go with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// Login for pulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: Secret,
}

impl HostAssignment {
    /// The empty assignment of a host nothing was ever assigned to.
    pub fn none(host: HostId) -> Self {
        Self { host: host.0, ..Self::default() }
    }

    /// Whether the two say the same, whatever their generation.
    pub fn same_content(&self, other: &Self) -> bool {
        let Self {
            cluster,
            host,
            generation: _,
            units,
            templates,
            balancers,
            network,
            registries,
            secrets,
            watched,
            leases,
        } = self;
        *cluster == other.cluster
            && *host == other.host
            && *units == other.units
            && *templates == other.templates
            && *balancers == other.balancers
            && *network == other.network
            && *registries == other.registries
            && *secrets == other.secrets
            && *watched == other.watched
            && *leases == other.leases
    }
}
