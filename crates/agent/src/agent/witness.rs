//! The agent's side of looking at units on other hosts: they are probed as its own are, and what is found is told.
//!
//! What becomes of it is the server's to decide; here nothing is done for it.

use std::collections::BTreeMap;

use drover_core::{HostAssignment, UnitKey, Verdict, Watched, Witnessed};

use super::Agent;
use crate::ledger::LedgerError;
use crate::probe::Probes;
use crate::reconcile::{Probe, Question, Run};

/// What to ask of others' units.
pub(super) fn questions(assignment: &HostAssignment) -> impl Iterator<Item = Probe> {
    assignment.watched.iter().map(|(unit, watched)| Probe {
        unit: *unit,
        member: String::new(),
        run: run(watched),
        address: watched.address.clone(),
        question: Question::Health(watched.check.clone()),
        was_well: false, // it has to pass from here, too
    })
}

/// Stands for a run of a container that this host knows only by what it was told.
fn run(watched: &Watched) -> Run {
    (format!("{}/{}", watched.generation, watched.starts), drover_core::Time(0))
}

/// What the answers come to so far.
fn verdicts(assignment: &HostAssignment, probes: &Probes) -> BTreeMap<UnitKey, Verdict> {
    let found = assignment.watched.iter().filter_map(|(unit, watched)| {
        let checkup = probes.checkup(*unit, "").filter(|checkup| checkup.run == run(watched))?;
        Some((*unit, watched.verdict(checkup.down)))
    });
    found.collect()
}

impl Agent {
    /// Number what is found differently than before.
    pub(super) fn witness(&mut self) -> Result<(), LedgerError> {
        let verdicts = verdicts(&self.assignment, &self.probes);
        if verdicts != self.witnessed.verdicts {
            self.witnessed = Witnessed { tick: self.ledger.next_tick()?, verdicts };
            self.reports.witnessed_changed();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drover_core::HealthCheck;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;
    use crate::agent::AgentResult;
    use crate::surroundings::Surroundings;

    #[tokio::test]
    async fn a_unit_elsewhere_is_probed_and_what_was_found_of_another_run_is_forgotten() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let unit: UnitKey = "1/1/1/1".parse().unwrap();
        let check = HealthCheck { port, ..HealthCheck::default() };
        let watched = Watched { generation: 4, starts: 1, address: "127.0.0.1".into(), check };
        let mut assignment = HostAssignment::default();
        assignment.watched.insert(unit, watched.clone());
        let (say, mut hear) = mpsc::unbounded_channel();
        let mut probes = Probes::default();
        let machine = Surroundings::Machine("/nowhere".into());
        probes.ask(questions(&assignment).collect(), &machine, &say);
        assert_eq!(verdicts(&assignment, &probes), BTreeMap::new(), "nothing is known yet");

        let mut next = async |probes: &mut Probes| {
            let heard = timeout(Duration::from_secs(10), hear.recv()).await.unwrap();
            let Some(AgentResult::Probed(probed)) = heard else { panic!("no answer") };
            probes.take(probed);
        };
        next(&mut probes).await;
        let found = verdicts(&assignment, &probes);
        assert_eq!(found[&unit], watched.verdict(None));

        let again = Watched { starts: 2, ..watched };
        assignment.watched.insert(unit, again.clone());
        assert_eq!(verdicts(&assignment, &probes), BTreeMap::new(), "another run");
        drop(listener);
        probes.ask(questions(&assignment).collect(), &machine, &say);
        next(&mut probes).await;
        let found = verdicts(&assignment, &probes).remove(&unit).unwrap();
        assert!(found.is_of(&again), "{found:?}");
        assert!(found.down.is_some_and(|why| why.contains("refused")));
    }
}
