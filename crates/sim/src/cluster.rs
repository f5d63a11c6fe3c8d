//! A whole cluster in one thread: servers, hosts, the network between them and people, moved by one queue of
//! events on virtual time. Equal seeds give equal histories.

mod faults;
mod hearing;
mod requests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use drover_core::check::Violation;
use drover_core::protocol::Report;
use drover_core::{Change, HostAssignment, HostFacts, HostId, HostSeen, Time, UnitKey};

use self::hearing::HEARD_MS;
use crate::database::Database;
use crate::mutation::Mutation;
use crate::node::{Node, Op};
use crate::rng::Rng;
use crate::server::Server;
use crate::traffic::Router;

/// How bad the weather is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Reports lost, in percent.
    pub loss: u64,
    /// Messages that come twice, in percent.
    pub twice: u64,
    /// Longest a message is under way, in milliseconds.
    pub delay_ms: u64,
    /// Longest an engine takes for one operation, in milliseconds.
    pub op_ms: u64,
    /// Longest a balancer takes to follow its configuration, in milliseconds: mostly, and now and then.
    pub follow_ms: (u64, u64),
    /// Between two requests at a balancer, in milliseconds: least and most.
    pub request_ms: (u64, u64),
}

impl Weather {
    /// Everything arrives, once, soon.
    pub const FAIR: Self = Self {
        loss: 0,
        twice: 0,
        delay_ms: 5,
        op_ms: 200,
        follow_ms: (30, 30),
        request_ms: (200, 5_000),
    };
    /// Reports get lost, repeated and overtaken.
    pub const FOUL: Self = Self {
        loss: 10,
        twice: 10,
        delay_ms: 900,
        op_ms: 1_500,
        follow_ms: (400, 30_000),
        request_ms: (20, 500),
    };
}

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Now.
    pub now: Time,
    /// What the servers share.
    pub database: Database,
    /// The servers.
    pub servers: Vec<Server>,
    /// The hosts.
    pub nodes: BTreeMap<HostId, Node>,
    /// The balancers' processes.
    pub routers: BTreeMap<UnitKey, Router>,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that came to a balancer and were not, or by nobody who was ready to; whoever is to blame.
    pub unanswered: u64,
    /// Chance.
    pub rng: Rng,
    /// How messages fare.
    pub weather: Weather,
    /// The rule that is missing, if any.
    pub mutation: Option<Mutation>,
    /// Hosts whose containers don't reach each other, the lesser first, though their kernels hear each other.
    pub broken_ways: BTreeSet<(HostId, HostId)>,
    queue: BinaryHeap<Reverse<(Time, u64, Event)>>,
    queued: u64,
}

/// Something that happens at a moment.
#[derive(Clone, Debug)]
enum Event {
    Plan(usize),
    Commit(usize),
    Agent(HostId),
    Wake(HostId),
    Done(HostId, u64, Box<Op>),
    Connect(HostId),
    Silence(HostId, usize, u64),
    Hear(HostId),
    Probe(HostId),
    Assign(HostId, u64, Box<HostAssignment>),
    Report(HostId, usize, u64, Box<Report>),
    Follow(HostId, UnitKey),
    Request(HostId, UnitKey),
    Answer(HostId, UnitKey, u64),
}

// Only the moment and the order of queueing order events; what they are doesn't.
impl PartialEq for Event {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// How long a server goes without a word before it takes a host for disconnected, in milliseconds.
const SILENCE_MS: u64 = 5_000;
/// How often a server looks for work even if nobody nudged it, in milliseconds.
const SERVER_TICK_MS: u64 = 400;

impl Cluster {
    /// Servers that run, no hosts yet.
    pub fn new(seed: u64, servers: usize, mutation: Option<Mutation>) -> Self {
        let mut cluster = Self {
            now: Time(1_000_000),
            database: Database::new(servers, mutation),
            servers: Vec::new(),
            nodes: BTreeMap::new(),
            routers: BTreeMap::new(),
            answered: 0,
            unanswered: 0,
            rng: Rng::new(seed),
            weather: Weather::FAIR,
            mutation,
            broken_ways: BTreeSet::new(),
            queue: BinaryHeap::new(),
            queued: 0,
        };
        for server in 0..servers {
            cluster.servers.push(Server::started());
            cluster.after(0, Event::Plan(server));
        }
        cluster
    }

    /// A host joins.
    pub fn add_node(&mut self, id: HostId) {
        self.nodes.insert(id, Node::new(id));
        self.after(0, Event::Connect(id));
        self.after(0, Event::Agent(id));
        self.after(0, Event::Probe(id));
    }

