//! Keeps asking the planner what to do next, and commits its answer.
//!
//! It wakes when something changed, when the last plan asked for it, and for a sweep of everything now and then, which
//! makes good whatever was missed. What is to be planned is planned in slices, each committed by itself: while a large cluster is
//! looked through, everybody else has a turn between two of them. Nothing it meets ends it: an error is logged, and the sweep
//! tries again.

use std::sync::Arc;
use std::time::Duration;

use drover_core::plan::{Agenda, Plan, plan};
use drover_core::{Scope, ServiceId, Time, World};
use drover_store::{CommitError, Feed};
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::clock;
use crate::server::{Notes, Server};

/// Name of the planner in the change log.
pub(crate) const PLANNER: &str = "planner";

/// Services planned at a time. Whoever wants to commit something waits for one slice at most, and what a plan costs
/// besides its services is a small part of it.
const SLICE: usize = 128;

/// After an error that has nothing to do with the plan, milliseconds.
const PAUSE_MS: u64 = 1_000;

/// Plan until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut planner =
        Planner { feed: server.store.feed(), agenda: Agenda::everything(), server: server.clone() };
    let sweep = Duration::from_millis(server.timing.sweep_ms);
    let mut sweep_at = Instant::now() + sweep;
    loop {
        let failed = planner.settle().await.is_err();
        let pause = Instant::now() + Duration::from_millis(PAUSE_MS);
        let wake_at = if failed { pause } else { planner.wake_at(sweep_at) };
        tokio::select! {
            () = server.stop.cancelled() => return,
            () = planner.news(), if !failed => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
        if Instant::now() >= sweep_at {
            planner.agenda.sweep();
            sweep_at = Instant::now() + sweep;
        }
    }
}

struct Planner {
    server: Arc<Server>,
    feed: Feed,
    agenda: Agenda,
}

/// Why a plan was not committed; what it was to look at is still in scope.
enum Unplanned {
    /// There is a newer snapshot than the one it was made from.
    Outdated,
    /// The store would not have it, or the planner failed; the log says more.
    Failed,
}

impl Planner {
    /// Plan what is in scope, and what waits with it, slice by slice; again while something new comes.
    async fn settle(&mut self) -> Result<(), Unplanned> {
        loop {
            self.take_news();
            let Some(work) = self.agenda.take(clock::now()) else { return Ok(()) };
            for (left, slice) in slices(work, &self.server.store.world()) {
                let mut planned = self.plan(&slice).await;
                if planned.is_ok() {
                    planned = self.plan_news().await;
                }
                if let Err(failed) = planned {
                    // It is all still to be done, and the moment that was asked for is not known.
                    self.agenda.put_back(slice);
                    self.agenda.put_back(left);
                    return Err(failed);
                }
            }
        }
    }

    /// What came while a slice was planned goes before the rest: users don't wait for a sweep. What waits is looked at again
    /// because of it in the next round.
    async fn plan_news(&mut self) -> Result<(), Unplanned> {
        self.take_news();
        let Some(news) = self.agenda.take_news() else { return Ok(()) };
        for (left, slice) in slices(news, &self.server.store.world()) {
            if let Err(failed) = self.plan(&slice).await {
                self.agenda.put_back(slice);
                self.agenda.put_back(left);
                return Err(failed);
            }
        }
        Ok(())
    }

    /// Plan a slice, again while snapshots grow old under it.
    async fn plan(&mut self, slice: &Scope) -> Result<(), Unplanned> {
        let mut queue = false;
        loop {
            match self.step(slice, queue).await {
                // From the second time on it queues like everyone else: busy users can't starve it.
                Err(Unplanned::Outdated) => queue = true,
                other => return other,
            }
        }
    }

    async fn step(&mut self, slice: &Scope, queue: bool) -> Result<(), Unplanned> {
        let server = self.server.clone();
        let _turn = if queue { Some(server.turn.lock().await) } else { None };
        let (world, now) = (server.store.world(), clock::now());
        if let Some(plan) = planned(world.clone(), slice.clone(), now).await {
            return self.commit(&world, plan, now).await;
        }
        self.one_by_one(slice).await;
        Ok(())
    }

    fn take_news(&mut self) {
        while let Some(update) = self.feed.next().now_or_never() {
            self.agenda.hear(update.scope);
        }
    }

