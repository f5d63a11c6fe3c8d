//! The steps that bring a unit to where it shall be: which of its members are missing, down or outdated, and in which
//! order that is put right.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{LEASE_GRACE_S, Time};

use super::members::Member;
use super::unit::Life;
use super::{Reconciled, health, words};
use crate::op::DockerOp;
use crate::view::{ContainerState, SeenContainer};

/// What a member needs so that it runs.
enum Need {
    /// It runs, or ran and was to run once.
    Nothing,
    /// Docker is doing something to it.
    Patience,
    /// It is there and down.
    Start,
    /// It runs, but in the network of a run that is over, or not well and with nobody to ask.
    Restart,
    /// It isn't there, or what is there is of no use.
    Make,
}

/// Steps in the making, with what will be so after them.
#[derive(Default)]
struct Rise<'a> {
    ops: Vec<DockerOp>,
    /// Members whose container is made by these steps.
    made: BTreeSet<&'a str>,
    /// Members whose run begins by these steps.
    begun: BTreeSet<&'a str>,
    /// Members that won't have a container.
    absent: BTreeSet<&'a str>,
    /// Members that won't be up.
    down: BTreeSet<&'a str>,
}

/// The steps after which every member runs.
pub(super) fn run(life: &Life<'_>, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
    let mut rise = Rise::default();
    rise.ops.extend(life.surplus.iter().flat_map(|c| removal(&c.member, c)));
    for (member, seen) in &life.members {
        let mut need = need(life, member, *seen, &rise);
        if matches!(need, Need::Nothing)
            && let Some(why) = seen.and_then(|seen| health::is_left_to_us(life, member, seen, now))
        {
            let name = life.assigned.display_name(member.name);
            let text = format!("{name}: {why}, and there is no server to ask; started again");
            result.events.push((life.key, text));
            need = Need::Restart;
        }
        if matches!(need, Need::Nothing) {
            continue;
        }
        let not_before = life.attempt(member.name).map_or(Time(0), |a| a.not_before);
        if not_before > now {
            result.wake(not_before);
        }
        if not_before > now || matches!(need, Need::Patience) || !rise.carries(member) {
            rise.leave(member.name, *seen);
        } else {
            rise.bring(life, member, *seen, &need);
        }
    }
    rise.ops
}

/// The steps after which every member has its container and none runs.
pub(super) fn stage(life: &Life<'_>, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
    let up = in_stop_order(life).any(|(_, seen)| seen.is_up());
    if up {
        return stop(life, now, result);
    }
    let started = run(life, now, result);
    started.into_iter().filter(|op| !matches!(op, DockerOp::Start { .. })).collect()
}

/// The steps after which no member runs, dependents first.
pub(super) fn stop(life: &Life<'_>, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
    if is_held_back(life, now, result) {
        return Vec::new();
    }
    let up = in_stop_order(life).filter(|(_, seen)| seen.is_up());
    up.map(|(name, seen)| stop_one(name, seen)).collect()
}

/// The steps after which no member runs, whatever was refused before: nothing waits for its turn here. The primary goes first:
/// it is what must not run twice, and whoever makes another counts with the second that it gets, not with those of others.
pub(super) fn halt(life: &Life<'_>, result: &mut Reconciled) -> Vec<DockerOp> {
    let up = in_stop_order(life).filter(|(_, seen)| seen.is_up());
    let stop = |(name, seen): (&str, &SeenContainer)| match stop_one(name, seen) {
        DockerOp::Stop { member, container, grace_s, paused } => {
            DockerOp::Stop { member, container, grace_s: grace_s.min(LEASE_GRACE_S), paused }
        }
        other => other,
    };
    let mut ops: Vec<DockerOp> = up.map(stop).collect();
    ops.sort_by_key(|op| !op.member().is_empty());
    if !ops.is_empty() {
        let text = format!("{}: {}", life.assigned.display_name(""), words::LEASE_OVER);
        result.events.push((life.key, text));
    }
    ops
}

/// The steps after which no container is left.
pub(super) fn remove(life: &Life<'_>, now: Time, result: &mut Reconciled) -> Vec<DockerOp> {
    if is_held_back(life, now, result) {
        return Vec::new();
    }
    in_stop_order(life).flat_map(|(name, seen)| removal(name, seen)).collect()
}