    /// Commit what people asked for.
    pub fn ask(&mut self, changes: &[Change]) -> bool {
        let done = changes.is_empty() || self.database.commit(None, changes, self.now);
        self.nudge();
        done
    }

    /// Let time pass, with everything that happens in it.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(Reverse((at, _, _))) = self.queue.peek() {
            if *at > end {
                break;
            }
            let Some(Reverse((at, _, event))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = end;
    }

    fn caught_up(&mut self, host: HostId) {
        let Some(seen) = self.database.world.seen.get(&host) else { return };
        if seen.connected && !seen.caught_up {
            let seen = Box::new(HostSeen { caught_up: true, ..(**seen).clone() });
            self.database.commit(None, &[Change::SeeHost { host, seen }], self.now);
        }
    }

    /// Something happened to an engine's containers: its agent looks.
    pub fn touch(&mut self, host: HostId) {
        self.after(1, Event::Agent(host));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Plan(server) => self.plan(server),
            Event::Commit(server) => self.commit(server),
            Event::Agent(host) => self.agent(host),
            Event::Wake(host) => self.wake(host),
            Event::Done(host, epoch, op) => self.done(host, epoch, &op),
            Event::Connect(host) => self.connect(host),
            Event::Silence(host, server, session) => self.silence(host, server, session),
            Event::Hear(host) => self.hear(host),
            Event::Probe(host) => self.probe(host),
            Event::Assign(host, session, assignment) => self.assign(host, session, *assignment),
            Event::Report(host, server, session, report) => {
                self.report(host, server, session, &report);
            }
            Event::Follow(host, balancer) => self.follow(host, balancer),
            Event::Request(host, balancer) => self.request(host, balancer),
            Event::Answer(host, balancer, number) => self.answer(host, balancer, number),
        }
    }

    fn plan(&mut self, index: usize) {
        let dirty = self.database.take_dirty(index);
        let Some(server) = self.servers.get_mut(index).filter(|s| s.up) else { return };
        server.hear(dirty);
        if self.database.judges_news {
            let overlooked = server.overlooks(&self.database.world, self.database.steps, self.now);
            self.database.overlooked(&overlooked, self.now);
        }
        if server.planned.is_none() && server.plan(&self.database.world, self.now, self.mutation) {
            // The snapshot grows old while the plan is made, and now and then very old.
            let longest = if self.rng.chance(15) { 800 } else { 30 };
            let delay = self.rng.between(0, longest);
            self.after(delay, Event::Commit(index));
        }
        self.send_assignments(index);
        let delay = self.rng.between(1, SERVER_TICK_MS);
        self.after(delay, Event::Plan(index));
    }

    fn commit(&mut self, index: usize) {
        let Some(server) = self.servers.get_mut(index) else { return };
        let Some((seen, plan)) = server.planned.take() else { return };
        if self.database.commit(Some(&seen), &plan.changes, self.now) {
            self.send_assignments(index);
            self.nudge();
        } else {
            server.again(&plan);
        }
    }

    fn nudge(&mut self) {
        for server in 0..self.servers.len() {
            self.send_assignments(server);
        }
    }

    fn send_assignments(&mut self, index: usize) {
        let Some(server) = self.servers.get_mut(index).filter(|s| s.up) else { return };
        let sent = server.assignments(&self.database.world);
        for (host, assignment) in sent {
            let Some(node) = self.nodes.get(&host) else { continue };
            let session = node.session;
            let times = if self.rng.chance(self.weather.twice) { 2 } else { 1 };
            for _ in 0..times {
                let delay = self.rng.between(1, self.weather.delay_ms);
                self.after(delay, Event::Assign(host, session, Box::new(assignment.clone())));
            }
        }
    }

    fn assign(&mut self, host: HostId, session: u64, assignment: HostAssignment) {
        let Some(node) = self.nodes.get_mut(&host) else { return };
        // What was under way when the connection ended is lost with it.
        if node.session == session && node.is_on() {
            node.assign(assignment, self.mutation);
            let balancers = node.balancers();
            self.touch(host);
            for balancer in balancers {
                self.follow_later(host, balancer);
            }
        }
    }

