//! The agent's state, and one turn of its loop: look, begin what is to be done, say what changed.
//!
//! What is heard between turns is taken in by the files beside; nothing in here waits.

mod hear;
mod hearing;
mod image_lease;
mod lease;
mod looks;
mod naming;
mod overlay;
mod sealing;
mod tell;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::protocol::Registered;
use drover_core::{Desired, HostAssignment, HostFacts, Observed, Phase, UnitKey, Witnessed};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ask::Asks;
use crate::docker::{Done, Engine, Leased, Looked, SystemDone};
use crate::follow::Said;
use crate::hearing::Heard;
use crate::ledger::{Journal, Ledger, LedgerError};
use crate::link::{Introduction, LinkSender};
use crate::op::UnitOps;
use crate::probe::{Probed, Probes};
use crate::reconcile::{Attempts, Reconciled, reconcile_host};
use crate::surroundings::Surroundings;
use crate::verify::{self, Counted, Verifications, Verified};
use crate::view::DockerView;
use crate::{balancer_files, clock, discovery};

use hearing::Hearing;
use image_lease::ImageLeases;
use lease::Term;
use looks::Looks;
use naming::Naming;
use overlay::Overlay;
use sealing::Seal;

/// What is remembered of failures is written at most this often; losing the last of it costs nothing.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// How long a server may be away before the agent does by itself what only a server decides well.
const ALONE_AFTER: Duration = Duration::from_secs(15);

/// The agent of one host.
pub(crate) struct Agent {
    ledger: Ledger,
    surroundings: Surroundings,
    assignment: Arc<HostAssignment>,
    /// The newest assignment heard since the last turn.
    heard: Option<Box<HostAssignment>>,
    engine: Option<Arc<Engine>>,
    /// Its version, also while it is away.
    engine_version: String,
    /// Why it is away; empty while it isn't.
    no_engine: String,
    /// Why the newest assignment is not followed; empty if it is.
    rejected: String,
    view: DockerView,
    looks: Looks,
    probes: Probes,
    verifications: Verifications,
    attempts: Attempts,
    attempts_changed: Option<Instant>,
    journal: Journal,
    journal_changed: bool,
    facts: HostFacts,
    /// What was last seen of each unit, with its number.
    observed: BTreeMap<UnitKey, Observed>,
    /// Work in progress, and how to break it off.
    working: BTreeMap<UnitKey, CancellationToken>,
    overlay: Overlay,
    seal: Seal,
    naming: Naming,
    hearing: Hearing,
    /// What was found of units on other hosts, with its number.
    witnessed: Witnessed,
    asks: Asks,
    reports: tell::Reports,
    introduce: watch::Sender<Introduction>,
    link: Option<LinkSender>,
    /// Since when there is no link, if there is none.
    linked_until: Option<Instant>,
    lease: Term,
    image_leases: ImageLeases,
    results: mpsc::UnboundedSender<AgentResult>,
    wake_at: Option<Instant>,
}

/// What comes back from the agent's own tasks.
pub(crate) enum AgentResult {
    /// Work on a unit goes on in another way.
    Doing(UnitKey, Phase),
    /// Work on a unit is over.
    Done(Done),
    /// A container was looked at.
    Looked(Looked),
    /// All containers were: these are there.
    Swept(looks::Sweep),
    /// A unit's ports answer differently.
    Probed(Probed),
    /// A unit was asked what its upgrade wants to know.
    Verified(Verified),
    /// The host's part of the network is as it shall be, or is not.
    Network(crate::network::Kept),
    /// Work on the containers of Drover's own processes is over.
    System(SystemDone),
    /// A process of the data plane said something.
    Said(Said),
    /// A round over the images that are held is over.
    Leased(Leased),
    /// Another host went silent or answers again.
    Heard(Heard),
    /// An ask is over.
    Answered(u64),
}

