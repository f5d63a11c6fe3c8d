//! One seed: a cluster, people who can't make up their minds, and everything that can go wrong; then fair weather,
//! in which everything must come to rest where it was last wanted.

mod people;
mod rest;

use std::collections::BTreeMap;

use drover_core::check::Violation;
use drover_core::{Change, HostId, REVISIONS_SETTING};

use crate::cluster::{Cluster, Weather};
use crate::mutation::Mutation;
use crate::user;

/// How a seed ended.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Rules broken, with the virtual moment, in milliseconds from the start.
    pub violations: Vec<(u64, Violation)>,
    /// Upgrades that were asked for and admitted.
    pub upgrades: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// How long the cluster lived, in milliseconds of virtual time.
    pub lived_ms: u64,
    /// What happened, in words, if it was asked for.
    pub trace: Vec<String>,
}

/// Longest virtual time in which things go wrong, in milliseconds.
const CHAOS_MS: u64 = 60_000;

/// In every so many seeds it is looked at each step who had to be told of it.
const NEWS_EVERY: u64 = 8;

/// Live through a seed.
pub fn run(seed: u64, mutation: Option<Mutation>, trace: bool) -> Outcome {
    let mut chaos = Chaos::new(seed, mutation);
    chaos.cluster.database.trace = trace.then(Vec::new);
    let start = chaos.cluster.now;
    chaos.live();
    chaos.come_to_rest();
    let trace = chaos.cluster.database.trace.unwrap_or_default();
    let violations = chaos.cluster.database.violations;
    let violations = violations.into_iter().map(|(at, v)| (at - start, v)).collect();
    let requests = chaos.cluster.answered;
    let lived_ms = chaos.cluster.now - start;
    Outcome { seed, violations, upgrades: chaos.upgrades, requests, lived_ms, trace }
}

struct Chaos {
    cluster: Cluster,
    hosts: Vec<HostId>,
    versions: u64,
    upgrades: u64,
}

impl Chaos {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = crate::rng::Rng::new(seed);
        let servers = usize::try_from(rng.between(1, 3)).unwrap_or(1);
        let count = rng.between(1, 4);
        let mut cluster = Cluster::new(rng.draw(), servers, mutation);
        let judges_news = mutation.is_none_or(Mutation::is_about_news);
        cluster.database.judges_news = judges_news && seed.is_multiple_of(NEWS_EVERY);
        let now = cluster.now;
        cluster.ask(&user::found(now));
        let hosts: Vec<HostId> = (1..=count).map(|n| HostId(10 + n)).collect();
        for (n, &host) in (1..).zip(&hosts) {
            let disk = if n % 2 == 0 { "ssd" } else { "hdd" };
            let labels = BTreeMap::from([("disk".to_owned(), disk.to_owned())]);
            cluster.ask(&[user::register(host, &format!("h{n}"), labels, now)]);
            cluster.add_node(host);
        }
        if cluster.rng.chance(30) {
            let (name, value) = (REVISIONS_SETTING.to_owned(), Some("2".to_owned()));
            cluster.ask(&[Change::SetSetting { name, value }]);
        }
        let mut chaos = Self { cluster, hosts, versions: 0, upgrades: 0 };
        for n in 0..chaos.cluster.rng.between(1, 3) {
            let template = chaos.template();
            let scale = chaos.scale();
            let world = &chaos.cluster.database.world;
            let mut changes = user::create(world, &format!("s{n}"), scale, template, now);
            if chaos.cluster.rng.chance(15) {
                let policy = chaos.scale_policy();
                user::found_out(&mut changes, policy);
            }
            if chaos.cluster.rng.chance(25) {
                chaos.depend(&mut changes);
            }
            chaos.cluster.ask(&changes);
        }
        if chaos.cluster.rng.chance(60) {
            let scale = u32::try_from(chaos.cluster.rng.between(1, 2)).unwrap_or(1);
            let targets = chaos.targets();
            let world = &chaos.cluster.database.world;
            let changes = user::balance(world, "lb", scale, &targets, now);
            chaos.cluster.ask(&changes);
        }
        chaos
    }

    fn live(&mut self) {
        self.cluster.run(2_000);
        if !self.cluster.rng.chance(20) {
            self.cluster.weather = Weather::FOUL;
        }
        let end = self.cluster.now + CHAOS_MS;
        while self.cluster.now < end && self.cluster.database.violations.is_empty() {
            let pause = self.cluster.rng.between(50, 4_000);
            self.cluster.run(pause);
            match self.cluster.rng.between(0, 9) {
                0..=5 => self.person(),
                _ => self.fault(),
            }
        }
    }

    fn fault(&mut self) {
        let Some(host) = self.cluster.rng.pick(&self.hosts) else { return };
        let server = usize::try_from(self.cluster.rng.between(0, 2)).unwrap_or(0);
        match self.cluster.rng.between(0, 9) {
            0 => self.cluster.crash_server(server),
            1 | 2 => self.cluster.start_server(server),
            3 => self.cluster.restart_agent(host),
            4 if self.cluster.rng.chance(50) => self.cluster.pull(host),
            4 => self.cluster.cut(host),
            5 => self.cluster.heal(host),
            6 => {
                let on = self.cluster.rng.chance(60);
                self.cluster.power(host, on);
            }
            7 if self.cluster.rng.chance(50) => self.break_or_mend_a_way(host),
            7 => {
                let blind = self.cluster.rng.chance(60);
                self.cluster.blind(host, blind);
            }
            _ => self.hurt_a_container(host),
        }
    }

    fn break_or_mend_a_way(&mut self, host: HostId) {
        let Some(other) = self.cluster.rng.pick(&self.hosts).filter(|other| *other != host) else {
            return;
        };
        if self.cluster.rng.chance(70) {
            self.cluster.break_way(host, other);
        } else {
            self.cluster.mend_way(host, other);
        }
    }

    fn hurt_a_container(&mut self, host: HostId) {
        let now = self.cluster.now;
        let how = self.cluster.rng.between(0, 9);
        let Some(node) = self.cluster.nodes.get_mut(&host) else { return };
        let names: Vec<String> = node.engine.containers.keys().cloned().collect();
        let Some(name) = self.cluster.rng.pick(&names) else { return };
        let Some(node) = self.cluster.nodes.get_mut(&host) else { return };
        let has_check = node.engine.containers.get(&name).is_some_and(|c| c.checked);
        match how {
            0..=2 => node.engine.remove(&name),
            // What is checked by nobody would hang for ever.
            3..=6 if has_check => node.engine.hang(&name),
            _ => node.engine.end(&name, 137, now),
        }
        self.cluster.touch(host);
    }
}
