//! A way to have containers on three engines, and one measurement of it. All run the same image, and all are measured
//! by the same clock: the moments at which the engines say that things happened.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// One deployment, measured. Moments are ns since the epoch.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// When it was asked for.
    pub(super) asked_ns: u64,
    /// When the asking was over: the command had ended, the requests were answered.
    pub(super) answered_ns: u64,
    /// What the engines saw.
    pub(super) marks: Marks,
}

impl Run {
    /// Seconds until all containers ran.
    pub(super) fn seconds(&self) -> f64 {
        self.until(self.marks.last_up_ns)
    }

    /// Seconds from the asking to a moment.
    pub(super) fn until(&self, at_ns: u64) -> f64 {
        Duration::from_nanos(at_ns.saturating_sub(self.asked_ns)).as_secs_f64()
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
    let asked_ns = now_ns();
    contender.deploy(count)?;
    let answered_ns = now_ns();
    let marks = watch.wait_until_up(count, PATIENCE);
    let outcome = match marks {
        None => Err(stuck(who, format!("{count} containers did not run"))),
        Some(marks) => {
            let run = Run { asked_ns, answered_ns, marks };
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

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
