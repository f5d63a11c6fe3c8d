//! The one thing servers share: a world that is written by compare-and-set, judged on every step.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::check::{Violation, check, check_step};
use drover_core::derive::{affected, assignment, concerned, discovery, let_go_until};
use drover_core::{
    Change, Desired, Discovery, Followed, Host, HostId, Observed, RowKey, Scope, ServiceKind, Time,
    UnitKey, Witnessed, World,
};

use crate::mutation::Mutation;

/// The shared world and what was wrong with it so far.
#[derive(Debug)]
pub struct Database {
    /// The newest snapshot.
    pub world: World,
    /// Rules broken, with the moment.
    pub violations: Vec<(Time, Violation)>,
    /// Balancers, and units that were stopped although they had not acknowledged that those go: because they were given up,
    /// or the time was over.
    pub excused: BTreeSet<(UnitKey, UnitKey)>,
    /// How many steps the world has taken.
    pub steps: u64,
    /// Services to look at again, for each server.
    dirty: Vec<Scope>,
    mutation: Option<Mutation>,
    /// Every step is judged. With a thousand containers that takes most of the time, and a script may do with
    /// [`Self::judge`] where it looks.
    pub judges_steps: bool,
    /// With every step it is looked whether all are told who have to look at their orders, or have something to plan: a sweep
    /// would make it good, so late that nobody sees it here. It is dear, and so not for every seed.
    pub judges_news: bool,
    /// What was committed and observed, in words, if someone wants to read it.
    pub trace: Option<Vec<String>>,
}

impl Database {
    /// An empty world, shared by this many servers.
    pub fn new(servers: usize, mutation: Option<Mutation>) -> Self {
        let dirty = vec![Scope::everything(); servers];
        Self {
            world: World::new(),
            violations: Vec::new(),
            excused: BTreeSet::new(),
            steps: 0,
            dirty,
            mutation,
            judges_steps: true,
            judges_news: false,
            trace: None,
        }
    }

    /// Commit changes made from the snapshot `seen`; false if the world has moved on, or refuses.
    pub fn commit(&mut self, seen: Option<&World>, changes: &[Change], now: Time) -> bool {
        let stale = seen.is_some_and(|seen| seen.revision != self.world.revision);
        if stale && self.mutation != Some(Mutation::NoCompareAndSet) {
            return false;
        }
        let Ok((next, touched)) = self.world.commit(changes) else { return false };
        self.judge_news(&next, &touched, now);
        self.tell(now, || {
            let changes: Vec<String> = changes.iter().map(in_short).collect();
            format!("revision {}: {}", next.revision, changes.join(" · "))
        });
        for change in changes {
            let dirties = change.dirties(&self.world);
            self.mark(&dirties);
        }
        for change in changes {
            self.excuse(change, &next, now);
        }
        // Reports don't make a plan stale, so a plan is judged by what its planner could have seen.
        let mut judged = self.world.clone();
        if let Some(seen) = seen {
            judged.observed = seen.observed.clone();
            judged.balancers_followed = seen.balancers_followed.clone();
            judged.witnessed = seen.witnessed.clone();
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
            let (touched, scope) = next.observe(host, units, now);
            self.judge_news(&next, &touched, now);
            self.mark(&scope);
        }
        self.replace(&self.world.clone(), next, now);
    }

    /// Take in what balancers acknowledged.
    pub fn follow(&mut self, host: HostId, balancers: &BTreeMap<UnitKey, Followed>, now: Time) {
        if balancers.is_empty() {
            return;
        }
        self.tell(now, || {
            let said =
                balancers.iter().map(|(k, f)| format!("{k} {} {:?}", f.routing, f.in_flight));
            format!("balancers on {host} follow {}", said.collect::<Vec<_>>().join(" · "))
        });
        let mut next = self.world.clone();
        let (touched, scope) = next.follow(host, balancers, None);
        self.judge_news(&next, &touched, now);
        if self.mutation != Some(Mutation::AcknowledgementsUnheard) {
            self.mark(&scope);
        }
        self.replace(&self.world.clone(), next, now);
    }

    /// Take in what a host found of units on others.
    pub fn witness(&mut self, host: HostId, found: &Witnessed, now: Time) {
        self.tell(now, || {
            let said = found.verdicts.iter();
            let said = said.map(|(k, v)| format!("{k} {}", v.down.as_deref().unwrap_or("well")));
            format!("host {host} finds {}", said.collect::<Vec<_>>().join(" · "))
        });
        let mut next = self.world.clone();
        let (touched, scope) = next.witness(host, found);
        self.judge_news(&next, &touched, now);
        self.mark(&scope);
        self.replace(&self.world.clone(), next, now);
    }

