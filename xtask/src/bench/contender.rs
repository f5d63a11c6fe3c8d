//! A way to have containers on three engines, and one measurement of it. All run the same image, and all are measured
//! by the same clock: the moments at which the engines say that things happened.

use std::time::{Duration, SystemTime};

use super::BenchError;
use super::watch::{Marks, Watch};

/// How long a deployment or its removal may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// After a removal, so that what the engines still tidy up is on nobody's bill.
const REST: Duration = Duration::from_secs(1);

/// A way to have containers.
pub(super) trait Contender {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Bring `count` containers up, or begin to.
    fn deploy(&mut self, count: usize) -> Result<(), BenchError>;
    /// What it can tell of the deployment before it is removed.
    fn look_back(&mut self, _run: &Run) -> Result<(), BenchError> {
        Ok(())
    }
    /// Remove them, or begin to.
    fn remove(&mut self) -> Result<(), BenchError>;
}

/// One deployment, measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// When it was asked for.
    pub(super) asked_at: SystemTime,
    /// When the asking was over: the command had ended, the requests were answered.
    pub(super) answered_at: SystemTime,
    /// What the engines saw.
    pub(super) marks: Marks,
}

impl Run {
    /// Seconds until all containers ran.
    pub(super) fn seconds(&self) -> f64 {
        self.until(self.marks.up.last())
    }

    /// Seconds from the asking to a moment.
    pub(super) fn until(&self, at: SystemTime) -> f64 {
        at.duration_since(self.asked_at).unwrap_or_default().as_secs_f64()
    }
}

/// Deploy, measure, remove.
pub(super) fn measure(
    contender: &mut dyn Contender,
    watch: &mut Watch,
    count: usize,
) -> Result<Run, BenchError> {
    let stuck = |who, what: String| BenchError::Stuck { who, what };
    let who = contender.name();
    watch.begin();
    let asked_at = SystemTime::now();
    contender.deploy(count)?;
    let answered_at = SystemTime::now();
    let marks = watch.wait_until_up(count, PATIENCE);
    let outcome = match marks {
        None => Err(stuck(who, format!("{count} containers did not run"))),
        Some(marks) => {
            let run = Run { asked_at, answered_at, marks };
            contender.look_back(&run).map(|()| run)
        }
    };
    contender.remove()?;
    if !watch.wait_until_gone(PATIENCE) {
        return Err(stuck(who, "its containers did not go away".to_owned()));
    }
    std::thread::sleep(REST);
    outcome
}