impl Agent {
    pub(crate) fn new(
        ledger: Ledger,
        surroundings: Surroundings,
        introduce: watch::Sender<Introduction>,
        results: mpsc::UnboundedSender<AgentResult>,
    ) -> Result<Self, LedgerError> {
        let assignment = Arc::new(ledger.assignment().clone());
        let (attempts, journal) = (ledger.attempts()?, ledger.journal()?);
        let folder = ledger.folder().to_owned();
        let seal = Seal::new(ledger.keys()?, &folder);
        let was_leased = ledger.lease()?;
        let facts = introduce.borrow().facts.clone();
        let look = surroundings.looks_every();
        let facts_of_names = discovery::Facts::open(&folder, surroundings.keeps_of_names());
        let hearing = Hearing::begin(surroundings.clone(), results.clone());
        let mut agent = Self {
            ledger,
            surroundings,
            assignment,
            heard: None,
            engine: None,
            engine_version: String::new(),
            // Until Docker's first word.
            no_engine: facts.problem.clone(),
            rejected: String::new(),
            view: DockerView::default(),
            looks: Looks::default(),
            probes: Probes::default(),
            verifications: Verifications::default(),
            attempts,
            attempts_changed: None,
            journal,
            journal_changed: false,
            facts,
            observed: BTreeMap::new(),
            working: BTreeMap::new(),
            overlay: Overlay::begin(results.clone()),
            seal,
            naming: Naming::begin(facts_of_names, look, results.clone()),
            hearing,
            witnessed: Witnessed::default(),
            asks: Asks::default(),
            reports: tell::Reports::default(),
            introduce,
            link: None,
            linked_until: Some(Instant::now()),
            lease: Term::begin(Instant::now(), was_leased),
            image_leases: ImageLeases::begin(Instant::now()),
            results,
            wake_at: None,
        };
        agent.read_host_names();
        agent.listen_to_others();
        // Whatever is said of this host from now on, its key is said with it.
        agent.keep_keys()?;
        agent.keep_lease()?;
        Ok(agent)
    }

