//! Keeps asking the planner what to do next, and commits its answer.
//!
//! It wakes when something changed, when the last plan asked for it, and for a sweep of everything now and then, which
//! makes good whatever was missed. Nothing it meets ends it: an error is logged, and the sweep tries again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drover_core::plan::{Plan, plan};
use drover_core::{Scope, ServiceId, Time, World};
use drover_store::{CommitError, Feed};
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::clock;
use crate::server::{Notes, Server};

/// Name of the planner in the change log.
pub(crate) const PLANNER: &str = "planner";

/// After an error that has nothing to do with the plan, milliseconds.
const PAUSE_MS: u64 = 1_000;

/// Plan until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut planner = Planner {
        feed: server.store.feed(),
        scope: Scope::everything(),
        waiting: BTreeSet::new(),
        wake_at: None,
        server: server.clone(),
    };
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
            planner.scope = Scope::everything();
            sweep_at = Instant::now() + sweep;
        }
    }
}

struct Planner {
    server: Arc<Server>,
    feed: Feed,
    /// To look at in the next plan.
    scope: Scope,
    /// Services that any plan looks at again.
    waiting: BTreeSet<ServiceId>,
    /// When they want to be looked at in any case.
    wake_at: Option<Time>,
}

/// Why a plan was not committed; what it was to look at is still in scope.
enum Unplanned {
    /// There is a newer snapshot than the one it was made from.
    Outdated,
    /// The store would not have it, or the planner failed; the log says more.
    Failed,
}

impl Planner {
    /// Plan what is in scope, again while snapshots grow old under it.
    async fn settle(&mut self) -> Result<(), Unplanned> {
        let mut queue = false;
        loop {
            while let Some(update) = self.feed.next().now_or_never() {
                self.scope.merge(update.scope);
            }
            match self.step(queue).await {
                // From the second time on it queues like everyone else: busy users can't starve it.
                Err(Unplanned::Outdated) => queue = true,
                other => return other,
            }
        }
    }

    async fn step(&mut self, queue: bool) -> Result<(), Unplanned> {
        let server = self.server.clone();
        let _turn = if queue { Some(server.turn.lock().await) } else { None };
        let now = clock::now();
        self.scope.services.extend(&self.waiting);
        if self.scope.is_empty() && self.wake_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let world = server.store.world();
        match planned(world.clone(), self.scope.clone(), now).await {
            Some(plan) => self.commit(&world, plan, now).await?,
            None => self.one_by_one(&world).await,
        }
        self.scope = Scope::default();
        Ok(())
    }

    /// After a failure in the planner itself: plan each service alone, so that the one it fails on stops
    /// no other.
    async fn one_by_one(&mut self, world: &World) {
        let all = world.services.keys().copied().filter(|_| self.scope.all);
        let services: BTreeSet<ServiceId> = all.chain(self.scope.services.clone()).collect();
        self.waiting.clear();
        for service in services {
            let (world, now) = (self.server.store.world(), clock::now());
            let Some(plan) = planned(world.clone(), Scope::one(service), now).await else {
                tracing::error!(%service, "this service can't be planned; the others go on");
                continue;
            };
            if self.commit(&world, plan, now).await.is_err() {
                self.waiting.insert(service);
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
        self.wake_at = plan.wake_at;
        self.waiting.retain(|service| !plan.looked_at.contains(service));
        self.waiting.extend(plan.waiting);
        let held: Arc<Notes> = self.server.notes.borrow().clone();
        let mut notes = (*held).clone();
        notes.retain(|service, _| {
            world.services.contains_key(service) && !plan.looked_at.contains(service)
        });
        for note in plan.notes {
            let known = held.get(&note.service).is_some_and(|notes| notes.contains(&note));
            if note.stuck && !known {
                let service = world.service(note.service).map_or("", |s| s.name.as_str());
                tracing::warn!(service, id = %note.service, "{}", note.text);
            }
            notes.entry(note.service).or_default().push(note);
        }
        if notes != *held {
            self.server.notes.send_replace(Arc::new(notes));
        }
    }

    async fn news(&mut self) {
        let update = self.feed.next().await;
        self.scope.merge(update.scope);
    }

    fn wake_at(&self, sweep_at: Instant) -> Instant {
        let Some(at) = self.wake_at else { return sweep_at };
        sweep_at.min(Instant::now() + Duration::from_millis(at - clock::now()))
    }
}

/// Plan beside the other tasks, since a sweep of a large cluster takes a while; `None` if the planner panicked.
async fn planned(world: Arc<World>, scope: Scope, now: Time) -> Option<Plan> {
    let planning = tokio::task::spawn_blocking(move || plan(&world, &scope, now));
    planning.await.inspect_err(|error| tracing::error!(%error, "the planner failed")).ok()
}
