//! Requests, flowing through the balancers of a simulated cluster: the reason for all the care. Every one that is lost
//! because something was stopped *by order* while it could still be sent to is a violation.
//!
//! A balancer follows its configuration late, up to half a minute late in foul weather, and tells what it has
//! acknowledged through its agent, like the real one. Requests lost to crashes, to power cuts, to a balancer that was
//! given up or to a drain whose time was over are nobody's fault here.

use std::collections::BTreeMap;

use drover_core::{BalancerConfig, Followed, Time, UnitKey};

use crate::engine::Container;

/// One balancer process.
#[derive(Debug, Default)]
pub struct Router {
    /// Its container's run; another one begins with nothing.
    run: Option<Run>,
    /// What it follows.
    applied: Option<BalancerConfig>,
    /// Requests under way, by number.
    in_flight: BTreeMap<u64, Request>,
    numbers: u64,
    /// What its agent told last.
    told: Option<Followed>,
}

/// A container's run: its id, and since when.
pub type Run = (String, Time);

/// A request under way.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it was sent.
    pub target: UnitKey,
    /// The run it was sent to.
    pub run: Run,
    /// It was past its start-up and did not hang.
    pub answers: bool,
}

impl Router {
    /// The process as it is now; true if it has just begun and has to read its configuration.
    pub fn is_new_run(&mut self, container: Option<&Container>) -> bool {
        let run = container.and_then(run_of);
        if self.run == run {
            return false;
        }
        let begins = run.is_some();
        *self = Self { run, numbers: self.numbers, ..Self::default() };
        begins
    }

    /// Whether it can take requests.
    pub fn is_up(&self) -> bool {
        self.run.is_some() && self.applied.is_some()
    }

    /// Follow another configuration.
    pub fn apply(&mut self, config: BalancerConfig) {
        self.applied = Some(config);
    }

    /// Units that requests are sent to.
    pub fn targets(&self) -> Vec<UnitKey> {
        let listeners = self.applied.iter().flat_map(|config| config.listeners.values());
        let targets = listeners.flat_map(|l| &l.routes).flat_map(|route| &route.targets);
        targets.map(|target| target.unit).collect()
    }

    /// A request begins; its number.
    pub fn begin(&mut self, request: Request) -> u64 {
        self.numbers += 1;
        self.in_flight.insert(self.numbers, request);
        self.numbers
    }

    /// A request ends, unless its balancer did before.
    pub fn end(&mut self, number: u64) -> Option<Request> {
        self.in_flight.remove(&number)
    }

    /// What its agent tells of it, if that is anything else than was told; or in any case. A process that runs says it
    /// in its status file; for one that doesn't, the `file` it would begin with speaks.
    pub fn tell(&mut self, file: Option<&BalancerConfig>, all: bool) -> Option<Followed> {
        let applied = if self.run.is_some() { self.applied.as_ref() } else { file };
        let mut followed = Followed { routing: applied?.routing, ..Followed::default() };
        let targets = self.targets();
        for request in self.in_flight.values().filter(|r| !targets.contains(&r.target)) {
            *followed.in_flight.entry(request.target).or_default() += 1;
        }
        if !all && self.told.as_ref() == Some(&followed) {
            return None;
        }
        self.told = Some(followed.clone());
        Some(followed)
    }
}

/// The run a container is in.
pub fn run_of(container: &Container) -> Option<Run> {
    Some((container.id.clone(), container.running_since?))
}
