//! What happens between two looks and would be over at the second: requests, how few served, what engines did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drover_core::{Service, ServiceId, Wanted, derive};

use crate::cluster::Cluster;
use crate::engine::Churn;

/// Counts as they were at the last look, and what was seen since.
#[derive(Debug, Default)]
pub(super) struct Counts {
    answered: u64,
    unanswered: u64,
    churn: Churn,
    /// Services that are watched, by name: the fewest that served at any moment.
    fewest: BTreeMap<String, (ServiceId, usize)>,
}

impl Counts {
    /// Let time pass. What is watched is looked at after each event: a gap of a millisecond is one.
    pub(super) fn run(&mut self, cluster: &mut Cluster, ms: u64) {
        let end = cluster.now + ms;
        while let Some(at) = cluster.next_at().filter(|at| *at <= end && !self.fewest.is_empty()) {
            cluster.run(at.0.saturating_sub(cluster.now.0));
            self.look(cluster);
        }
        cluster.run(end.0.saturating_sub(cluster.now.0));
    }

    fn look(&mut self, cluster: &Cluster) {
        for (service, fewest) in self.fewest.values_mut() {
            *fewest = serving(cluster, *service).min(*fewest);
        }
    }

    /// Requests since the last look.
    pub(super) fn requests(&mut self, cluster: &Cluster) -> String {
        let answered = cluster.answered - std::mem::replace(&mut self.answered, cluster.answered);
        let lost = std::mem::replace(&mut self.unanswered, cluster.unanswered);
        match cluster.unanswered - lost {
            0 => format!("  requests: {answered} answered, none lost\n"),
            lost => format!("  requests: {answered} answered, {lost} lost\n"),
        }
    }

    /// Count a service's containers that serve, from now on.
    pub(super) fn watch(&mut self, cluster: &Cluster, service: &Service) {
        let now = serving(cluster, service.id);
        self.fewest.insert(service.name.clone(), (service.id, now));
    }

    /// The fewest that served since the last look. What is removed meanwhile is watched no more.
    pub(super) fn lowest(&mut self, cluster: &Cluster) -> String {
        let world = &cluster.database.world;
        let stays = |id| world.service(id).is_some_and(|held| held.wanted != Wanted::Removed);
        self.fewest.retain(|_, (id, _)| stays(*id));
        let mut out = String::new();
        for (name, (service, fewest)) in &mut self.fewest {
            let _ = match std::mem::replace(fewest, serving(cluster, *service)) {
                0 => writeln!(out, "  {name}: for a moment none served"),
                fewest => writeln!(out, "  {name}: never fewer than {fewest} served"),
            };
        }
        out
    }

    /// What engines did since the last look.
    pub(super) fn churn(&mut self, cluster: &Cluster) -> String {
        let now: Churn = cluster.nodes.values().map(|node| node.engine.churn).sum();
        let since = now.since(std::mem::replace(&mut self.churn, now));
        if since == Churn::default() {
            return "  containers: none made, started, ended or removed\n".to_owned();
        }
        let Churn { made, started, ended, removed } = since;
        format!("  containers: {made} made, {started} started, {ended} ended, {removed} removed\n")
    }
}

/// Containers that get new requests and would answer them: what the servers say and what is so, together.
fn serving(cluster: &Cluster, service: ServiceId) -> usize {
    let world = &cluster.database.world;
    let serving = world.units_of(service).filter(|unit| derive::is_serving(world, unit));
    serving.filter(|unit| cluster.answers(unit.key)).count()
}
