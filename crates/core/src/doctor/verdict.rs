//! What a diagnosis is, and how it is put together: one row for every host, one finding for every trouble.

use std::collections::BTreeMap;

use super::{Answers, Examined, Probed, addresses, hosts, ways};
use crate::{Host, HostId, ProjectId, Time, World};

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// All hosts of the project.
    pub hosts: Vec<HostRow>,
    /// Errors first.
    pub findings: Vec<Finding>,
    /// All of it in one sentence.
    pub summary: String,
}

/// One host at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRow {
    /// Which.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Where others reach it.
    pub address: String,
    /// Its part of the network; empty while it has none.
    pub subnet: String,
    /// Its agent said how it finds it; what follows is not known otherwise.
    pub examined: bool,
    /// Bytes of the largest packet that fits its tunnel.
    pub mtu: u32,
    /// Other hosts that it was probed with, both ways.
    pub others: usize,
    /// Those of them it reaches through the network, and that reach it.
    pub reached: usize,
    /// Names and metadata are answered.
    pub names: bool,
    /// Addresses in use.
    pub addresses: usize,
    /// Those of them that answer.
    pub answering: usize,
}

/// One trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// For programs: `udp-dropped`.
    pub code: &'static str,
    /// Where.
    pub hosts: Vec<HostId>,
    /// What is wrong, in words.
    pub what: String,
    /// What to do, in words.
    pub advice: String,
}

/// How bad a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not reach something.
    Error,
    /// Everything is reached, but not as it should be.
    Warning,
}

/// All that is known.
pub(super) struct Case<'a> {
    pub(super) world: &'a World,
    /// When agents were asked.
    pub(super) before: &'a World,
    pub(super) hosts: Vec<&'a Host>,
    pub(super) now: Time,
    answers: &'a BTreeMap<HostId, Answers>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        (before, world): (&'a World, &'a World),
        project: ProjectId,
        answers: &'a BTreeMap<HostId, Answers>,
        now: Time,
    ) -> Self {
        let hosts = world.hosts.values().map(|host| &**host);
        let hosts = hosts.filter(|host| host.project == project && host.removed_at.is_none());
        Self { world, before, hosts: hosts.collect(), now, answers }
    }

    /// What came of asking; `None` if the host was not asked.
    pub(super) fn answers(&self, host: HostId) -> Option<&'a Answers> {
        self.answers.get(&host)
    }

    /// What the agent of a host said of it.
    pub(super) fn examined(&self, host: HostId) -> Option<&'a Examined> {
        self.answers.get(&host)?.examined.as_ref()?.as_ref().ok()
    }

    /// Its examination, if its part of the network is set up.
    pub(super) fn set_up(&self, host: HostId) -> Option<&'a Examined> {
        self.examined(host).filter(|e| e.network.is_some() && e.problem.is_empty())
    }

    /// The ways it probed.
    pub(super) fn probed(&self, host: HostId) -> Option<&'a Probed> {
        let probed = self.answers.get(&host)?.probed.as_ref()?.as_ref().ok();
        probed.filter(|probed| probed.problem.is_empty())
    }

    /// A host's name.
    pub(super) fn name(&self, host: HostId) -> &'a str {
        self.world.host(host).map_or("?", Host::shown_name)
    }

    /// A host's address.
    pub(super) fn address(&self, host: HostId) -> &'a str {
        self.world.host(host).map_or("?", |host| host.address.as_str())
    }

    /// `host1 (10.0.0.1)`.
    pub(super) fn named(&self, host: HostId) -> String {
        format!("{} ({})", self.name(host), self.address(host))
    }

    /// A host's part of the network; empty while it has none.
    pub(super) fn subnet(&self, host: HostId) -> &'a str {
        self.world.host(host).and_then(|host| host.subnet.as_deref()).unwrap_or_default()
    }
}

/// See [`super::diagnose`].
pub(super) fn diagnose(case: &Case<'_>) -> Diagnosis {
    let mut findings = hosts::findings(case);
    findings.extend(ways::findings(case));
    findings.extend(addresses::findings(case));
    findings.sort_by_key(|finding| finding.severity);
    let hosts: Vec<HostRow> = case.hosts.iter().map(|host| row(case, host)).collect();
    let summary = summary(case, &hosts, &findings);
    Diagnosis { hosts, findings, summary }
}

impl Diagnosis {
    /// Nothing fails to reach anything.
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

fn row(case: &Case<'_>, host: &Host) -> HostRow {
    let examined = case.examined(host.id);
    let (others, reached) = ways::reached(case, host.id);
    let none = Examined::default();
    let found = examined.unwrap_or(&none);
    HostRow {
        host: host.id,
        name: host.shown_name().to_owned(),
        address: host.address.clone(),
        subnet: host.subnet.clone().unwrap_or_default(),
        examined: examined.is_some(),
        mtu: found.mtu,
        others,
        reached,
        names: hosts::names_answered(found),
        addresses: found.endpoints.len(),
        answering: found.endpoints.iter().filter(|endpoint| endpoint.answers).count(),
    }
}

fn summary(case: &Case<'_>, hosts: &[HostRow], findings: &[Finding]) -> String {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| finding.severity == Severity::Error);
    let warned = match warnings.len() {
        0 => String::new(),
        1 => "; 1 warning".to_owned(),
        n => format!("; {n} warnings"),
    };
    match (errors.len(), hosts) {
        (1, _) => format!("1 thing is wrong{warned}."),
        (2.., _) => format!("{} things are wrong{warned}.", errors.len()),
        (_, []) => "there is no host in this environment.".to_owned(),
        (_, [only]) => format!(
            "{}: nothing is wrong. It is the only host, so there is no way to another to probe{warned}.",
            only.name
        ),
        (_, many) => {
            let mtu = many.iter().map(|row| row.mtu).filter(|mtu| *mtu > 0).min().unwrap_or(0);
            let ways = case.hosts.len() * (case.hosts.len() - 1);
            format!(
                "all {} hosts reach each other ({ways} ways, packets of up to {} bytes); names, metadata and addresses \
                 are as they should be{warned}.",
                many.len(),
                grouped(mtu)
            )
        }
    }
}

/// `1,450`.
pub(super) fn grouped(number: u32) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}
