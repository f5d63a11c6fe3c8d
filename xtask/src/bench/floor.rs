//! The floor: the same containers made straight through Docker's API, some requests at a time on each engine. Nothing
//! that does its work through that API can be faster.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::BenchError;
use super::contender::Contender;
use crate::docker::Engine;

/// Straight through Docker's API.
pub(super) struct Floor {
    engines: Vec<Engine>,
    /// What every container is made of.
    body: Value,
    /// Requests at a time on each engine.
    pub(super) at_a_time: usize,
    /// Ids of the containers that are there, by engine.
    made: Vec<Vec<String>>,
}

impl Floor {
    pub(super) fn new(engines: &[Engine], body: Value) -> Self {
        Self { engines: engines.to_vec(), body, at_a_time: 1, made: Vec::new() }
    }

    /// Do something to every engine's share of work, `at_a_time` threads each; what came of it, by engine.
    fn each(
        &self,
        work: &[Vec<String>],
        act: impl Fn(&Engine, &str) -> Result<String, BenchError> + Sync,
    ) -> Result<Vec<Vec<String>>, BenchError> {
        std::thread::scope(|scope| {
            let mut lanes = Vec::new();
            for (engine, work) in self.engines.iter().zip(work) {
                let next = std::sync::Arc::new(AtomicUsize::new(0));
                let lane = || {
                    let (next, act) = (next.clone(), &act);
                    scope.spawn(move || {
                        let mut done = Vec::new();
                        while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                            done.push(act(engine, item)?);
                        }
                        Ok::<_, BenchError>(done)
                    })
                };
                lanes.push((0..self.at_a_time).map(|_| lane()).collect::<Vec<_>>());
            }
            let of_engine = |lanes: Vec<std::thread::ScopedJoinHandle<'_, _>>| {
                let joined = lanes.into_iter().map(|lane| match lane.join() {
                    Ok(done) => done,
                    Err(panic) => std::panic::resume_unwind(panic),
                });
                joined.collect::<Result<Vec<_>, _>>().map(|done| done.concat())
            };
            lanes.into_iter().map(of_engine).collect()
        })
    }
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "Docker's API"
    }

    fn deploy(&mut self, count: usize) -> Result<(), BenchError> {
        let mut work = vec![Vec::new(); self.engines.len()];
        for number in 0..count {
            work[number % self.engines.len()].push(format!("bench-sleep-{}", number + 1));
        }
        // All created, then all started: that costs the engines a little less than container by container.
        self.made = self.each(&work, |engine, name| Ok(engine.create(name, &self.body)?))?;
        self.each(&self.made, |engine, id| Ok(engine.start(id).map(|()| String::new())?)).map(drop)
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        let made = std::mem::take(&mut self.made);
        self.each(&made, |engine, id| Ok(engine.remove(id).map(|()| String::new())?)).map(drop)
    }
}
