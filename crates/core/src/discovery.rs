//! What names and metadata are answered from, on one host: the facts of its project, whatever the question.
//!
//! The server sends what changed, object by object; the agent keeps the whole on disk, so that its host answers on
//! when the server is away. Which name leads where, and what metadata looks like, is the name service's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    External, Health, HealthCheck, HostId, NetworkMode, Phase, PortSpec, ServiceId, ServiceKind,
    StackId, UnitKey, Wanted,
};

/// Everything one host's name service knows: its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discovery {
    /// Newest withdrawal the facts know of; acknowledged in the status file.
    pub routing: u64,
    /// The host it is for.
    pub host: u64,
    /// The project.
    pub project: DiscoveredProject,
    /// Its hosts.
    pub hosts: BTreeMap<HostId, Arc<DiscoveredHost>>,
    /// Its stacks.
    pub stacks: BTreeMap<StackId, Arc<DiscoveredStack>>,
    /// Its services.
    pub services: BTreeMap<ServiceId, Arc<DiscoveredService>>,
    /// Servers that other names are asked of; the agent fills in its host's.
    pub recursers: Vec<String>,
    /// Hosts that don't answer this one just now, as its agent knows: what runs there is named only if there is nothing
    /// else.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub silent: BTreeSet<HostId>,
}

/// What changed since the last update, or everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveryUpdate {
    /// What is not in here is gone.
    pub whole: bool,
    /// As in [`Discovery`].
    pub routing: u64,
    /// As in [`Discovery`].
    pub project: DiscoveredProject,
    /// Hosts that are new or different; `None` for those that are gone.
    pub hosts: BTreeMap<HostId, Option<Arc<DiscoveredHost>>>,
    /// Stacks likewise.
    pub stacks: BTreeMap<StackId, Option<Arc<DiscoveredStack>>>,
    /// Services likewise.
    pub services: BTreeMap<ServiceId, Option<Arc<DiscoveredService>>>,
}

/// The project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveredProject {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// A name that stays the same for ever, unique over clusters.
    pub uuid: String,
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveredHost {
    /// Shown name.
    pub name: String,
    /// The machine's own name.
    pub hostname: String,
    /// Its identity.
    pub uuid: String,
    /// Address other hosts reach it by.
    pub address: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// May take new units.
    pub active: bool,
    /// Its agent is connected.
    pub connected: bool,
    /// Thousandths of a core.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory: i64,
}

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveredStack {
    /// Its name.
    pub name: String,
    /// See [`DiscoveredProject::uuid`].
    pub uuid: String,
}

/// A service with its containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiscoveredService {
    /// The stack.
    pub stack: StackId,
    /// Its name.
    pub name: String,
    /// See [`DiscoveredProject::uuid`].
    pub uuid: String,
    /// What it is made of.
    pub kind: ServiceKind,
    /// What users want of it.
    pub wanted: Wanted,
    /// Units wanted.
    pub scale: u32,
    /// Names it reaches others by: alias, then the target; the target's own name where the alias is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, ServiceId)>,
    /// For an external service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Sidekicks' names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sidekicks: BTreeSet<String>,
    /// Of the primary and the sidekicks, by member: what their current configuration says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, DiscoveredMember>,
    /// Users' own data.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// A balancer's rules, as Rancher's metadata has them.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub lb_config: serde_json::Value,
    /// Its containers, by unit, then member; the primary under the empty name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<DiscoveredContainer>,
}

