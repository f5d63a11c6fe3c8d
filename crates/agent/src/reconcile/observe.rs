//! What to say of a unit: its phase, whether it can take requests, and if it isn't where it shall be, why.

use drover_core::{
    AssignedUnit, Desired, Failed, Health, Observed, ObservedContainer, Phase, Time,
};

use super::members::Member;
use super::unit::Life;
use super::{Probe, Question, Verification, health, words};
use crate::op::DockerOp;
use crate::view::{ContainerState, Lease, SeenContainer};

/// What is seen of a unit for which `ops` were just decided.
pub(super) fn observe(life: &Life<'_>, ops: &[DockerOp], now: Time) -> Observed {
    let phase = phase(life, ops, now);
    Observed {
        generation: life.assigned.generation,
        tick: 0,
        phase,
        ready: phase == Phase::Running && is_ready(life),
        attempt: life.memory.values().map(|a| a.failures).max().unwrap_or_default(),
        failed: failed(life),
        verified: life.verified.cloned(),
        message: message(life, phase, now),
        containers: life
            .members
            .iter()
            .filter_map(|(member, seen)| {
                let starts = life.attempt(member.name).map_or(0, |a| a.starts);
                let held = |c| ObservedContainer {
                    probed: health::is_ill_by_probe(life, member, c, now),
                    ..container(c, starts, health::health(life, member, c, now).0)
                };
                seen.map(|c| (member.name.to_owned(), held(c)))
            })
            .collect(),
        since: Time(0),
    }
}

/// What is said of a unit whose configuration the assignment lacks: nothing can be done for it.
pub(super) fn without_template(assigned: &AssignedUnit) -> Observed {
    Observed {
        generation: assigned.generation,
        tick: 0,
        phase: Phase::Pending,
        ready: false,
        message: format!(
            "the assignment names the configuration {} but doesn't hold it; this is a mistake of the server's",
            assigned.template
        ),
        ..Observed::default()
    }
}

/// The failures of the member that failed most.
fn failed(life: &Life<'_>) -> Failed {
    let most =
        life.memory.values().map(|attempt| &attempt.failed).max_by_key(|failed| failed.times);
    most.cloned().unwrap_or_default()
}

/// Whether a unit can take requests: all members up, none frozen, none failing its check, ports answering.
pub(super) fn is_ready(life: &Life<'_>) -> bool {
    let good = |member: &Member<'_>, seen: &SeenContainer| {
        seen.state == ContainerState::Running && health::is_well(life, member, seen)
    };
    let done = |seen: &SeenContainer| seen.has_ended();
    let all = life.members.iter().all(|(member, seen)| {
        seen.is_some_and(|c| good(member, c) || member.spec.is_start_once() && done(c))
    });
    let primary_runs =
        life.members.iter().any(|(m, c)| m.name.is_empty() && c.is_some_and(|c| good(m, c)));
    all && primary_runs && (life.assigned.ready_ports.is_empty() || life.accepting)
}

/// The ready ports to ask.
pub(super) fn probe(life: &Life<'_>) -> Option<Probe> {
    let (_, seen) = life.members.iter().find(|(m, _)| m.name.is_empty())?;
    let seen = seen.filter(|c| c.state == ContainerState::Running)?;
    if life.assigned.ready_ports.is_empty() || !life.shall_run() {
        return None;
    }
    Some(Probe {
        unit: life.key,
        member: String::new(),
        run: seen.run(),
        address: life.reached_at("")?,
        question: Question::Ports(life.assigned.ready_ports.clone()),
        was_well: false,
    })
}

/// What its upgrade asks of it, once it serves: before that its start is judged, not its work.
pub(super) fn verification(life: &Life<'_>) -> Option<Verification> {
    let ask = life.assigned.verify.clone()?;
    let (_, seen) = life.members.iter().find(|(m, _)| m.name.is_empty())?;
    let seen = seen.filter(|c| c.state == ContainerState::Running)?;
    (life.shall_run() && is_ready(life)).then(|| Verification {
        unit: life.key,
        run: seen.run(),
        address: life.reached_at("").unwrap_or_default(),
        ask,
    })
}

fn phase(life: &Life<'_>, ops: &[DockerOp], now: Time) -> Phase {
    if let Some(doing) = life.busy {
        return doing;
    }
    let any_up = life.members.iter().any(|(_, seen)| seen.is_some_and(SeenContainer::is_up));
    let none_left = life.members.iter().all(|(_, seen)| seen.is_none());
    match life.assigned.desired {
        Desired::Running | Desired::Draining if !ops.is_empty() => Phase::Starting,
        Desired::Running | Desired::Draining => running_phase(life, now),
        Desired::Staged => staged_phase(life, ops, any_up, now),
        Desired::Stopped if any_up => Phase::Stopping,
        Desired::Stopped => Phase::Stopped,
        Desired::Removed if none_left && ops.is_empty() => Phase::Gone,
        Desired::Removed => Phase::Stopping,
    }
}

