//! What an upgrade asks of its new containers, again and again, while it watches them: a request or a command. The answers
//! are counted and judged by the server; a container that fails here goes on running and serving.
//!
//! Not the health check, which is [`crate::probe`]'s: that decides whether a container serves at all.

mod command;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{Tally, UnitKey, VerifyAsk};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::agent::AgentResult;
use crate::docker::Engine;
use crate::reconcile::{Run, Verification};
use command::Left;

/// Between two runs of a command.
const EVERY: Duration = Duration::from_secs(2);

/// How a unit did so far.
#[derive(Debug)]
pub(crate) struct Verified {
    unit: UnitKey,
    run: Run,
    tally: Tally,
}

/// Those that are asked, and how they and others did.
#[derive(Default)]
pub(crate) struct Verifications {
    asked: BTreeMap<UnitKey, Asked>,
    /// Kept for as long as a unit is to be asked at all: one that is not ready for a moment has failed no less before.
    counted: BTreeMap<UnitKey, Counted>,
}

struct Asked {
    what: Verification,
    task: JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a unit did in one of its runs.
pub(crate) struct Counted {
    run: Run,
    ask: VerifyAsk,
    tally: Tally,
    left: Left,
}

impl Counted {
    fn of(what: &Verification) -> Self {
        let (run, ask) = (what.run.clone(), what.ask.clone());
        Self { run, ask, tally: Tally::default(), left: Left::default() }
    }

    fn is_of(&self, what: &Verification) -> bool {
        self.run == what.run && self.ask == what.ask
    }
}

impl Verifications {
    /// Ask these and no others; `is_to_be_asked` says of which units the answers still matter.
    pub(crate) fn ask(
        &mut self,
        wanted: Vec<Verification>,
        is_to_be_asked: impl Fn(&UnitKey) -> bool,
        begin: impl Fn(Verification, &Counted) -> JoinHandle<()>,
    ) {
        let wanted: BTreeMap<UnitKey, Verification> =
            wanted.into_iter().map(|what| (what.unit, what)).collect();
        self.asked.retain(|unit, asked| wanted.get(unit) == Some(&asked.what));
        self.counted.retain(|unit, _| is_to_be_asked(unit));
        for (unit, what) in wanted {
            if self.asked.contains_key(&unit) {
                continue;
            }
            let counted = self.counted.entry(unit).or_insert_with(|| Counted::of(&what));
            if !counted.is_of(&what) {
                *counted = Counted::of(&what);
            }
            let task = begin(what.clone(), counted);
            self.asked.insert(unit, Asked { what, task });
        }
    }

    /// Take in an answer.
    pub(crate) fn take(&mut self, verified: Verified) {
        let Verified { unit, run, tally } = verified;
        if let Some(counted) = self.counted.get_mut(&unit).filter(|counted| counted.run == run) {
            counted.tally = tally;
        }
    }

    /// How units did, and in which run.
    pub(crate) fn tallies(&self) -> BTreeMap<UnitKey, (Run, Tally)> {
        let known = self.counted.iter().filter(|(_, counted)| counted.tally != Tally::default());
        known.map(|(unit, counted)| (*unit, (counted.run.clone(), counted.tally.clone()))).collect()
    }
}

/// Begin to ask a unit, going on from what is counted.
pub(crate) fn begin(
    what: Verification,
    counted: &Counted,
    engine: &Arc<Engine>,
    answers: &mpsc::UnboundedSender<AgentResult>,
) -> JoinHandle<()> {
    let (tally, left) = (counted.tally.clone(), counted.left.clone());
    tokio::spawn(keep_asking(what, tally, left, engine.clone(), answers.clone()))
}

async fn keep_asking(
    what: Verification,
    mut tally: Tally,
    left: Left,
    engine: Arc<Engine>,
    answers: mpsc::UnboundedSender<AgentResult>,
) {
    let Verification { unit, run, address, ask } = what;
    loop {
        let (result, pause) = match &ask {
            VerifyAsk::Request(check) => {
                let every = Duration::from_millis(check.interval_ms());
                let Ok(ip) = address.parse() else { return };
                (engine.surroundings.check(ip, check).await, every)
            }
            VerifyAsk::Command(words) => {
                (command::run(engine.as_ref(), &run.0, words, &left).await, EVERY)
            }
        };
        if count(&mut tally, result) {
            let verified = Verified { unit, run: run.clone(), tally: tally.clone() };
            if answers.send(AgentResult::Verified(verified)).is_err() {
                return;
            }
        }
        sleep(pause).await;
    }
}

/// Count it. Whether it is news: passes are all alike, so one is, and every failure.
fn count(tally: &mut Tally, result: Result<(), String>) -> bool {
    match result {
        Ok(()) => {
            tally.passed = tally.passed.saturating_add(1);
            tally.passed == 1
        }
        Err(why) => {
            tally.failed = tally.failed.saturating_add(1);
            tally.why = why;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_core::{RevisionNo, ServiceId, Slot, Time};

    use super::*;

    fn unit() -> UnitKey {
        UnitKey {
            service: ServiceId(1),
            slot: Slot::Number(1),
            revision: RevisionNo(2),
            incarnation: 1,
        }
    }

    fn asked(began: u64) -> Verification {
        let ask = VerifyAsk::Command(vec!["ok".into()]);
        Verification { unit: unit(), run: ("c1".into(), Time(began)), address: String::new(), ask }
    }

    fn idle(_: Verification, _: &Counted) -> JoinHandle<()> {
        tokio::spawn(std::future::pending())
    }

    #[test]
    fn the_first_pass_and_every_failure_are_news() {
        let mut tally = Tally::default();
        let bad = || Err("it fails".to_owned());
        let news = [Ok(()), Ok(()), bad(), Ok(()), Ok(()), bad()].map(|r| count(&mut tally, r));
        assert_eq!(news, [true, false, true, false, false, true]);
        assert_eq!((tally.passed, tally.failed, tally.why.as_str()), (4, 2, "it fails"));
    }

    #[tokio::test]
    async fn who_is_not_ready_for_a_moment_has_failed_no_less_before() {
        let mut all = Verifications::default();
        all.ask(vec![asked(1)], |_| true, idle);
        let tally = Tally { passed: 1, failed: 2, why: "it fails".into() };
        let verified = |began| Verified {
            unit: unit(),
            run: ("c1".into(), Time(began)),
            tally: tally.clone(),
        };
        all.take(verified(1));
        let of = |all: &Verifications| all.tallies().get(&unit()).map(|(_, tally)| tally.failed);
        all.ask(Vec::new(), |_| true, idle);
        assert_eq!((of(&all), all.asked.len()), (Some(2), 0), "not asked for the moment");
        let begun = std::cell::Cell::new(0);
        all.ask(
            vec![asked(1)],
            |_| true,
            |what, counted| {
                begun.set(counted.tally.failed);
                idle(what, counted)
            },
        );
        assert_eq!((of(&all), begun.get()), (Some(2), 2), "it goes on from there");
        all.ask(vec![asked(9)], |_| true, idle);
        assert_eq!(of(&all), None, "another run begins anew");
        all.take(verified(1));
        assert_eq!(of(&all), None, "and takes no answers of the one before");
        all.take(verified(9));
        all.ask(Vec::new(), |_| false, idle);
        assert_eq!(of(&all), None, "what became of the upgrade is decided");
    }
}
