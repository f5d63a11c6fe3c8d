//! Hosts that look at each other: whose kernel answers, and whose containers.

use drover_core::{Change, Hearing, HostId, HostSeen, UnitKey};

use super::{Cluster, Event};
use crate::node::Node;

/// Longest until a host tells that another one went silent or answers again, in milliseconds.
pub(super) const HEARD_MS: u64 = 1_500;
/// How often an agent probes units on other hosts, in milliseconds.
const PROBE_MS: u64 = 2_000;

impl Cluster {
    pub(super) fn unheard(&mut self, host: HostId, is_unheard: bool) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&host) else { return };
        node.unheard_since = is_unheard.then_some(node.unheard_since.unwrap_or(now));
        let witnesses: Vec<HostId> = self.nodes.keys().copied().filter(|w| *w != host).collect();
        for witness in witnesses {
            let delay = self.rng.between(50, HEARD_MS);
            self.after(delay, Event::Hear(witness));
        }
    }

    /// A host tells which others it hears, if it can.
    pub(super) fn hear(&mut self, host: HostId) {
        let told = self.nodes.get(&host).is_some_and(|node| node.server.is_some());
        let Some(seen) = self.database.world.seen.get(&host).filter(|s| told && s.connected) else {
            return;
        };
        let mut hearing = Hearing::default();
        for (other, node) in self.nodes.iter().filter(|(other, _)| **other != host) {
            match node.unheard_since {
                None => drop(hearing.heard.insert(*other)),
                Some(since) => drop(hearing.silent.insert(*other, since)),
            }
        }
        if seen.hearing != hearing {
            let seen = Box::new(HostSeen { hearing, ..(**seen).clone() });
            self.database.commit(None, &[Change::SeeHost { host, seen }], self.now);
            self.nudge();
        }
    }

    /// An agent probes what it is to probe on other hosts.
    pub(super) fn probe(&mut self, host: HostId) {
        let watched = self.nodes.get(&host).filter(|n| n.powered).map(Node::watched);
        let watched = watched.unwrap_or_default();
        let reached =
            watched.iter().map(|(unit, w)| (*unit, self.reaches(host, *unit, &w.address)));
        let reached = reached.collect();
        let node = self.nodes.get_mut(&host).filter(|n| n.powered);
        if node.is_some_and(|node| node.probe(&reached)) {
            self.touch(host);
        }
        self.after(PROBE_MS, Event::Probe(host));
    }

    /// Whether a host's packets come to a unit on another, and it answers.
    fn reaches(&self, from: HostId, unit: UnitKey, address: &str) -> bool {
        let hears = |host| self.nodes.get(&host).is_some_and(|n| n.unheard_since.is_none());
        self.nodes.iter().any(|(host, node)| {
            let way = ((*host).min(from), (*host).max(from));
            let answers = node.engine.primary_of(unit).is_some_and(|container| {
                container.is_ready(self.now) && node.address_of(container) == address
            });
            answers && hears(from) && hears(*host) && !self.broken_ways.contains(&way)
        })
    }
}
