//! The agent's side of the data plane's processes: the name service is kept running with the facts it answers from, and
//! so is what encrypts where that is on; what name service and balancers acknowledge is passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{BalancerStatus, DiscoveryStatus, Followed, Phase, UnitKey};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Agent, AgentResult};
use crate::docker::{Engine, SystemDone, folder, status_file};
use crate::follow::{Process, Said, follow, followed, named};
use crate::system::{SeenSystem, SystemKind, SystemStep, SystemSteps, Troubles, system_steps};
use crate::view::ContainerState;
use crate::{balancer_files, discovery};

/// Between two rounds of steps for these processes, so that one that can't run is not started without end.
const ROUND: Duration = Duration::from_secs(1);

/// What is known of the data plane's processes.
pub(super) struct Naming {
    pub(super) facts: discovery::Facts,
    /// Name of the system image; empty until it is there.
    image: String,
    /// Containers of Drover's own processes, by Docker's id.
    pub(super) seen: BTreeMap<String, SeenSystem>,
    /// Work on them, or on their image, is going on.
    busy: bool,
    not_before: Option<Instant>,
    /// Why they don't run.
    pub(super) troubles: Troubles,
    files: watch::Sender<BTreeMap<Process, PathBuf>>,
    /// What each name service said, by its container's name.
    names: BTreeMap<String, DiscoveryStatus>,
    balancers: BTreeMap<UnitKey, BalancerStatus>,
    /// What follows from all that.
    pub(super) followed: BTreeMap<UnitKey, Followed>,
    pub(super) named: Option<Followed>,
}

impl Naming {
    pub(super) fn begin(
        facts: discovery::Facts,
        look: Duration,
        results: mpsc::UnboundedSender<AgentResult>,
    ) -> Self {
        let (files, told) = watch::channel(BTreeMap::new());
        tokio::spawn(follow(look, told, results));
        Self {
            facts,
            image: String::new(),
            seen: BTreeMap::new(),
            busy: false,
            not_before: None,
            troubles: Troubles::default(),
            files,
            names: BTreeMap::new(),
            balancers: BTreeMap::new(),
            followed: BTreeMap::new(),
            named: None,
        }
    }

    /// When there is something to do, if nothing is heard before.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let round = self.not_before.filter(|at| *at > now);
        [self.facts.due_at(now), round].into_iter().flatten().min()
    }
}

impl Agent {
    /// Write the facts down if that is due.
    pub(super) fn write_facts(&mut self) {
        if let Err(error) = self.naming.facts.write(Instant::now()) {
            // The name service goes on with what it has; the next change tries again.
            tracing::error!("can't write what names are answered from: {error}");
        }
    }

    /// Take in what the host says of name servers, which may change at any time.
    pub(super) fn read_host_names(&mut self) {
        self.naming.facts.know(self.assignment.host, self.surroundings.names().servers);
    }

    /// Have the processes run that this host needs.
    pub(super) fn keep_systems(&mut self, engine: &Arc<Engine>) {
        self.watch_files();
        self.follow_processes();
        let now = Instant::now();
        let early = self.naming.not_before.is_some_and(|at| at > now);
        if self.naming.busy || early {
            return;
        }
        let image = Some(self.naming.image.clone()).filter(|image| !image.is_empty());
        let steps = self.steps_due(image.as_deref());
        // What lacks nothing has no trouble either, whoever started it.
        if image.is_some() && self.naming.troubles.only(&steps.keys().copied().collect()) {
            self.know_host();
        }
        let wanted = SystemKind::ALL.into_iter().any(|kind| self.wants(kind) == Some(true));
        if steps.is_empty() && (image.is_some() || !wanted) {
            return;
        }
        if !steps.is_empty() {
            // A container that someone removed is made again at once, the second time not so soon.
            self.naming.not_before = Some(now + ROUND);
            tracing::info!(?steps, "processes of our own");
        }
        self.naming.busy = true;
        // The image may have been pruned since.
        let making = steps.values().flatten().any(|step| *step == SystemStep::Make);
        let image = image.filter(|_| !making);
        let (engine, results) = (engine.clone(), self.results.clone());
        tokio::spawn(async move {
            let done = engine.run_system(image, steps).await;
            let _ = results.send(AgentResult::System(done));
        });
    }

    /// What is to be done for each kind; `image` is the one there shall be, without which only what is to go is known.
    fn steps_due(&self, image: Option<&str>) -> SystemSteps {
        let steps = SystemKind::ALL.into_iter().filter_map(|kind| {
            let steps = match (self.wants(kind)?, image) {
                (true, image) => self.steps_for(kind, image?),
                (false, _) => {
                    self.seen_of(kind).map(|c| SystemStep::Remove(c.id.clone())).collect()
                }
            };
            Some((kind, steps))
        });
        steps.filter(|(_, steps)| !steps.is_empty()).collect()
    }

