//! Keeping the view of Docker true at the least cost: a container is looked at when something happened to it since it
//! was last looked at, and not while work on its unit is going on, which looks by itself when it is over.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agent, AgentResult};
use crate::clock;
use crate::docker::{Brief, Looked, briefs, look};

/// When containers were looked at.
#[derive(Default)]
pub(super) struct Looks {
    /// ns since the epoch, by container id.
    at: BTreeMap<String, u64>,
    /// Containers something happened to while their unit was being worked on, and when.
    waiting: BTreeMap<String, u64>,
}

/// What a sweep over all containers found.
pub(crate) struct Sweep {
    /// When it began, ns since the epoch.
    asked_ns: u64,
    /// The containers there are.
    briefs: Vec<Brief>,
}

impl Looks {
    pub(super) fn forget_all(&mut self) {
        self.at.clear();
        self.waiting.clear();
    }
}

impl Agent {
    /// Something happened to a container.
    pub(super) fn touched(&mut self, id: String, at_ns: u64) {
        if self.looks.at.get(&id).is_some_and(|looked| *looked >= at_ns) {
            return;
        }
        // A container that is not known yet is most likely being made by work in progress, which will tell of it.
        let waits = match self.view.unit_of(&id) {
            Some(unit) => self.working.contains_key(&unit),
            None => !self.working.is_empty() && !self.naming.seen.contains_key(&id),
        };
        if waits {
            self.looks.waiting.insert(id, at_ns);
        } else {
            self.look_at(id);
        }
    }

    /// Take in a look, unless a later one is known.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { id, asked_ns, found, system } = looked;
        if self.looks.at.get(&id).is_some_and(|at| *at > asked_ns) {
            return;
        }
        if let Some(system) = system {
            self.looks.at.insert(id.clone(), asked_ns);
            self.naming.seen.insert(id, system);
        } else if let Some((unit, container)) = found {
            self.looks.at.insert(id, asked_ns);
            self.view.put(unit, container);
        } else {
            self.looks.at.remove(&id);
            self.naming.seen.remove(&id);
            self.view.forget(&id);
        }
    }

    /// Work is over: look at what happened meanwhile and wasn't looked at since.
    pub(super) fn look_at_what_waited(&mut self) {
        for (id, at_ns) in std::mem::take(&mut self.looks.waiting) {
            self.touched(id, at_ns);
        }
    }

    /// Begin a look over everything.
    pub(crate) fn sweep(&mut self) {
        self.read_host_names();
        let Some(engine) = self.engine.clone() else { return };
        let results = self.results.clone();
        tokio::spawn(async move {
            let asked_ns = clock::now_ns();
            // An engine that doesn't answer shows in its events.
            if let Ok(briefs) = briefs(&engine).await {
                let _ = results.send(AgentResult::Swept(Sweep { asked_ns, briefs }));
            }
        });
    }

    /// Look closer where the sweep differs from the view.
    pub(super) fn swept(&mut self, sweep: Sweep) {
        let Sweep { asked_ns, briefs } = sweep;
        let units = self.view.containers.values().flatten();
        let mut known: BTreeMap<&str, Brief> =
            units.map(|seen| (seen.id.as_str(), Brief::of(seen))).collect();
        known.extend(self.naming.seen.values().map(|s| (s.id.as_str(), Brief::of_system(s))));
        let mut differ: Vec<String> = Vec::new();
        for brief in &briefs {
            if known.get(brief.id.as_str()) != Some(brief) {
                differ.push(brief.id.clone());
            }
        }
        let there: BTreeSet<&str> = briefs.iter().map(|b| b.id.as_str()).collect();
        differ.extend(known.keys().filter(|id| !there.contains(**id)).map(|id| (*id).to_owned()));
        for id in differ {
            self.touched(id, asked_ns);
        }
    }

    fn look_at(&self, id: String) {
        let Some(engine) = self.engine.clone() else { return };
        let results = self.results.clone();
        tokio::spawn(async move {
            // What can't be looked at now is found by the next sweep.
            if let Ok(looked) = look(&engine, id).await {
                let _ = results.send(AgentResult::Looked(looked));
            }
        });
    }
}