    fn agent(&mut self, host: HostId) {
        let Some(node) = self.nodes.get_mut(&host).filter(|n| n.powered) else { return };
        let mut step = node.step(self.now);
        let (epoch, server, session) = (node.epoch, node.server, node.session);
        self.look_at_routers(host);
        self.tell_followed(host, &mut step.report);
        for op in step.ops {
            let delay = self.rng.between(1, self.weather.op_ms);
            self.after(delay, Event::Done(host, epoch, Box::new(op)));
        }
        if let Some(at) = step.wake_at {
            self.after(at - self.now, Event::Wake(host));
        }
        let Some((report, server)) = step.report.zip(server) else { return };
        let lost = self.rng.chance(self.weather.loss);
        let times = if lost { 0 } else { 1 + u64::from(self.rng.chance(self.weather.twice)) };
        for _ in 0..times {
            let delay = self.rng.between(1, self.weather.delay_ms);
            self.after(delay, Event::Report(host, server, session, Box::new(report.clone())));
        }
    }

    /// The moment an agent asked to be woken at; void if it has asked for another one since.
    fn wake(&mut self, host: HostId) {
        if self.nodes.get(&host).is_some_and(|node| node.wake_at == Some(self.now)) {
            self.agent(host);
        }
    }

    fn done(&mut self, host: HostId, epoch: u64, op: &Op) {
        let Some(node) = self.nodes.get_mut(&host).filter(|n| n.powered) else { return };
        if node.epoch != epoch {
            return;
        }
        if let Some(next) = node.finish(op, self.now) {
            let delay = self.rng.between(1, self.weather.op_ms);
            self.after(delay, Event::Done(host, epoch, Box::new(next)));
        }
        self.touch(host);
        self.look_for_doubles();
    }

    /// Of what must never run twice, two run: on whatever hosts, cut off or not.
    fn look_for_doubles(&mut self) {
        let mut running = BTreeMap::new();
        for (host, node) in &self.nodes {
            for key in node.singles() {
                let Some((other, there)) = running.insert((key.service, key.slot), (key, *host))
                else {
                    continue;
                };
                let what = format!("{other} on {there} and {key} on {host} run at once");
                let violation = Violation { rule: "overlap", what };
                self.database.violations.push((self.now, violation));
            }
        }
    }

    fn report(&mut self, host: HostId, server: usize, session: u64, report: &Report) {
        if self.servers.get(server).is_some_and(|s| s.up) {
            self.database.observe(host, &report.units, self.now);
            self.database.follow(host, &report.balancers, self.now);
            if let Some(found) = &report.witnessed {
                self.database.witness(host, found, self.now);
            }
            // One of a connection that is over says nothing of what is now.
            if report.whole && self.nodes.get(&host).is_some_and(|n| n.session == session) {
                self.caught_up(host);
            }
        }
    }

    fn connect(&mut self, host: HostId) {
        let up: Vec<usize> =
            self.servers.iter().enumerate().filter(|(_, s)| s.up).map(|(i, _)| i).collect();
        let Some(node) = self.nodes.get_mut(&host).filter(|n| n.is_on() && n.server.is_none())
        else {
            return;
        };
        let Some(index) = self.rng.pick(&up) else {
            return self.after(1_000, Event::Connect(host));
        };
        let tick = self.database.world.units_on(host);
        let tick = tick.filter_map(|u| self.database.world.observed(u.key)).map(|seen| seen.tick);
        let witnessed = self.database.world.witnessed.get(&host).map(|found| found.tick);
        node.connect(index, tick.chain(witnessed).max().unwrap_or(0));
        for (other, server) in self.servers.iter_mut().enumerate() {
            if other == index {
                server.sessions.insert(host, None);
            } else {
                server.sessions.remove(&host);
            }
        }
        self.see(host, true);
        self.send_assignments(index);
        self.touch(host);
        let delay = self.rng.between(50, HEARD_MS);
        self.after(delay, Event::Hear(host));
    }

    fn see(&mut self, host: HostId, connected: bool) {
        let before = self.database.world.seen.get(&host).cloned();
        let away = before.as_ref().filter(|seen| !seen.connected).map(|seen| seen.since);
        let left_at = self.nodes.get(&host).map(|node| node.left_at);
        let since = away.or(left_at).filter(|_| !connected).unwrap_or(self.now);
        let facts = HostFacts { cpus: 4, memory: 8 << 30, ..HostFacts::default() };
        let hearing = before.map(|seen| seen.hearing.clone()).unwrap_or_default();
        let seen = HostSeen { connected, since, facts, hearing, ..HostSeen::default() };
        self.database.commit(None, &[Change::SeeHost { host, seen: Box::new(seen) }], self.now);
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse((self.now + ms, self.queued, event)));
    }
}
