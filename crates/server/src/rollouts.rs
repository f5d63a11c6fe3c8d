//! Carries out the rollouts of stacks: one job for each stack that has something to do.
//!
//! What there is to do is on the stack, and how it ended is written there; what a job knows besides is worth nothing, so that a
//! server that starts goes on with whatever the one before it left. A job is ended when its stack is removed, or is sent
//! somewhere else.

mod inside;
mod job;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{Change, Rollout, RowKey, Stack, StackId, World};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use crate::server::Server;

/// Name in the change log of what is written about rollouts.
const RUNNER: &str = "rollouts";

/// Carry out until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut feed = server.store.feed();
    let mut runner =
        Runner { server: server.clone(), jobs: BTreeMap::new(), at_work: JoinSet::new() };
    runner.look(&server.store.world());
    loop {
        let again = runner.next_try();
        tokio::select! {
            () = server.stop.cancelled() => return,
            update = feed.next() => {
                if !update.touched.iter().any(|row| matches!(row, RowKey::Stack(_))) {
                    continue;
                }
            }
            Some(ended) = runner.at_work.join_next() => runner.ended(ended),
            () = tokio::time::sleep_until(again) => {}
        }
        runner.look(&server.store.world());
    }
}

struct Runner {
    server: Arc<Server>,
    jobs: BTreeMap<StackId, Job>,
    /// Ends every job with the runner.
    at_work: JoinSet<(StackId, Rollout)>,
}

/// What a stack's job is at.
struct Job {
    rollout: Rollout,
    state: State,
}

enum State {
    Working(AbortHandle),
    /// It failed; what may have changed by then is tried again.
    Later(Instant),
}

impl Runner {
    /// Begin what is to be done, and end what is not to be done any more.
    fn look(&mut self, world: &World) {
        let due: BTreeMap<StackId, (&Arc<Stack>, &Rollout)> = world
            .stacks
            .values()
            .filter_map(|stack| Some((stack.id, (stack, stack.due()?))))
            .collect();
        self.jobs.retain(|id, job| {
            let goes_on = due.get(id).is_some_and(|(_, rollout)| rollout.is(&job.rollout));
            if let State::Working(handle) = &job.state
                && !goes_on
            {
                handle.abort();
            }
            goes_on
        });
        let now = Instant::now();
        for (id, (stack, rollout)) in due {
            let waits = self.jobs.get(&id).is_some_and(|job| match job.state {
                State::Working(_) => true,
                State::Later(at) => at > now,
            });
            if !waits {
                let work = carry_out(self.server.clone(), (**stack).clone(), rollout.clone());
                let state = State::Working(self.at_work.spawn(work));
                self.jobs.insert(id, Job { rollout: rollout.clone(), state });
            }
        }
    }

    /// A job is over; what is due all the same is tried again after a while.
    fn ended(&mut self, ended: Result<(StackId, Rollout), JoinError>) {
        let again = Instant::now() + Duration::from_millis(self.server.timing.retry_ms);
        match ended {
            Ok((id, rollout)) => {
                if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.rollout.is(&rollout)) {
                    job.state = State::Later(again);
                }
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                tracing::error!(%error, "a rollout failed; it is tried again. Report this");
                let gone = |job: &Job| matches!(&job.state, State::Working(at) if at.is_finished());
                for job in self.jobs.values_mut().filter(|job| gone(job)) {
                    job.state = State::Later(again);
                }
            }
        }
    }

    /// When something is to be tried again.
    fn next_try(&self) -> Instant {
        let later = self.jobs.values().filter_map(|job| match job.state {
            State::Later(at) => Some(at),
            State::Working(_) => None,
        });
        let sweep = Instant::now() + Duration::from_millis(self.server.timing.sweep_ms);
        later.min().map_or(sweep, |at| at.min(sweep))
    }
}

/// Do it, and write down how it ended.
async fn carry_out(server: Arc<Server>, stack: Stack, rollout: Rollout) -> (StackId, Rollout) {
    let (id, name) = (stack.id, stack.name.clone());
    let outcome = job::work(&server, &stack, &rollout).await;
    match &outcome {
        Ok(()) => tracing::info!(stack = name, "a stack is where it was to be"),
        Err(why) => tracing::warn!(stack = name, "a stack is not where it was to be: {why}"),
    }
    let written = server.decide(RUNNER, |world, now| {
        let held = world.stacks.get(&id);
        let ended = held.and_then(|held| held.ended(&rollout, outcome.clone(), now));
        Ok::<_, Infallible>((ended.map(Change::PutStack).into_iter().collect(), ()))
    });
    if let Err(error) = written.await {
        tracing::error!(%error, stack = name, "how a rollout ended could not be written down");
    }
    (id, rollout)
}