/// *Stopped* is said only when every container is there: that is what is waited for.
fn staged_phase(life: &Life<'_>, ops: &[DockerOp], any_up: bool, now: Time) -> Phase {
    let missing = life.members.iter().filter(|(_, seen)| seen.is_none());
    let mut waits = missing.clone().filter_map(|(member, _)| life.attempt(member.name));
    match (any_up, missing.count() > 0) {
        (true, _) => Phase::Stopping,
        (false, false) if ops.is_empty() => Phase::Stopped,
        (false, _) if waits.any(|attempt| attempt.not_before > now) => Phase::BackOff,
        (false, _) => Phase::Starting,
    }
}

fn running_phase(life: &Life<'_>, now: Time) -> Phase {
    let waits = |name: &str| life.attempt(name).is_some_and(|a| a.not_before > now);
    let done = |(member, seen): &(super::members::Member<'_>, Option<&SeenContainer>)| {
        member.spec.is_start_once() && seen.is_some_and(SeenContainer::has_ended)
    };
    let down = life.members.iter().filter(|m| !done(m) && !m.1.is_some_and(SeenContainer::is_up));
    let (mut any_down, mut any_waits) = (false, false);
    for (member, _) in down {
        any_down = true;
        any_waits |= waits(member.name);
    }
    match (any_down, any_waits) {
        (true, true) => Phase::BackOff,
        (true, false) => Phase::Starting,
        (false, _) if life.members.iter().any(|m| m.0.name.is_empty() && done(m)) => {
            Phase::Completed
        }
        (false, _) => Phase::Running,
    }
}

fn message(life: &Life<'_>, phase: Phase, now: Time) -> String {
    let mut members = life.members.iter();
    if life.lease == Lease::Over && life.shall_run() {
        return words::LEASE_OVER.to_owned();
    }
    match phase {
        Phase::BackOff => {
            let waiting = members.filter_map(|(m, _)| Some((m.name, life.attempt(m.name)?)));
            let mut waiting = waiting.filter(|(_, attempt)| attempt.not_before > now);
            waiting.next().map_or(String::new(), |(name, a)| words::waiting(name, a))
        }
        // Docker refused to stop or remove it.
        Phase::Stopping => {
            let refused = life.memory.iter().find(|(_, attempt)| attempt.not_before > now);
            refused.map_or(String::new(), |(name, a)| words::waiting(name, a))
        }
        Phase::Completed => {
            let bad = members.find(|(_, c)| c.is_some_and(|c| c.has_ended() && c.exit_code != 0));
            bad.and_then(|(m, c)| {
                Some(format!("{}{}", words::who(m.name), words::why_ended((*c)?, m.spec)))
            })
            .unwrap_or_default()
        }
        Phase::Running if life.shall_run() => not_ready(life, now),
        Phase::Pending
        | Phase::Pulling
        | Phase::Starting
        | Phase::Running
        | Phase::Stopped
        | Phase::Gone => String::new(),
    }
}

/// Why a unit whose members all run is not ready; empty if it is.
fn not_ready(life: &Life<'_>, now: Time) -> String {
    for (member, seen) in &life.members {
        let Some(seen) = seen else { continue };
        let who = words::who(member.name);
        if seen.state == ContainerState::Paused {
            return format!("{who}paused by hand; docker unpause lets it go on");
        }
        let (_, why) = health::health(life, member, seen, now);
        if !why.is_empty() {
            return format!("{who}{why}");
        }
    }
    if life.assigned.ready_ports.is_empty() || life.accepting {
        return String::new();
    }
    let ports: Vec<String> = life.assigned.ready_ports.iter().map(u16::to_string).collect();
    let ports = ports.join(", ");
    match life.reached_at("") {
        Some(address) => format!("waiting for it to accept connections at {address} port {ports}"),
        None => format!("it has no network of its own, so its port {ports} can't be reached"),
    }
}

fn container(seen: &SeenContainer, starts: u32, health: Health) -> ObservedContainer {
    ObservedContainer {
        docker_id: seen.id.clone(),
        running: seen.is_up(),
        exit_code: seen.has_ended().then_some(seen.exit_code),
        oom_killed: seen.oom_killed && seen.has_ended(),
        starts,
        health,
        address: seen.address.clone(),
        digest: seen.digest.clone(),
        image_id: seen.image_id.clone(),
        probed: false,
    }
}
