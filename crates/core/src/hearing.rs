//! What hosts hear of each other, beside what the server hears of their agents: whether the kernel of another host answers.
//!
//! An agent that says nothing may be frozen, cut off from the server alone, or gone with its machine. Those that still
//! speak tell these apart: one of them that hears the host is proof that it lives.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Host, HostId, Time, World};

/// What one host hears of the others of its project. Of one that it never heard it says nothing: there may be a firewall
/// in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hearing {
    /// Those that answer.
    pub heard: BTreeSet<HostId>,
    /// Those that did, and no longer do: when they were heard last, by the server's clock.
    pub silent: BTreeMap<HostId, Time>,
}

/// The same as its agent says it, which knows no clock but its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HearingNow {
    /// Those that answer.
    pub heard: BTreeSet<HostId>,
    /// Those that did, and no longer do: for how many milliseconds.
    pub silent_ms: BTreeMap<HostId, u64>,
}

/// What the others say of a host, all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nobody that can be asked ever heard it.
    Nothing,
    /// These hear it.
    Heard(Vec<HostId>),
    /// These did, and none of them does any longer.
    Silent {
        /// Who says so.
        by: Vec<HostId>,
        /// When the last of them heard it.
        since: Time,
    },
}

impl Hearing {
    /// Nothing was heard of anybody.
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty() && self.silent.is_empty()
    }
}

impl HearingNow {
    /// As of the moment it arrives.
    pub fn at(&self, now: Time) -> Hearing {
        let silent =
            self.silent_ms.iter().map(|(host, ms)| (*host, Time(now.0.saturating_sub(*ms))));
        Hearing { heard: self.heard.clone(), silent: silent.collect() }
    }
}

impl World {
    /// What the hosts of its project that are connected say of a host.
    pub fn word_of(&self, host: HostId) -> Word {
        let Some(project) = self.host(host).map(|host| host.project) else { return Word::Nothing };
        let (mut hear, mut by, mut since) = (Vec::new(), Vec::new(), Time::default());
        for witness in self.hosts.values().filter(|w| w.project == project && w.id != host) {
            let Some(seen) = self.seen.get(&witness.id).filter(|seen| seen.connected) else {
                continue;
            };
            if seen.hearing.heard.contains(&host) {
                hear.push(witness.id);
            } else if let Some(last) = seen.hearing.silent.get(&host) {
                by.push(witness.id);
                since = since.max(*last);
            }
        }
        match (hear.is_empty(), by.is_empty()) {
            (false, _) => Word::Heard(hear),
            (true, false) => Word::Silent { by, since },
            (true, true) => Word::Nothing,
        }
    }

    /// The same to be read after "it is not connected"; empty if they say nothing.
    pub fn words_of(&self, host: HostId) -> String {
        let names = |hosts: &[HostId]| {
            let names = hosts.iter().filter_map(|id| self.host(*id)).map(Host::shown_name);
            names.collect::<Vec<_>>().join(", ")
        };
        match self.word_of(host) {
            Word::Nothing => String::new(),
            Word::Silent { by, .. } => format!(" and does not answer {} either", names(&by)),
            Word::Heard(by) => {
                format!(", but answers {}: its agent is down or can't reach a server", names(&by))
            }
        }
    }

    /// Whether at least as many hosts of a project are connected as are not: where most are away, it is more likely
    /// that the server is cut off with a few than that all those are gone.
    pub(crate) fn most_are_left(&self, host: HostId) -> bool {
        let Some(project) = self.host(host).map(|host| host.project) else { return false };
        let hosts = self.hosts.values().filter(|h| h.project == project && h.removed_at.is_none());
        let (left, away): (Vec<_>, Vec<_>) = hosts.partition(|host| self.is_connected(host.id));
        left.len() >= away.iter().filter(|host| !self.is_lost(host.id)).count()
    }
}
