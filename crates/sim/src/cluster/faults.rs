//! What goes wrong with servers, agents, hosts and the ways between them, and is mended.

use drover_core::{Change, HostId, HostSeen};

use super::{Cluster, Event, SILENCE_MS};
use crate::server::Server;

impl Cluster {
    /// The server's process ends; its agents notice and go elsewhere.
    pub fn crash_server(&mut self, server: usize) {
        let now = self.now;
        let Some(crashed) = self.servers.get_mut(server) else { return };
        let orphans: Vec<HostId> = crashed.sessions.keys().copied().collect();
        crashed.crash();
        for host in orphans {
            if let Some(node) = self.nodes.get_mut(&host) {
                node.disconnect(now);
            }
            let delay = self.rng.between(50, 3_000);
            self.after(delay, Event::Connect(host));
        }
    }

    /// It is started again.
    pub fn start_server(&mut self, server: usize) {
        if let Some(started) = self.servers.get_mut(server).filter(|s| !s.up) {
            *started = Server::started();
            self.after(0, Event::Plan(server));
            self.mark_unheard();
        }
    }

    /// What was told to servers that are gone may be long over.
    fn mark_unheard(&mut self) {
        let told = |host: &HostId| self.servers.iter().any(|s| s.sessions.contains_key(host));
        let seen = self.database.world.seen.iter();
        let unheard =
            seen.filter(|(host, seen)| seen.caught_up && !told(host)).map(|(host, seen)| {
                let seen = Box::new(HostSeen { caught_up: false, ..(**seen).clone() });
                Change::SeeHost { host: *host, seen }
            });
        let changes: Vec<Change> = unheard.collect();
        self.database.commit(None, &changes, self.now);
    }

    /// The agent's process ends and is started again; its ledger stays.
    pub fn restart_agent(&mut self, host: HostId) {
        let now = self.now;
        self.drop_session(host);
        if let Some(node) = self.nodes.get_mut(&host) {
            node.restart_agent(now);
        }
        let delay = self.rng.between(10, 2_000);
        self.after(delay, Event::Connect(host));
        self.after(0, Event::Agent(host));
    }

    /// The host is cut off from the servers. It goes on by itself meanwhile.
    pub fn cut(&mut self, host: HostId) {
        self.reach(host, false);
    }

    /// The same, and other hosts don't hear it either.
    pub fn pull(&mut self, host: HostId) {
        self.unheard(host, true);
        self.reach(host, false);
    }

    /// It reaches all of them again.
    pub fn heal(&mut self, host: HostId) {
        self.unheard(host, false);
        self.reach(host, true);
    }

    fn reach(&mut self, host: HostId, reaches: bool) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&host) else { return };
        node.cut = !reaches;
        if reaches {
            return self.after(0, Event::Connect(host));
        }
        // The servers' side stays open until the silence is noticed.
        let (server, session) = (node.server, node.session);
        node.disconnect(now);
        if let Some(server) = server {
            self.after(SILENCE_MS, Event::Silence(host, server, session));
        }
    }

    /// The machine dies with all that ran on it, or boots again.
    pub fn power(&mut self, host: HostId, on: bool) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&host) else { return };
        node.powered = on;
        if on {
            self.restart_agent(host);
            self.heal(host);
        } else {
            node.engine.restart(now);
            self.pull(host);
        }
    }

    /// The way between two hosts is broken, for packets of containers only.
    pub fn break_way(&mut self, one: HostId, other: HostId) {
        self.broken_ways.insert((one.min(other), one.max(other)));
    }

    /// It is mended.
    pub fn mend_way(&mut self, one: HostId, other: HostId) {
        self.broken_ways.remove(&(one.min(other), one.max(other)));
    }

    /// A host's agent no longer reaches its own containers, or does again.
    pub fn blind(&mut self, host: HostId, blind: bool) {
        if let Some(node) = self.nodes.get_mut(&host) {
            node.blind = blind;
            self.touch(host);
        }
    }

    pub(super) fn silence(&mut self, host: HostId, server: usize, session: u64) {
        let gone = self.nodes.get(&host).is_none_or(|n| n.server.is_none() && n.session == session);
        let Some(server) = self.servers.get_mut(server) else { return };
        if gone && server.sessions.remove(&host).is_some() {
            self.see(host, false);
        }
    }

    pub(super) fn drop_session(&mut self, host: HostId) {
        let now = self.now;
        let Some(server) = self.nodes.get_mut(&host).and_then(|n| n.server) else { return };
        if let Some(node) = self.nodes.get_mut(&host) {
            node.disconnect(now);
        }
        let had = self.servers.get_mut(server).and_then(|s| s.sessions.remove(&host));
        if had.is_some() {
            self.see(host, false);
        }
    }
}