    /// A request was lost, and it was somebody's fault.
    pub fn lost_request(&mut self, balancer: UnitKey, target: UnitKey, how: &str, now: Time) {
        let what = format!("a request at {balancer} {how} {target}, which was stopped by order");
        self.violations.push((now, Violation { rule: "request", what }));
    }

    /// A unit is to stop: whoever has not let go of it is one that was not to be waited for.
    fn excuse(&mut self, change: &Change, next: &World, now: Time) {
        let Change::SetDesired { unit: key, desired, .. } = change else { return };
        let Some(unit) = self.world.unit(*key).filter(|_| *desired >= Desired::Stopped) else {
            return;
        };
        let time_is_over = unit.drain_until.is_some_and(|until| now >= until);
        let patience_is_over = now >= let_go_until(&self.world, unit);
        // A host may be given up, and what it ran with it, by one plan.
        let gone = self.world.is_lost(unit.host) || next.is_lost(unit.host);
        let balancers = self.world.services.values().filter(|s| s.kind == ServiceKind::Balancer);
        for balancer in balancers.flat_map(|service| self.world.units_of(service.id)) {
            let followed = self.world.balancers_followed.get(&balancer.key);
            // Of one that never drained nobody was asked to let go: whoever can't be asked knows it still.
            let lets_go = unit.desired == Desired::Draining
                && followed.is_some_and(|f| f.routing >= unit.generation);
            let away = !self.world.is_connected(balancer.host);
            // One that is given up is not waited for, not even until what it has in flight is answered; nor one that is
            // counted on again by this very step, which nobody had asked.
            let given_up = self.world.is_lost(balancer.host) || next.is_lost(balancer.host);
            if time_is_over || gone || given_up || !lets_go && (away || patience_is_over) {
                self.excused.insert((balancer.key, *key));
            }
        }
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

    /// Judge the world as it is.
    pub fn judge(&mut self, now: Time) {
        let wrong = check(&self.world);
        self.violations.extend(wrong.into_iter().map(|violation| (now, violation)));
    }

    /// Whether every host whose orders differ after a step is one that is told to look, and name services are told of all that
    /// differs for them.
    fn judge_news(&mut self, next: &World, touched: &BTreeSet<RowKey>, now: Time) {
        if !self.judges_news {
            return;
        }
        let known = |unheard: fn(&RowKey) -> bool, mutation| {
            let all = touched.iter().filter(|row| self.mutation != Some(mutation) || !unheard(row));
            all.cloned().collect::<BTreeSet<RowKey>>()
        };
        let heard = known(|row| matches!(row, RowKey::Lost(_)), Mutation::LossUntold);
        let named = known(|row| matches!(row, RowKey::Observed(_)), Mutation::NamesUntold);
        let told = concerned(&self.world, next, &heard);
        let untold = next.hosts.keys().filter(|host| !told.contains(next, **host));
        let differs = |host: &&HostId| {
            !assignment(&self.world, **host).same_content(&assignment(next, **host))
        };
        for host in untold.filter(differs).copied().collect::<Vec<_>>() {
            let what = format!("host {host} has other orders and is not told: {touched:?}");
            self.violations.push((now, Violation { rule: "told", what }));
        }
        let told = affected(&self.world, next, &named);
        for project in next.projects.keys().copied() {
            // All hosts of a project are told the same, but for which of them they are.
            let known = |host: &&Host| self.world.host(host.id).is_some();
            let Some(host) = next.hosts_in(project).find(known).map(|host| host.id) else {
                continue;
            };
            let facts = |world| Discovery { host: 0, ..discovery(world, host) };
            let mut held = facts(&self.world);
            if let Some(update) = told.update(&held, next, project) {
                held.take(update);
            }
            if held != facts(next) {
                let what = format!("names of {project} are answered by old facts: {touched:?}");
                self.violations.push((now, Violation { rule: "names", what }));
            }
        }
    }

    /// What a planner would do now, which has heard of all that changed and sees no reason to look.
    pub fn overlooked(&mut self, changes: &[Change], now: Time) {
        if !changes.is_empty() {
            let what = changes.iter().map(in_short).collect::<Vec<_>>().join(" · ");
            self.violations.push((now, Violation { rule: "overlooked", what }));
        }
    }

    fn replace(&mut self, before: &World, next: World, now: Time) {
        if self.judges_steps {
            let wrong = check(&next).into_iter().chain(check_step(before, &next, now));
            self.violations.extend(wrong.map(|violation| (now, violation)));
        }
        self.world = next;
        self.steps += 1;
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
