//! What an upgrade asks of its new containers, again and again, while it watches them: a request or a command. The answers
//! are counted and judged by the server; a container that fails here goes on running and serving.
//!
//! Not the health check, which is [`crate::probe`]'s: that decides whether a container serves at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use drover_core::{Tally, UnitKey, VerifyAsk};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::agent::AgentResult;
use crate::docker::Engine;
use crate::probe::once;
use crate::reconcile::{Run, Verification};

/// Between two runs of a command.
const EVERY: Duration = Duration::from_secs(2);
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a unit did so far.
#[derive(Debug)]
pub(crate) struct Verified {
    unit: UnitKey,
    run: Run,
    tally: Tally,
}

/// Those that are asked.
#[derive(Default)]
pub(crate) struct Verifications {
    asked: BTreeMap<UnitKey, Asked>,
}

struct Asked {
    what: Verification,
    tally: Option<Tally>,
    task: JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Verifications {
    /// Ask these and no others.
    pub(crate) fn ask(
        &mut self,
        wanted: Vec<Verification>,
        engine: &Arc<Engine>,
        answers: &mpsc::UnboundedSender<AgentResult>,
    ) {
        let wanted: BTreeMap<UnitKey, Verification> =
            wanted.into_iter().map(|what| (what.unit, what)).collect();
        self.asked.retain(|unit, asked| wanted.get(unit) == Some(&asked.what));
        for (unit, what) in wanted {
            self.asked.entry(unit).or_insert_with(|| {
                let asking = keep_asking(what.clone(), engine.clone(), answers.clone());
                Asked { what, tally: None, task: tokio::spawn(asking) }
            });
        }
    }

    /// Take in an answer.
    pub(crate) fn take(&mut self, verified: Verified) {
        let Verified { unit, run, tally } = verified;
        if let Some(asked) = self.asked.get_mut(&unit).filter(|asked| asked.what.run == run) {
            asked.tally = Some(tally);
        }
    }

    /// How units did, and in which run.
    pub(crate) fn tallies(&self) -> BTreeMap<UnitKey, (Run, Tally)> {
        let known = self.asked.iter().filter_map(|(unit, asked)| {
            Some((*unit, (asked.what.run.clone(), asked.tally.clone()?)))
        });
        known.collect()
    }
}

async fn keep_asking(
    what: Verification,
    engine: Arc<Engine>,
    answers: mpsc::UnboundedSender<AgentResult>,
) {
    let Verification { unit, run, address, ask } = what;
    let mut tally = Tally::default();
    loop {
        let (result, pause) = match &ask {
            VerifyAsk::Request(check) => {
                let every = Duration::from_millis(check.interval_ms());
                let Ok(ip) = address.parse() else { return };
                (once(ip, check).await, every)
            }
            VerifyAsk::Command(command) => (command_in(&engine, &run.0, command).await, EVERY),
        };
        match result {
            Ok(()) => tally.passed = tally.passed.saturating_add(1),
            Err(why) => {
                tally.failed = tally.failed.saturating_add(1);
                tally.why = why;
            }
        }
        // Passes are all alike: one is news, and every failure is.
        if tally.passed == 1 || !tally.why.is_empty() {
            let verified = Verified { unit, run: run.clone(), tally: tally.clone() };
            if answers.send(AgentResult::Verified(verified)).is_err() {
                return;
            }
        }
        sleep(pause).await;
    }
}

/// Run a command in a container; it must end with 0.
async fn command_in(engine: &Engine, container: &str, command: &[String]) -> Result<(), String> {
    let said = command.join(" ");
    let failed = |error| format!("`{said}` can't be run: {error}");
    let running = async {
        let client = engine.client();
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let made = client.create_exec(container, options).await.map_err(failed)?;
        let started =
            client.start_exec(&made.id, None::<StartExecOptions>).await.map_err(failed)?;
        if let StartExecResults::Attached { mut output, .. } = started {
            // Its end is the command's.
            while let Some(piece) = output.next().await {
                piece.map_err(failed)?;
            }
        }
        let ended = client.inspect_exec(&made.id).await.map_err(failed)?;
        match ended.exit_code {
            Some(0) | None => Ok(()),
            Some(code) => Err(format!("`{said}` ended with {code}")),
        }
    };
    let late = || format!("`{said}` took longer than {} s", PATIENCE.as_secs());
    timeout(PATIENCE, running).await.unwrap_or_else(|_| Err(late()))
}
