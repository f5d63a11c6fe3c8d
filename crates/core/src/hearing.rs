//! What hosts hear of each other, beside what the server hears of their agents: whether the kernel of another host answers.
//!
//! An agent that says nothing may be frozen, cut off from the server alone, or gone with its machine. Those that still
//! speak tell these apart: one of them that hears the host is proof that it lives.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Host, HostId, ProjectId, Time, World};

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

/// The same without who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nobody that can be asked ever heard it.
    Nothing,
    /// Somebody hears it.
    Heard,
    /// Some did, and none of them does any longer.
    Silent {
        /// When the last of them heard it.
        since: Time,
    },
}

/// Those that can be asked. Where many hosts are away at once, finding them out again for each would cost as much as all
/// hosts squared.
#[derive(Debug, Default)]
pub(crate) struct Listeners<'a>(BTreeMap<ProjectId, Vec<(HostId, &'a Hearing)>>);

impl Listeners<'_> {
    /// What they say of a host: [`World::word_of`] without their names, found with as few questions as can be.
    pub(crate) fn say_of(&self, host: &Host) -> Said {
        let mut since = None;
        let others = self.0.get(&host.project).into_iter().flatten();
        for (_, hearing) in others.filter(|(id, _)| *id != host.id) {
            if hearing.heard.contains(&host.id) {
                return Said::Heard;
            }
            since = since.max(hearing.silent.get(&host.id).copied());
        }
        since.map_or(Said::Nothing, |since| Said::Silent { since })
    }
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

    /// Who can be asked what it hears: the hosts that are connected, by project.
    pub(crate) fn listeners(&self) -> Listeners<'_> {
        let mut all = Listeners::default();
        for host in self.hosts.values() {
            let seen = self.seen.get(&host.id).filter(|seen| seen.connected);
            all.0
                .entry(host.project)
                .or_default()
                .extend(seen.map(|seen| (host.id, &seen.hearing)));
        }
        all
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Change, Project};

    /// Whether a host is connected, whom it hears, and whom it heard until when.
    type Listening<'a> = (bool, &'a [u64], &'a [(u64, u64)]);

    /// Hosts 1, 2, …
    fn world(hosts: &[Listening<'_>]) -> World {
        let project: Project =
            serde_json::from_value(json!({ "id": 1, "name": "p", "created_at": 0 })).unwrap();
        let mut changes = vec![Change::PutProject(project)];
        for (id, (connected, heard, silent)) in (1..).zip(hosts) {
            let host = json!({
                "id": id, "project": 1, "identity": "i", "hostname": "h", "active": true,
                "address": "192.0.2.1", "created_at": 0,
            });
            let silent: BTreeMap<u64, u64> = silent.iter().copied().collect();
            let seen = json!({
                "connected": connected, "hearing": { "heard": heard, "silent": silent },
            });
            changes.push(Change::PutHost(serde_json::from_value(host).unwrap()));
            let seen = serde_json::from_value(seen).unwrap();
            changes.push(Change::SeeHost { host: HostId(id), seen });
        }
        World::new().commit(&changes).unwrap().0
    }

    #[test]
    fn what_is_said_is_the_same_with_and_without_names() {
        let world = world(&[
            (false, &[], &[]),
            (true, &[4], &[(1, 7), (5, 3)]),
            (true, &[2], &[(1, 9), (4, 1)]),
            (true, &[2, 3], &[]),
            (false, &[1], &[(2, 8)]),
        ]);
        let listeners = world.listeners();
        let said = |id| listeners.say_of(world.host(HostId(id)).unwrap());
        assert_eq!(said(1), Said::Silent { since: Time(9) });
        assert_eq!((said(2), said(4)), (Said::Heard, Said::Heard));
        assert_eq!(said(5), Said::Silent { since: Time(3) });
        for id in 1..=5 {
            let without = match world.word_of(HostId(id)) {
                Word::Nothing => Said::Nothing,
                Word::Heard(_) => Said::Heard,
                Word::Silent { since, .. } => Said::Silent { since },
            };
            assert_eq!(said(id), without, "{id}");
        }
    }
}