    /// When the next turn is due, if nothing is heard before.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let saves = self.attempts_changed.map(|at| at + SAVE_EVERY);
        let reports = self.link.as_ref().and_then(|_| self.reports.due_at(Instant::now()));
        let names = self.naming.due_at(Instant::now());
        let awaited = self.names_awaited_until();
        let seal = self.seal.due_at(Instant::now());
        let alone = self.alone_at().filter(|at| *at > Instant::now());
        let lease = self.lease_ends_at();
        let images = self.image_leases_due_at(Instant::now());
        [self.wake_at, alone, lease, images, saves, reports, names, awaited, seal]
            .into_iter()
            .flatten()
            .min()
    }

    /// One turn.
    pub(crate) fn turn(&mut self) -> Result<(), LedgerError> {
        self.take_assignment()?;
        self.keep_keys()?;
        self.keep_lease()?;
        if let Some(engine) = self.engine.clone() {
            self.follow_network(&engine);
            self.reconcile(&engine)?;
            self.keep_systems(&engine);
            self.keep_image_leases(&engine);
        }
        self.witness()?;
        self.write_facts();
        if self.journal_changed {
            self.ledger.keep_journal(&self.journal)?;
            self.journal_changed = false;
        }
        if self.attempts_changed.is_some_and(|at| at.elapsed() >= SAVE_EVERY) {
            self.save()?;
        }
        self.report();
        Ok(())
    }

    /// Write down what would otherwise be written in a while.
    pub(crate) fn save(&mut self) -> Result<(), LedgerError> {
        if self.attempts_changed.take().is_some() {
            self.ledger.keep_attempts(&self.attempts)?;
        }
        Ok(())
    }

    /// Which machine this is.
    pub(crate) fn identity(&self) -> Result<String, LedgerError> {
        self.ledger.identity()
    }

    /// The server gave this agent another credential.
    pub(crate) fn keep_credential(&mut self, credential: &Registered) -> Result<(), LedgerError> {
        self.ledger.keep_credential(credential)
    }

    /// Write down the newest assignment, then follow it.
    fn take_assignment(&mut self) -> Result<(), LedgerError> {
        let Some(new) = self.heard.take() else { return Ok(()) };
        match self.ledger.assign(*new)? {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(rejected) => {
                tracing::error!("{rejected}");
                self.rejected = rejected.to_string();
                self.know_host();
                return Ok(());
            }
        }
        self.rejected.clear();
        self.assignment = Arc::new(self.ledger.assignment().clone());
        self.write_balancers();
        self.listen_to_others();
        // What is in the way depends on what is asked for.
        self.know_host();
        self.clean_names();
        self.read_host_names();
        self.follow_processes();
        self.observed.retain(|unit, _| self.assignment.units.contains_key(unit));
        self.break_off();
        let generation = self.assignment.generation;
        self.introduce.send_modify(|introduction| introduction.assigned = generation);
        self.reports.assigned_changed();
        Ok(())
    }

    fn write_balancers(&self) {
        let (folder, silent) = (self.ledger.folder(), self.hearing.silent());
        if let Err(error) = balancer_files::write(folder, &self.assignment, &silent) {
            // The balancers go on with what they have; the next assignment tries again.
            tracing::error!("can't write the balancers' configuration: {error}");
        }
    }

    /// Break off pulls for units that are no longer to run: they may take for ever.
    fn break_off(&self) {
        for (unit, work) in &self.working {
            let wanted = self.assignment.units.get(unit);
            let wanted = wanted.is_some_and(|u| match u.desired {
                Desired::Running | Desired::Draining | Desired::Staged => true,
                Desired::Stopped | Desired::Removed => false,
            });
            if !wanted && self.view.busy.get(unit) == Some(&Phase::Pulling) {
                work.cancel();
            }
        }
    }

    fn reconcile(&mut self, engine: &Arc<Engine>) -> Result<(), LedgerError> {
        let now = clock::now();
        self.view.accepting = self.probes.accepting();
        self.view.checked = self.probes.checked();
        self.view.verified = self.verifications.tallies();
        self.view.alone = self.alone_at().is_some_and(|at| at <= Instant::now());
        self.view.lease = self.lease.now(Instant::now());
        let seen = reconcile_host(&self.assignment, &self.view, &self.attempts, now);
        let Reconciled { ops, observed, remember, events, mut probes, verifications, wake_at } =
            seen;
        let wait = |at| Instant::now() + Duration::from_millis(at - now);
        self.wake_at = wake_at.map(wait);
        if !remember.is_empty() {
            self.attempts.take(remember);
            self.attempts_changed.get_or_insert_with(Instant::now);
        }
        for (unit, text) in events {
            self.happened(unit, text);
        }
        self.see(observed)?;
        probes.extend(witness::questions(&self.assignment));
        self.probes.ask(probes, &self.surroundings, &self.results);
        let assigned = &self.assignment.units;
        let is_to_be_verified =
            |unit: &UnitKey| assigned.get(unit).is_some_and(|held| held.verify.is_some());
        let begin = |what, counted: &Counted| verify::begin(what, counted, engine, &self.results);
        self.verifications.ask(verifications, is_to_be_verified, begin);
        for ops in ops {
            if !self.waits_for_network(&ops) {
                self.begin(engine.clone(), ops)?;
            }
        }
        Ok(())
    }

    /// Number what is seen differently than before.
    fn see(&mut self, observed: BTreeMap<UnitKey, Observed>) -> Result<(), LedgerError> {
        for (unit, mut seen) in observed {
            let held = self.observed.get(&unit);
            seen.tick = held.map_or(0, |held| held.tick);
            if held == Some(&seen) {
                continue;
            }
            seen.tick = self.ledger.next_tick()?;
            self.observed.insert(unit, seen);
            self.reports.unit_changed(unit);
        }
        Ok(())
    }

    /// From when on nobody is expected to be asked any more.
    fn alone_at(&self) -> Option<Instant> {
        self.linked_until.map(|since| since + ALONE_AFTER)
    }

    fn begin(&mut self, engine: Arc<Engine>, ops: UnitOps) -> Result<(), LedgerError> {
        let addresses = self.choose_addresses(&ops)?;
        let (unit, cancel) = (ops.unit, CancellationToken::new());
        self.view.busy.insert(unit, ops.doing);
        self.working.insert(unit, cancel.clone());
        tracing::debug!(%unit, ?ops, "begin");
        let (assignment, results) = (self.assignment.clone(), self.results.clone());
        tokio::spawn(async move {
            let tell = |doing| {
                let _ = results.send(AgentResult::Doing(unit, doing));
            };
            let done = tokio::select! {
                done = engine.carry_out(assignment, ops, addresses, tell) => done,
                () = cancel.cancelled() => Done { unit, failure: None, looked: Vec::new() },
            };
            let _ = results.send(AgentResult::Done(done));
        });
        Ok(())
    }

    /// Add to the journal.
    fn happened(&mut self, unit: UnitKey, text: String) {
        tracing::info!(%unit, "{text}");
        self.journal.add(clock::now(), unit, text);
        self.journal_changed = true;
    }

    /// Tell what is known of the host anew, if it is something else than before: its machine and engine, and why
    /// it can't be brought to where it shall be.
    fn know_host(&mut self) {
        let seal = self.seal_problem();
        let problems = [&self.no_engine, &self.rejected, self.overlay.problem(), &seal];
        let problem = problems.into_iter().find(|problem| !problem.is_empty());
        let problem = problem.map_or("", String::as_str);
        let facts = HostFacts {
            public_key: self.seal.told_key(),
            tunnels: self.overlay.tunnels().clone(),
            ..self.surroundings.facts(&self.engine_version, problem)
        };
        self.say_facts(facts);
    }

    /// Tell what is known of the host, if it is something else than before.
    fn say_facts(&mut self, facts: HostFacts) {
        if facts != self.facts {
            self.facts = facts;
            self.introduce.send_modify(|introduction| introduction.facts = self.facts.clone());
            self.reports.facts_changed();
        }
    }
}