/// The steps that remove a container; none if Docker is doing it already.
pub(super) fn removal(member: &str, seen: &SeenContainer) -> Vec<DockerOp> {
    if seen.state == ContainerState::Removing {
        return Vec::new();
    }
    let remove = DockerOp::Remove {
        member: member.to_owned(),
        container: seen.id.clone(),
        cleanup: seen.cleanup,
    };
    if seen.is_up() { vec![stop_one(member, seen), remove] } else { vec![remove] }
}

fn need(
    life: &Life<'_>,
    member: &Member<'_>,
    seen: Option<&SeenContainer>,
    rise: &Rise<'_>,
) -> Need {
    let Some(seen) = seen else { return Need::Make };
    // A container is bound to the very containers it was made on; when one of them is made anew, it has to be.
    let outdated = member.providers().any(|p| {
        rise.made.contains(p) || life.seen(p).is_some_and(|c| c.created_at > seen.created_at)
    });
    // The network of a container ends with its run.
    let cut_off = member.network.is_some_and(|p| {
        rise.begun.contains(p) || life.seen(p).is_some_and(|c| c.started_at > seen.started_at)
    });
    match seen.state {
        ContainerState::Removing => Need::Patience,
        ContainerState::Dead => Need::Make,
        _ if member.spec.is_start_once() && seen.has_ended() => Need::Nothing,
        _ if outdated => Need::Make,
        ContainerState::Running | ContainerState::Paused if cut_off => Need::Restart,
        ContainerState::Running | ContainerState::Paused => Need::Nothing,
        ContainerState::Created | ContainerState::Exited => Need::Start,
    }
}

impl<'a> Rise<'a> {
    /// Whether everything a member builds on will be there.
    fn carries(&self, member: &Member<'_>) -> bool {
        !member.network.is_some_and(|p| self.down.contains(p))
            && !member.volumes.iter().any(|p| self.absent.contains(p))
    }

    /// Leave a member as it is.
    fn leave(&mut self, member: &'a str, seen: Option<&SeenContainer>) {
        self.down.insert(member);
        if seen.is_none() {
            self.absent.insert(member);
        }
    }

    /// Add the steps that give a member what it needs.
    fn bring(
        &mut self,
        life: &Life<'_>,
        member: &Member<'a>,
        seen: Option<&SeenContainer>,
        need: &Need,
    ) {
        let name = member.name;
        let container = match (need, seen) {
            (Need::Make, _) | (_, None) => {
                self.ops.extend(seen.iter().flat_map(|c| removal(name, c)));
                let siblings = self.siblings(life, member);
                self.ops.push(DockerOp::Create { member: name.to_owned(), siblings });
                self.made.insert(name);
                life.assigned.docker_name(name)
            }
            (Need::Restart, Some(seen)) => {
                self.ops.push(stop_one(name, seen));
                seen.id.clone()
            }
            (Need::Nothing | Need::Patience | Need::Start, Some(seen)) => seen.id.clone(),
        };
        self.ops.push(DockerOp::Start { member: name.to_owned(), container });
        self.begun.insert(name);
    }

    /// The containers a member is to be made on.
    fn siblings(&self, life: &Life<'_>, member: &Member<'_>) -> BTreeMap<String, String> {
        let container = |provider: &str| match life.seen(provider) {
            Some(seen) if !self.made.contains(provider) => seen.id.clone(),
            Some(_) | None => life.assigned.docker_name(provider),
        };
        member.providers().map(|p| (p.to_owned(), container(p))).collect()
    }
}

fn in_stop_order<'a>(life: &'a Life<'_>) -> impl Iterator<Item = (&'a str, &'a SeenContainer)> {
    let surplus = life.surplus.iter().map(|c| (c.member.as_str(), *c));
    let members = life.members.iter().rev();
    surplus.chain(members.filter_map(|(m, seen)| seen.map(|c| (m.name, c))))
}

/// Whether Docker refused to stop or remove it a moment ago.
fn is_held_back(life: &Life<'_>, now: Time, result: &mut Reconciled) -> bool {
    let until = life.memory.values().map(|a| a.not_before).max().unwrap_or_default();
    if until > now {
        result.wake(until);
    }
    until > now
}

fn stop_one(member: &str, seen: &SeenContainer) -> DockerOp {
    DockerOp::Stop {
        member: member.to_owned(),
        container: seen.id.clone(),
        grace_s: seen.stop_grace_s,
        paused: seen.state == ContainerState::Paused,
    }
}
