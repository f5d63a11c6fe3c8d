//! Taking in what Docker, the server and the agent's own tasks say. Nothing is decided here: the next turn does.

use drover_core::Witnessed;
use drover_core::protocol::FromServer;

use super::{Agent, AgentResult};
use crate::clock;
use crate::docker::{Done, EngineEvent, Failure, Trouble};
use crate::ledger::LedgerError;
use crate::link::LinkEvent;
use crate::reconcile::failure_event;

impl Agent {
    pub(crate) fn hear_docker(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Up { engine, containers } => {
                tracing::info!(version = engine.version, api = ?engine.api, "Docker is there");
                self.engine_version.clone_from(&engine.version);
                self.no_engine.clear();
                self.know_host();
                self.engine = Some(engine);
                self.image_leases.engine_came(tokio::time::Instant::now());
                self.view.containers.clear();
                self.naming.seen.clear();
                self.looks.forget_all();
                for looked in containers {
                    self.looked(looked);
                }
                self.reports.say_everything();
            }
            EngineEvent::Touched { id, at_ns } => self.touched(id, at_ns),
            EngineEvent::Down { trouble } => {
                if self.engine.take().is_some() {
                    tracing::warn!("{trouble}");
                }
                self.no_engine = trouble.to_string();
                self.know_host();
            }
        }
    }

    /// Whether there is anything to look at because of it.
    pub(crate) fn hear_link(&mut self, event: LinkEvent) -> Result<bool, LedgerError> {
        match event {
            LinkEvent::Up { sender, tick } => {
                tracing::info!("connected to the server");
                self.link = Some(sender);
                self.linked_until = None;
                self.lease.connected();
                self.count_above(tick)?;
                self.reports.say_everything();
            }
            LinkEvent::Down { reason, unknown } => {
                let what = if unknown {
                    "; to make it a host again, start the agent with a token"
                } else {
                    ""
                };
                tracing::warn!("not connected to the server: {reason}{what}");
                self.link = None;
                self.linked_until.get_or_insert_with(tokio::time::Instant::now);
                self.asks.cancel_all();
            }
            LinkEvent::Acknowledged(sent_at) => {
                return Ok(self.lease.acknowledged(sent_at, tokio::time::Instant::now()));
            }
            LinkEvent::Stream { ask, data } => self.asks.input(ask, data),
            LinkEvent::Heard(message) => match *message {
                // There is nothing to do about it but to write it down, when that is due.
                FromServer::Discover(update) => {
                    self.naming.facts.take(*update);
                    return Ok(false);
                }
                message => self.hear_server(message),
            },
        }
        Ok(true)
    }

    fn hear_server(&mut self, message: FromServer) {
        match message {
            FromServer::Welcome { .. } | FromServer::Discover(_) => {}
            FromServer::Refused { reason } => tracing::error!("the server refuses: {reason}"),
            FromServer::Assign(assignment) => {
                self.heard = Some(assignment);
                self.lease.ordered();
            }
            FromServer::EventsStored { number } => {
                self.journal_changed |= self.journal.stored(number);
            }
            FromServer::Ask { ask, what } => self.asked(ask, what),
            FromServer::Cancel { ask } => self.asks.cancel(ask),
            FromServer::Resize { ask, width, height } => self.asks.resize(ask, (width, height)),
        }
    }

    pub(crate) fn hear_result(&mut self, result: AgentResult) {
        match result {
            AgentResult::Doing(unit, doing) => {
                if let Some(held) = self.view.busy.get_mut(&unit) {
                    *held = doing;
                    self.break_off();
                }
            }
            AgentResult::Done(done) => self.done(done),
            AgentResult::Looked(looked) => self.looked(looked),
            AgentResult::Swept(sweep) => self.swept(sweep),
            AgentResult::Probed(probed) => self.probes.take(probed),
            AgentResult::Verified(verified) => self.verifications.take(verified),
            AgentResult::System(done) => self.system_done(done),
            AgentResult::Said(said) => self.said(said),
            AgentResult::Heard(heard) => self.heard_of_others(heard),
            AgentResult::Leased(leased) => self.images_leased(&leased),
            AgentResult::Network(kept) => self.network_kept(kept),
            AgentResult::Answered(ask) => self.asks.over(ask),
        }
    }

    fn done(&mut self, done: Done) {
        let Done { unit, failure, looked } = done;
        self.view.busy.remove(&unit);
        self.working.remove(&unit);
        self.image_leases.work_over(tokio::time::Instant::now());
        for looked in looked {
            self.looked(looked);
        }
        if let Some(Failure { member, trouble }) = failure {
            let assigned = self.assignment.units.get(&unit);
            let generation = assigned.map_or(0, |u| u.generation);
            let name = assigned.map_or(unit.to_string(), |u| u.display_name(&member));
            let now = clock::now();
            let reason = trouble.to_string();
            let (attempt, news) = self.attempts.refused(unit, generation, &member, reason, now);
            let text = failure_event(&name, attempt);
            self.attempts_changed.get_or_insert_with(tokio::time::Instant::now);
            // An engine that is away is the host's trouble, and told as that.
            if news && !matches!(trouble, Trouble::Engine { .. }) {
                self.happened(unit, text);
            }
        }
        self.look_at_what_waited();
    }

    fn asked(&mut self, number: u64, mut what: drover_core::protocol::Ask) {
        let Some(sender) = self.link.clone() else { return };
        let refuse = |error: &str| {
            let error = error.to_owned();
            sender.send(drover_core::protocol::FromAgent::Done { ask: number, error });
        };
        let Some(engine) = self.engine.clone() else {
            return refuse("the agent can't reach Docker on this host now");
        };
        let ours = container_of(&what).is_none_or(|id| self.view.unit_of(id).is_some());
        if !ours {
            return refuse("there is no such container of this cluster on this host");
        }
        if let drover_core::protocol::Ask::Stats { containers, .. } = &mut what {
            containers.retain(|id| self.view.unit_of(id).is_some());
        }
        let results = self.results.clone();
        let over = move |number| {
            let _ = results.send(AgentResult::Answered(number));
        };
        let known = self.known_of_network();
        self.asks.begin(number, what, (engine, self.assignment.clone(), known), sender, over);
    }

    /// The server knows observations with higher numbers than these: the ledger was lost. All are said anew.
    fn count_above(&mut self, tick: u64) -> Result<(), LedgerError> {
        if self.ledger.tick() >= tick {
            return Ok(());
        }
        self.ledger.tick_above(tick);
        for seen in self.observed.values_mut() {
            seen.tick = self.ledger.next_tick()?;
        }
        if self.witnessed != Witnessed::default() {
            self.witnessed.tick = self.ledger.next_tick()?;
        }
        Ok(())
    }
}

fn container_of(what: &drover_core::protocol::Ask) -> Option<&str> {
    use drover_core::protocol::Ask;
    match what {
        Ask::Logs { container, .. }
        | Ask::Exec { container, .. }
        | Ask::Stop { container, .. }
        | Ask::Restart { container, .. }
        | Ask::Remove { container } => Some(container),
        Ask::Docker
        | Ask::Pull { .. }
        | Ask::Examine { .. }
        | Ask::Probe { .. }
        | Ask::Stats { .. } => None,
    }
}
