//! The agent's side of listening to other hosts: whom to listen to, and who hears of it when one of them goes silent.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{HearingNow, HostId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Agent, AgentResult};
use crate::hearing::{Circle, Heard};
use crate::surroundings::Surroundings;

/// What is heard of the others.
pub(super) struct Hearing {
    circle: watch::Sender<Circle>,
    heard: Heard,
}

impl Hearing {
    pub(super) fn begin(
        surroundings: Surroundings,
        results: mpsc::UnboundedSender<AgentResult>,
    ) -> Self {
        let (circle, told) = watch::channel(Circle::default());
        tokio::spawn(surroundings.listen(told, results));
        Self { circle, heard: Heard::default() }
    }

    /// Those that are to be avoided.
    pub(super) fn silent(&self) -> BTreeSet<HostId> {
        self.heard.avoided()
    }

    /// As the server is told.
    pub(super) fn now(&self) -> HearingNow {
        self.heard.now(Instant::now())
    }
}

impl Agent {
    /// Listen to the hosts that the assignment names.
    pub(super) fn listen_to_others(&self) {
        let peers = self.assignment.network.iter().flat_map(|network| &network.peers);
        let others: BTreeMap<_, _> = peers
            .filter_map(|peer| Some((HostId(peer.host), peer.address.parse().ok()?)))
            .collect();
        let circle = Circle { own: self.assignment.host, others };
        self.hearing.circle.send_if_modified(|held| {
            let differs = *held != circle;
            *held = circle;
            differs
        });
    }

    /// Take in what is heard. Who is silent is avoided at once, whatever becomes of it.
    pub(super) fn heard_of_others(&mut self, heard: Heard) {
        let before = self.hearing.silent();
        self.hearing.heard = heard;
        self.reports.hearing_changed();
        let silent = self.hearing.silent();
        if silent != before {
            tracing::warn!(?silent, "hosts that don't answer; there were {}", before.len());
            self.write_balancers();
            self.naming.facts.avoid(silent);
        }
    }
}