    /// After a failure in the planner itself: plan each service alone, so that the one it fails on stops
    /// no other.
    async fn one_by_one(&mut self, slice: &Scope) {
        for service in slice.services.iter().copied() {
            self.agenda.forget(service);
            let (world, now) = (self.server.store.world(), clock::now());
            let Some(plan) = planned(world.clone(), Scope::one(service), now).await else {
                tracing::error!(%service, "this service can't be planned; the others go on");
                continue;
            };
            if self.commit(&world, plan, now).await.is_err() {
                self.agenda.wait(service);
            }
        }
    }

    async fn commit(&mut self, world: &World, mut plan: Plan, now: Time) -> Result<(), Unplanned> {
        let changes = std::mem::take(&mut plan.changes);
        let count = changes.len();
        match self.server.store.commit(Some(world.revision), PLANNER, now, changes).await {
            Ok(_) if count > 0 => tracing::debug!(changes = count, "a plan was committed"),
            Ok(_) => {}
            Err(CommitError::Conflict) => return Err(Unplanned::Outdated),
            Err(error) => {
                tracing::error!(%error, changes = count, "a plan could not be committed");
                return Err(Unplanned::Failed);
            }
        }
        self.learn(world, plan);
        Ok(())
    }

    /// Keep what a plan says about itself.
    fn learn(&mut self, world: &World, plan: Plan) {
        self.agenda.learn(&plan);
        let held: Arc<Notes> = self.server.notes.borrow().clone();
        let mut said = Notes::new();
        for note in plan.notes {
            let known = held.get(&note.service).is_some_and(|notes| notes.contains(&note));
            if note.stuck && !known {
                let service = world.service(note.service).map_or("", |s| s.name.as_str());
                tracing::warn!(service, id = %note.service, "{}", note.text);
            }
            said.entry(note.service).or_default().push(note);
        }
        let is_void = |service: &ServiceId| {
            plan.looked_at.contains(service) || !world.services.contains_key(service)
        };
        let differs = |service: &ServiceId| held.get(service) != said.get(service);
        // Notes of thousands of services are not copied for nothing.
        if said.keys().any(differs) || held.keys().filter(|s| is_void(s)).any(differs) {
            let mut notes = (*held).clone();
            notes.retain(|service, _| !is_void(service));
            notes.extend(said);
            self.server.notes.send_replace(Arc::new(notes));
        }
    }

    async fn news(&mut self) {
        let update = self.feed.next().await;
        self.agenda.hear(update.scope);
    }

    fn wake_at(&self, sweep_at: Instant) -> Instant {
        let Some(at) = self.agenda.wakes_at() else { return sweep_at };
        sweep_at.min(Instant::now() + Duration::from_millis(at - clock::now()))
    }
}

/// The work in slices, each with what comes after it. One that is planned before its world has seen all of the work loses
/// nothing: what has changed since is news, and planned again.
fn slices(work: Scope, world: &World) -> impl Iterator<Item = (Scope, Scope)> {
    let services: Vec<ServiceId> = if work.all {
        world.services.keys().copied().collect()
    } else {
        work.services.into_iter().collect()
    };
    // Hosts are looked at in every plan: with nothing else to do there is one.
    let count = services.len().div_ceil(SLICE).max(1);
    (0..count).map(move |n| {
        let (from, to) = (n * SLICE, services.len().min((n + 1) * SLICE));
        let of = |services: &[ServiceId]| Scope {
            services: services.iter().copied().collect(),
            ..Scope::default()
        };
        (of(&services[to..]), of(&services[from..to]))
    })
}

/// Plan beside the other tasks, since a slice of a large cluster takes a while; `None` if the planner panicked.
async fn planned(world: Arc<World>, scope: Scope, now: Time) -> Option<Plan> {
    let planning = tokio::task::spawn_blocking(move || plan(&world, &scope, now));
    planning.await.inspect_err(|error| tracing::error!(%error, "the planner failed")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{LB, WEB, world};

    fn of(services: impl IntoIterator<Item = u64>) -> Scope {
        Scope { services: services.into_iter().map(ServiceId).collect(), ..Scope::default() }
    }

    #[test]
    fn all_work_is_in_one_slice_or_another() {
        let world = world();
        let most = u64::try_from(SLICE).unwrap();
        let slices = |work: Scope| slices(work, &world).collect::<Vec<_>>();
        assert_eq!(slices(of([])), [(of([]), of([]))]);
        assert_eq!(slices(Scope::everything()), [(of([]), of([WEB.0, LB.0]))]);
        let got = slices(of(0..=most * 2));
        let want = [
            (of(most..=most * 2), of(0..most)),
            (of([most * 2]), of(most..most * 2)),
            (of([]), of([most * 2])),
        ];
        assert_eq!(got, want);
    }
}
