//! How the members of a unit are: what Docker's own check says of each, and what the agent's checks do. Health is of a
//! run: with every start it is unknown again.

use drover_core::{Health, HealthStrategy, Time};

use super::members::Member;
use super::unit::Life;
use super::{Probe, Question};
use crate::view::{ContainerState, SeenContainer};

/// How a member is, and why it isn't well, in words.
pub(super) fn health(
    life: &Life<'_>,
    member: &Member<'_>,
    seen: &SeenContainer,
    now: Time,
) -> (Health, String) {
    if !seen.is_up() {
        return (Health::None, String::new());
    }
    let docker = match seen.health {
        Health::Starting => (Health::Starting, "its health check has not passed yet".to_owned()),
        Health::Unhealthy => (Health::Unhealthy, "its health check fails".to_owned()),
        well @ (Health::None | Health::Healthy) => (well, String::new()),
    };
    let checked = checked(life, member, seen, now);
    if severity(checked.0) > severity(docker.0) { checked } else { docker }
}

/// Whether a member is ill by its service's check alone, which others can make as well.
pub(super) fn is_ill_by_probe(
    life: &Life<'_>,
    member: &Member<'_>,
    seen: &SeenContainer,
    now: Time,
) -> bool {
    let ill = |health| health == Health::Unhealthy;
    seen.is_up() && !ill(seen.health) && ill(checked(life, member, seen, now).0)
}

/// Whether everything that checks a member says it is well, or nothing does.
pub(super) fn is_well(life: &Life<'_>, member: &Member<'_>, seen: &SeenContainer) -> bool {
    // What is too early to say and what is bad differ by time only.
    matches!(health(life, member, seen, Time(0)).0, Health::None | Health::Healthy)
}

/// What the members that run and have a check are to be asked.
pub(super) fn probes(life: &Life<'_>) -> Vec<Probe> {
    if !life.shall_run() {
        return Vec::new();
    }
    let running = life.members.iter().filter_map(|(member, seen)| {
        let seen = seen.filter(|seen| seen.state == ContainerState::Running)?;
        Some((member, seen, member.spec.health_check.as_ref()?))
    });
    let probes = running.filter_map(|(member, seen, check)| {
        Some(Probe {
            unit: life.key,
            member: member.name.to_owned(),
            run: seen.run(),
            address: life.reached_at(member.name)?,
            question: Question::Health(check.clone()),
            was_well: has_passed(life, member, seen),
        })
    });
    probes.collect()
}

/// The moments at which members will have taken too long to get healthy.
pub(super) fn deadlines(life: &Life<'_>) -> impl Iterator<Item = Time> {
    life.members.iter().filter_map(|(member, seen)| {
        let seen = seen.filter(|seen| seen.is_up())?;
        if has_passed(life, member, seen) { None } else { deadline(life, member, seen) }
    })
}

/// Whether a member is to be started again here, as nobody else can see to it: it is not healthy, its service wants such
/// replaced, and there is no server that would.
pub(super) fn is_left_to_us(
    life: &Life<'_>,
    member: &Member<'_>,
    seen: &SeenContainer,
    now: Time,
) -> Option<String> {
    let primary = life.members.iter().find(|(m, _)| m.name.is_empty());
    let check = primary.and_then(|(m, _)| m.spec.health_check.as_ref());
    let strategy = check.or(member.spec.health_check.as_ref()).map(|check| check.strategy);
    let (health, why) = health(life, member, seen, now);
    let alone = life.alone && strategy.unwrap_or_default() == HealthStrategy::Recreate;
    (alone && health == Health::Unhealthy).then_some(why)
}

/// Whether this agent process found a member healthy in its run.
pub(super) fn was_found_well(life: &Life<'_>, member: &Member<'_>, seen: &SeenContainer) -> bool {
    checkup(life, member, seen).is_some_and(|checkup| checkup.passed)
}

/// Whether a member was healthy at some time in its run, as far as this agent process or one before it knows.
fn has_passed(life: &Life<'_>, member: &Member<'_>, seen: &SeenContainer) -> bool {
    let remembered = life.attempt(member.name).is_some_and(|attempt| {
        let same = attempt.docker_id == seen.id && attempt.started_at == seen.started_at;
        // What was ready passed, or was found ready by an agent that did not check.
        same && (attempt.well_in == seen.started_at || attempt.ready_since != Time(0))
    });
    remembered || was_found_well(life, member, seen)
}

/// The members for which that is so, and why.
pub(super) fn left_to_us(life: &Life<'_>, now: Time) -> Vec<(String, String)> {
    let members = life.members.iter().filter_map(|(member, seen)| {
        let why = is_left_to_us(life, member, (*seen)?, now)?;
        Some((member.name.to_owned(), why))
    });
    members.collect()
}

fn checked(
    life: &Life<'_>,
    member: &Member<'_>,
    seen: &SeenContainer,
    now: Time,
) -> (Health, String) {
    let Some(check) = &member.spec.health_check else { return (Health::None, String::new()) };
    let checkup = checkup(life, member, seen);
    let down = match checkup {
        Some(checkup) => checkup.down.clone(),
        None if has_passed(life, member, seen) => None,
        None if life.reached_at(member.name).is_none() => Some(format!(
            "it has no network of its own, so port {} of its health check can't be reached",
            check.port
        )),
        None => Some("its health check has not passed yet".to_owned()),
    };
    let Some(why) = down else { return (Health::Healthy, String::new()) };
    if has_passed(life, member, seen) {
        return (Health::Unhealthy, why);
    }
    // Nothing is held against it before it was asked.
    let over = deadline(life, member, seen).filter(|deadline| now >= *deadline);
    match over.filter(|_| checkup.is_some()) {
        Some(deadline) => {
            let seconds = (deadline - seen.started_at) / 1000;
            (
                Health::Unhealthy,
                format!("it was not healthy within {seconds} s of its start: {why}"),
            )
        }
        None => (Health::Starting, why),
    }
}

/// The checkup of the run that is on.
fn checkup<'a>(
    life: &Life<'a>,
    member: &Member<'_>,
    seen: &SeenContainer,
) -> Option<&'a crate::view::Checkup> {
    let found = life.checked.iter().find(|(name, _)| *name == member.name)?.1;
    (found.run.0 == seen.id && found.run.1 == seen.started_at).then_some(found)
}

/// By when a member has to be healthy for the first time in its run; `None` if it may take for ever, as in Rancher where
/// users say nothing.
fn deadline(life: &Life<'_>, member: &Member<'_>, seen: &SeenContainer) -> Option<Time> {
    let check = member.spec.health_check.as_ref()?;
    let is_first = life.attempt(member.name).is_none_or(|attempt| attempt.starts <= 1);
    let limit_ms =
        if is_first { check.initializing_timeout_ms } else { check.reinitializing_timeout_ms };
    limit_ms.map(|ms| seen.started_at + ms)
}

fn severity(health: Health) -> u8 {
    match health {
        Health::None => 0,
        Health::Healthy => 1,
        Health::Starting => 2,
        Health::Unhealthy => 3,
    }
}
