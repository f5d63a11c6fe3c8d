//! Hosts: what users say of them, and what is seen of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Hearing, HostId, ProjectId, Time};

/// A host as users configured it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its key.
    pub id: HostId,
    /// The environment it serves.
    pub project: ProjectId,
    /// Random text the agent made once; the same machine registers as the same host.
    pub identity: String,
    /// The machine's own name.
    pub hostname: String,
    /// A name users gave it; empty means the host name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Labels that placement constraints compare.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Address other hosts reach it by.
    pub address: String,
    /// Its part of the project's network, `10.42.3.0/24`; given by the planner, kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// May take new units.
    pub active: bool,
    /// Users want it emptied: what is on it is made elsewhere, then goes. Such a host is not active. Kept once it is
    /// empty, until users activate or deactivate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evacuation: Option<Evacuation>,
    /// Memory the scheduler may give away, bytes; `None` is what the machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<i64>,
    /// CPU the scheduler may give away, thousandths of a core; `None` is what the machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli_cpu_limit: Option<i64>,
    /// When it registered.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// The wish that a host be emptied, and what it began with, so that progress can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evacuation {
    /// Units on the host when it was asked for.
    pub units: u32,
    /// When that was.
    pub asked_at: Time,
}

impl Host {
    /// As users have it who put the host to use, or out of use with what is on it; either way nothing more leaves it.
    #[must_use]
    pub fn switched(&self, active: bool) -> Self {
        Self { active, evacuation: None, ..self.clone() }
    }

    /// Whether it is to be emptied.
    pub fn is_evacuating(&self) -> bool {
        self.evacuation.is_some() && self.removed_at.is_none()
    }

    /// The name to show.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.hostname } else { &self.name }
    }
}

/// What is seen of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSeen {
    /// Its agent is connected to a server.
    pub connected: bool,
    /// It has told what all its units are since it connected: what was seen before may be long over.
    pub caught_up: bool,
    /// Since when it is connected or not; if it isn't, when it was last heard.
    pub since: Time,
    /// The greatest observation counter seen from it; an agent that lost its ledger starts above it.
    pub tick: u64,
    /// Generation of the assignment its agent has on disk.
    pub assigned: u64,
    /// What the agent says of the machine.
    pub facts: HostFacts,
    /// What it hears of the other hosts.
    #[serde(skip_serializing_if = "Hearing::is_empty")]
    pub hearing: Hearing,
}

/// What an agent says of its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Drover's version.
    pub agent_version: String,
    /// Docker engine's version.
    pub docker_version: String,
    /// Kernel release.
    pub kernel: String,
    /// Operating system's name.
    pub os: String,
    /// Processors.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory: i64,
    /// WireGuard public key, base64; empty if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub public_key: String,
    /// How its containers' packets go to other hosts.
    #[serde(skip_serializing_if = "Tunnels::is_default")]
    pub tunnels: Tunnels,
    /// Why the agent can't drive Docker; empty when it can.
    pub problem: String,
}

/// How packets go from one host to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tunnels {
    /// It takes packets in the clear.
    pub clear: bool,
    /// Hosts to which it sends everything encrypted, by id.
    pub sealed_to: BTreeSet<u64>,
    /// Why a host is not reached as it should be, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trouble: BTreeMap<u64, String>,
}

impl Tunnels {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