/// What all containers of a member have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveredMember {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Published ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSpec>,
    /// Ports reachable inside the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Host name asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// How it is attached to the network.
    pub network: NetworkMode,
    /// Health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Name servers asked for: asked for names that are not ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Search domains asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiscoveredContainer {
    /// Its unit.
    pub unit: UnitKey,
    /// Which of the unit's; empty for the primary.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// `stack-service-N`.
    pub name: String,
    /// See [`DiscoveredProject::uuid`].
    pub uuid: String,
    /// Its number; the lowest is the oldest.
    pub serial: u64,
    /// The unit's slot, as text.
    pub index: String,
    /// Where it is.
    pub host: HostId,
    /// Docker's id; empty while there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docker_id: String,
    /// Address of its own, or of the container whose network it shares, or of its host if that is its network;
    /// empty if none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Where its unit is.
    pub phase: Phase,
    /// Its process runs.
    pub running: bool,
    /// Its unit takes requests: only these are answered while there are any.
    pub serving: bool,
    /// Its unit is on its way out or down for good: never answered, not even as the last one.
    pub withdrawn: bool,
    /// Its health.
    #[serde(default)]
    pub health: Health,
    /// Times it was started.
    #[serde(default)]
    pub starts: u32,
}

/// What a name service says of itself, in its status file: replaced as a whole whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveryStatus {
    /// SHA-256 (hex) of the file's bytes that every answer follows now.
    pub applied: String,
    /// [`Discovery::routing`] of that file: no answer names a unit that it withdrew.
    pub routing: u64,
    /// Why the newest file is not the one applied, or what does not work; empty when all does.
    pub problem: String,
}

impl Discovery {
    /// Take in an update.
    pub fn take(&mut self, update: DiscoveryUpdate) {
        let DiscoveryUpdate { whole, routing, project, hosts, stacks, services } = update;
        if whole {
            self.hosts.clear();
            self.stacks.clear();
            self.services.clear();
        }
        (self.routing, self.project) = (routing, project);
        merge(&mut self.hosts, hosts);
        merge(&mut self.stacks, stacks);
        merge(&mut self.services, services);
    }

    /// What leads from `self` to `next`; `None` if nothing differs.
    pub fn update_to(&self, next: &Self) -> Option<DiscoveryUpdate> {
        let update = DiscoveryUpdate {
            whole: false,
            routing: next.routing,
            project: next.project.clone(),
            hosts: differences(&self.hosts, &next.hosts),
            stacks: differences(&self.stacks, &next.stacks),
            services: differences(&self.services, &next.services),
        };
        let same = update.hosts.is_empty()
            && update.stacks.is_empty()
            && update.services.is_empty()
            && (self.routing, &self.project) == (next.routing, &next.project);
        (!same).then_some(update)
    }
}

type Update<K, V> = BTreeMap<K, Option<Arc<V>>>;

fn merge<K: Ord, V>(held: &mut BTreeMap<K, Arc<V>>, update: Update<K, V>) {
    for (key, value) in update {
        match value {
            Some(value) => held.insert(key, value),
            None => held.remove(&key),
        };
    }
}

fn differences<K: Ord + Copy, V: PartialEq>(
    from: &BTreeMap<K, Arc<V>>,
    to: &BTreeMap<K, Arc<V>>,
) -> Update<K, V> {
    // Most objects are the very same ones: those need no comparison.
    let same = |a: &Arc<V>, b: &Arc<V>| Arc::ptr_eq(a, b) || a == b;
    let changed = to.iter().filter(|(key, value)| !from.get(key).is_some_and(|v| same(v, value)));
    let changed = changed.map(|(key, value)| (*key, Some(value.clone())));
    let gone = from.keys().filter(|key| !to.contains_key(key)).map(|key| (*key, None));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_leads_from_one_to_the_other() {
        let host =
            |name: &str| Arc::new(DiscoveredHost { name: name.into(), ..Default::default() });
        let with = |routing, hosts: &[(u64, &str)]| Discovery {
            routing,
            hosts: hosts.iter().map(|(id, name)| (HostId(*id), host(name))).collect(),
            ..Discovery::default()
        };
        let mut held = with(1, &[(1, "a"), (2, "b"), (3, "c")]);
        let next = with(2, &[(1, "a"), (3, "x"), (4, "d")]);
        let update = held.update_to(&next).unwrap();
        assert_eq!(update.hosts.keys().map(|id| id.0).collect::<Vec<_>>(), [2, 3, 4]);
        held.take(update);
        assert_eq!(held, next);
        assert_eq!(held.update_to(&next), None);
    }
}
