//! The one thing servers share: a world that is written by compare-and-set, judged on every step.

use std::collections::BTreeMap;

use drover_core::check::{Violation, check, check_step};
use drover_core::{Change, HostId, Observed, Scope, Time, UnitKey, World};

use crate::mutation::Mutation;

/// The shared world and what was wrong with it so far.
#[derive(Debug)]
pub struct Database {
    /// The newest snapshot.
    pub world: World,
    /// Rules broken, with the moment.
    pub violations: Vec<(Time, Violation)>,
    /// Services to look at again, for each server.
    dirty: Vec<Scope>,
    mutation: Option<Mutation>,
    /// What was committed and observed, in words, if someone wants to read it.
    pub trace: Option<Vec<String>>,
}

impl Database {
    /// An empty world, shared by this many servers.
    pub fn new(servers: usize, mutation: Option<Mutation>) -> Self {
        let dirty = vec![Scope::everything(); servers];
        Self { world: World::new(), violations: Vec::new(), dirty, mutation, trace: None }
    }

    /// Commit changes made from the snapshot `seen`; false if the world has moved on, or refuses.
    pub fn commit(&mut self, seen: Option<&World>, changes: &[Change], now: Time) -> bool {
        let stale = seen.is_some_and(|seen| seen.revision != self.world.revision);
        if stale && self.mutation != Some(Mutation::NoCompareAndSet) {
            return false;
        }
        let Ok((next, _)) = self.world.commit(changes) else { return false };
        self.tell(now, || {
            let changes: Vec<String> = changes.iter().map(in_short).collect();
            format!("revision {}: {}", next.revision, changes.join(" · "))
        });
        for change in changes {
            self.mark(&change.dirties());
        }
        // Reports don't make a plan stale, so a plan is judged by what its planner could have seen.
        let mut judged = self.world.clone();
        if let Some(seen) = seen {
            judged.observed = seen.observed.clone();
        }
        self.replace(&judged, next, now);
        true
    }

    /// Take in a report.
    pub fn observe(&mut self, host: HostId, units: &BTreeMap<UnitKey, Observed>, now: Time) {
        self.tell(now, || {
            let units = units.iter();
            let units = units
                .map(|(k, o)| format!("{k} {:?} ready={} g{}", o.phase, o.ready, o.generation));
            format!("host {host} reports {}", units.collect::<Vec<_>>().join(" · "))
        });
        let mut next = self.world.clone();
        if self.mutation == Some(Mutation::ReportsWithoutClock) {
            for (key, seen) in units {
                if next.unit(*key).is_some_and(|u| u.host == host) {
                    next.observed.insert(*key, std::sync::Arc::new(seen.clone()));
                    self.mark(&Scope::one(key.service));
                }
            }
        } else {
            let (_, scope) = next.observe(host, units, now);
            self.mark(&scope);
        }
        self.replace(&self.world.clone(), next, now);
    }

    /// What a server has to look at since it asked last.
    pub fn take_dirty(&mut self, server: usize) -> Scope {
        self.dirty.get_mut(server).map(std::mem::take).unwrap_or_default()
    }

    fn tell(&mut self, now: Time, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", words()));
        }
    }

    fn mark(&mut self, scope: &Scope) {
        for dirty in &mut self.dirty {
            dirty.merge(scope.clone());
        }
    }

    fn replace(&mut self, before: &World, next: World, now: Time) {
        let wrong = check(&next).into_iter().chain(check_step(before, &next, now));
        self.violations.extend(wrong.map(|violation| (now, violation)));
        self.world = next;
    }
}

/// A change in a few words.
fn in_short(change: &Change) -> String {
    match change {
        Change::CreateUnit(unit) => format!("create {} on {}", unit.key, unit.host),
        Change::SetDesired { unit, desired, .. } => format!("{unit} → {desired:?}"),
        Change::PutService(s) => {
            format!("service {} scale={} wanted={:?}", s.id, s.scale, s.wanted)
        }
        Change::AddRevision(r) => {
            format!("revision {}/{} {}", r.service, r.number, r.template.primary.image)
        }
        Change::SeeHost { host, seen } => format!("host {host} connected={}", seen.connected),
        other => format!("{other:?}"),
    }
}
