//! A host: an engine, and the product's own agent logic driving it. What an agent process knows and what its disk
//! keeps are told apart, so that restarts lose exactly what they would lose.

mod probes;
mod reality;
mod sight;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use drover_agent::{Attempts, Lease, reconcile_host};
use drover_core::protocol::Report;
use drover_core::{
    BalancerConfig, HostAssignment, HostId, LEASE_MS, Observed, Phase, Time, UnitKey, Watched,
    Witnessed,
};

pub use self::work::Op;

use self::probes::Probes;
use crate::engine::Engine;
use crate::mutation::Mutation;

/// How often an agent tells everything again, in milliseconds.
const FULL_REPORT_MS: u64 = 15_000;

/// What an agent that just started waits for its server, in milliseconds.
const FIRST_LEASE_MS: u64 = 2_000;

/// One host.
#[derive(Debug)]
pub struct Node {
    /// Its engine.
    pub engine: Engine,
    /// The machine has power.
    pub powered: bool,
    /// The way to the servers is cut.
    pub cut: bool,
    /// Its agent reaches none of its own containers.
    pub blind: bool,
    /// Since when it does not answer other hosts, if it doesn't.
    pub unheard_since: Option<Time>,
    /// Until when it may run what must never run twice.
    pub lease_until: Time,
    /// When the servers heard it last, while they don't.
    pub left_at: Time,
    /// The server it is connected to.
    pub server: Option<usize>,
    /// Counts connections, so that messages of an old one are not taken for the new one's.
    pub session: u64,
    /// Counts agent processes, so that an operation of a dead one is not seen through.
    pub epoch: u64,
    /// When the agent wants to look again, if nothing happens before.
    pub wake_at: Option<Time>,
    /// Units whose primary was stopped because it was not to run any more.
    pub stopped_by_order: BTreeSet<UnitKey>,
    host: HostId,
    disk: Ledger,
    busy: BTreeMap<UnitKey, Phase>,
    told: BTreeMap<UnitKey, Observed>,
    told_all_at: Option<Time>,
    probes: Probes,
    /// An assignment came over this connection.
    has_orders: bool,
    /// A server acknowledged this process.
    is_proven: bool,
}

/// What survives the agent's process.
#[derive(Clone, Debug)]
struct Ledger {
    assignment: HostAssignment,
    attempts: Attempts,
    tick: u64,
    /// The process before this one left its lease as held.
    is_leased: bool,
}

/// What an agent does when it wakes.
#[derive(Debug, Default)]
pub struct Step {
    /// Operations it begins.
    pub ops: Vec<Op>,
    /// What it tells its server.
    pub report: Option<Report>,
    /// When to wake it again at the latest.
    pub wake_at: Option<Time>,
}

impl Node {
    /// A machine that just got its agent.
    pub fn new(host: HostId) -> Self {
        Self {
            engine: Engine::default(),
            powered: true,
            cut: false,
            blind: false,
            unheard_since: None,
            lease_until: Time(0),
            left_at: Time(0),
            has_orders: false,
            is_proven: false,
            server: None,
            session: 0,
            epoch: 0,
            wake_at: None,
            stopped_by_order: BTreeSet::new(),
            host,
            disk: Ledger {
                assignment: HostAssignment::none(host),
                attempts: Attempts::default(),
                tick: 0,
                is_leased: true,
            },
            busy: BTreeMap::new(),
            told: BTreeMap::new(),
            told_all_at: None,
            probes: Probes::default(),
        }
    }

    /// Whether it can talk to servers.
    pub fn is_on(&self) -> bool {
        self.powered && !self.cut
    }

    /// A connection is made; the server has seen its counter at `tick`.
    pub fn connect(&mut self, server: usize, tick: u64) {
        self.server = Some(server);
        self.session += 1;
        self.has_orders = false;
        self.disk.tick = self.disk.tick.max(tick);
        self.told_all_at = None;
    }

    /// The connection ends.
    pub fn disconnect(&mut self, now: Time) {
        if self.server.take().is_some() {
            self.acknowledged(now);
            self.left_at = now;
        }
    }

    /// A server answers it.
    fn acknowledged(&mut self, now: Time) {
        if self.has_orders {
            self.lease_until = self.lease_until.max(now + LEASE_MS);
            self.is_proven = true;
        }
    }

    /// The agent's process is replaced: what only it knew is gone, the ledger stays.
    pub fn restart_agent(&mut self, now: Time) {
        self.epoch += 1;
        self.lease_until = now + if self.disk.is_leased { FIRST_LEASE_MS } else { 0 };
        self.disk.is_leased = false;
        (self.has_orders, self.is_proven) = (false, false);
        self.busy.clear();
        self.told.clear();
        self.probes = Probes::default();
        self.told_all_at = None;
    }

    /// Take in an assignment, by the ledger's rule: older ones are refused.
    pub fn assign(&mut self, assignment: HostAssignment, mutation: Option<Mutation>) {
        let newer = assignment.generation > self.disk.assignment.generation;
        if newer || mutation == Some(Mutation::OldAssignments) {
            self.disk.assignment = assignment;
        }
        self.has_orders = true;
    }

    /// What it is to probe on other hosts.
    pub fn watched(&self) -> BTreeMap<UnitKey, Watched> {
        self.disk.assignment.watched.clone()
    }

    /// One round of probes of others' units, by whether each was reached. True if it finds anything else than before.
    pub fn probe(&mut self, reached: &BTreeMap<UnitKey, bool>) -> bool {
        let found = self.probes.round(&self.disk.assignment.watched, reached);
        let changed = found != self.probes.found.verdicts;
        if changed {
            self.disk.tick += 1;
            self.probes.found = Witnessed { tick: self.disk.tick, verdicts: found };
            self.probes.untold = true;
        }
        changed
    }

    /// The balancers assigned to it.
    pub fn balancers(&self) -> Vec<UnitKey> {
        self.disk.assignment.balancers.keys().copied().collect()
    }

    /// The configuration file of one of them.
    pub fn balancer_config(&self, unit: UnitKey) -> Option<BalancerConfig> {
        self.disk.assignment.balancers.get(&unit).cloned()
    }

    /// Whether it is just telling everything.
    pub fn tells_all(&self, now: Time) -> bool {
        self.told_all_at == Some(now)
    }

    /// Look, decide, begin, tell.
    pub fn step(&mut self, now: Time) -> Step {
        let engine_at = self.engine.pass(now);
        if self.server.is_some() {
            self.acknowledged(now);
        }
        self.disk.is_leased = self.lease(now) == Lease::Held;
        let view = self.view(now);
        let lease_ends_at = Some(self.lease_until).filter(|at| *at > now);
        let done = reconcile_host(&self.disk.assignment, &view, &self.disk.attempts, now);
        self.disk.attempts.take(done.remember);
        let report = self.tell(done.observed, now);
        let ops = done.ops.into_iter().map(|ops| self.begin(ops)).collect();
        let full_at = self.told_all_at.map(|at| at + FULL_REPORT_MS);
        let wakes = [engine_at, done.wake_at, full_at, lease_ends_at].into_iter().flatten();
        self.wake_at = wakes.min().map(|at| at.max(now + 1));
        Step { ops, report, wake_at: self.wake_at }
    }
}