    /// Whether a process shall run here; `None` where it is left as it is. The name service needs an address of the
    /// network's; what encrypts is part of that network.
    fn wants(&self, kind: SystemKind) -> Option<bool> {
        match kind {
            SystemKind::Discovery => self.has_network().then_some(true),
            SystemKind::Cipher => self.wants_cipher(),
        }
    }

    fn steps_for(&self, kind: SystemKind, image: &str) -> Vec<SystemStep> {
        let seen: Vec<_> = self.seen_of(kind).cloned().collect();
        let speaking: BTreeSet<String> = match kind {
            SystemKind::Discovery => self.naming.names.keys().cloned().collect(),
            SystemKind::Cipher => self.seal.said.keys().cloned().collect(),
        };
        system_steps(image, &seen, &speaking)
    }

    fn seen_of(&self, kind: SystemKind) -> impl Iterator<Item = &SeenSystem> {
        self.naming.seen.values().filter(move |seen| seen.kind == kind)
    }

    pub(super) fn system_done(&mut self, done: SystemDone) {
        self.naming.busy = false;
        let SystemDone { image, mut came, looked } = done;
        match image {
            Ok(image) => self.naming.image = image,
            // While it is not known what they shall be of, no kind can be looked after.
            Err(trouble) if self.naming.image.is_empty() => {
                for kind in SystemKind::ALL {
                    if self.wants(kind) == Some(true) {
                        came.insert(kind, trouble.to_string());
                    }
                }
            }
            // Those that needed it say so.
            Err(_) => {}
        }
        for (kind, trouble) in came.iter().filter(|(_, trouble)| !trouble.is_empty()) {
            tracing::error!("the {} process does not run: {trouble}", kind.name());
            self.naming.not_before = Some(Instant::now() + ROUND);
        }
        self.naming.troubles.round_over(came);
        for looked in looked {
            self.looked(looked);
        }
        self.know_host();
    }

    /// Take in what a process said of itself; what of it is news is told.
    pub(super) fn said(&mut self, said: Said) {
        match said {
            Said::Balancer(unit, status) => drop(self.naming.balancers.insert(unit, status)),
            Said::Names(name, status) => drop(self.naming.names.insert(name, status)),
            Said::Cipher(name, status) => {
                self.seal.said.insert(name, status);
                self.know_host();
            }
        }
        self.follow_processes();
    }

    /// What the processes that there are acknowledge.
    pub(super) fn follow_processes(&mut self) {
        let naming = &mut self.naming;
        let now: BTreeMap<UnitKey, Followed> = self
            .assignment
            .balancers
            .iter()
            .filter_map(|(unit, config)| {
                let view = &self.view;
                let seen = view.containers.get(unit).into_iter().flatten();
                let runs = { seen }.any(|c| c.member.is_empty() && c.is_up())
                    || view.busy.get(unit) == Some(&Phase::Starting);
                Some((*unit, followed(config, naming.balancers.get(unit), runs)?))
            })
            .collect();
        if now != naming.followed {
            // Counters can wait, acknowledgements can't.
            let at_once = now.len() != naming.followed.len()
                || now.iter().any(|(unit, new)| {
                    naming.followed.get(unit).is_none_or(|old| is_news(old, new))
                });
            naming.followed = now;
            self.reports.balancers_changed(at_once);
        }
        // What the last one said stands until another says something: nobody answers with newer facts meanwhile.
        let named = named(self.naming.names.values()).or_else(|| self.naming.named.clone());
        if named != self.naming.named {
            self.naming.named = named;
            self.reports.names_changed();
        }
    }

    /// Tell which files there are to read: of balancers assigned here, and of processes of Drover's own that run.
    fn watch_files(&mut self) {
        let state = self.ledger.folder();
        let balancers = self.assignment.balancers.keys().map(|unit| {
            (Process::Balancer(*unit), balancer_files::folder(state, *unit).join("status.json"))
        });
        let up = |c: &&SeenSystem| c.state == ContainerState::Running;
        let systems = self.naming.seen.values().filter(up).map(|c| {
            let file = folder(state, c.kind).join(status_file(&c.name));
            (process(c.kind, c.name.clone()), file)
        });
        let files: BTreeMap<Process, PathBuf> = balancers.chain(systems).collect();
        let changed = self.naming.files.send_if_modified(|held| {
            let changed = *held != files;
            if changed {
                held.clone_from(&files);
            }
            changed
        });
        if changed {
            let there = |process| files.contains_key(&process);
            self.naming.names.retain(|name, _| there(Process::Names(name.clone())));
            self.naming.balancers.retain(|unit, _| there(Process::Balancer(*unit)));
            self.seal.said.retain(|name, _| there(Process::Cipher(name.clone())));
            self.follow_processes();
        }
    }
}

fn process(kind: SystemKind, container: String) -> Process {
    match kind {
        SystemKind::Discovery => Process::Names(container),
        SystemKind::Cipher => Process::Cipher(container),
    }
}

/// Whether it is more than counters going on.
fn is_news(old: &Followed, new: &Followed) -> bool {
    old.routing != new.routing
        || old.problem != new.problem
        || !old.in_flight.keys().eq(new.in_flight.keys())
}
