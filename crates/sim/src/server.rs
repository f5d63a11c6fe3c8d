//! A server replica: it takes a snapshot, plans, and a little later commits what it planned, if nobody was
//! faster; and it tells the agents connected to it what their hosts shall run.

use std::collections::BTreeMap;

use drover_core::plan::{Agenda, Plan, plan};
use drover_core::{Change, HostAssignment, HostId, Scope, Time, World, derive};

use crate::mutation::Mutation;

/// One of the servers.
#[derive(Debug, Default)]
pub struct Server {
    /// It runs.
    pub up: bool,
    /// Agents connected to it, and what each was sent last.
    pub sessions: BTreeMap<HostId, Option<HostAssignment>>,
    /// The plan it is about to commit, with the snapshot it was made from.
    pub planned: Option<(World, Plan)>,
    agenda: Agenda,
    swept_at: Time,
    assigned_version: u64,
    /// The step that was looked at last for what is overlooked, and when.
    looked: (u64, Time),
}

/// Where no step was taken, it is looked this often whether something became due by time alone that nobody wakes for.
const LOOK_MS: u64 = 1_000;

/// Every plan loop sweeps everything this often, so that nothing missed stays missed.
const SWEEP_MS: u64 = 15_000;

impl Server {
    /// A process that just began: it has everything to look at.
    pub fn started() -> Self {
        Self { up: true, agenda: Agenda::everything(), ..Self::default() }
    }

    /// Take in what changed.
    pub fn hear(&mut self, news: Scope) {
        self.agenda.hear(news);
    }

    /// What it would do, and nothing it knows of makes it look, after this many steps of the world.
    pub fn overlooks(&mut self, world: &World, steps: u64, now: Time) -> Vec<Change> {
        let (looked, at) = self.looked;
        let is_new = steps != looked || now >= at + LOOK_MS;
        if !self.up || self.planned.is_some() || !self.agenda.is_idle(now) || !is_new {
            return Vec::new();
        }
        self.looked = (steps, now);
        plan(world, &Scope::everything(), now).changes
    }

    /// Take a snapshot and plan; true if there is something to commit.
    pub fn plan(&mut self, world: &World, now: Time, broken: Option<Mutation>) -> bool {
        if now >= self.swept_at + SWEEP_MS {
            self.swept_at = now;
            self.agenda.sweep();
        }
        let Some(scope) = self.agenda.take(now) else { return false };
        let plan = match broken {
            None => plan(world, &scope, now),
            Some(broken) => broken.planned(world, plan(&broken.shown(world), &scope, now)),
        };
        self.agenda.learn(&plan);
        if plan.changes.is_empty() {
            return false;
        }
        self.planned = Some((world.clone(), plan));
        true
    }

    /// The commit was refused: look at the same services again.
    pub fn again(&mut self, plan: &Plan) {
        let services = plan.looked_at.clone();
        self.agenda.put_back(Scope { services, ..Scope::default() });
    }

    /// The assignments that differ from what was sent, now sent.
    pub fn assignments(&mut self, world: &World) -> Vec<(HostId, HostAssignment)> {
        let mut out = Vec::new();
        let fresh = self.sessions.values().any(Option::is_none);
        if self.assigned_version == world.version && !fresh {
            return out;
        }
        self.assigned_version = world.version;
        for (&host, sent) in &mut self.sessions {
            let next = derive::assignment(world, host);
            if sent.as_ref().is_none_or(|sent| !sent.same_content(&next)) {
                *sent = Some(next.clone());
                out.push((host, next));
            }
        }
        out
    }

    /// The process ends; what it knew is gone.
    pub fn crash(&mut self) {
        *self = Self::default();
    }
}
