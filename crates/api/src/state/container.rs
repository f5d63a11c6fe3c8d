//! From what a unit shall be and what was seen of it to the state of one of its containers; and where a host stands.

use drover_core::derive::evacuation;
use drover_core::{Desired, Host, Observed, Phase, Unit, World};

use super::{CONTAINER, HOST, Standing};
use crate::errand::Errand;

/// Where the member of a unit stands. An observation made under an earlier generation tells whether it
/// runs, but not whether it has followed yet.
pub(crate) fn of_container(world: &World, unit: &Unit, member: &str) -> Standing {
    let seen = world.observed(unit.key);
    let mut standing = Standing::of(CONTAINER, state_of_container(unit, seen, member));
    if let Some(seen) = seen.filter(|seen| !seen.message.is_empty()) {
        standing.message = Some(seen.message.clone());
    }
    if standing.state == "error" {
        standing.transitioning = "error";
    }
    if !world.is_connected(unit.host) && unit.desired != Desired::Removed {
        let host = world.host(unit.host).map_or("its host", Host::shown_name);
        standing.message = Some(format!("{host} is not connected: this is what was last seen"));
    }
    standing
}

/// Where a container stands whose unit is forgotten.
pub(crate) fn of_departed() -> Standing {
    Standing::of(CONTAINER, "removed")
}

/// The same while its host is asked to do something once with it, and for a while after that failed.
pub(crate) fn on_errand(standing: Standing, errand: &Errand) -> Standing {
    match &errand.failed {
        _ if matches!(standing.state, "removing" | "removed") => standing,
        None => Standing::of(CONTAINER, errand.what.state()),
        Some(why) => {
            let message = format!("it was asked to {}: {why}", errand.what.verb());
            Standing { transitioning: "error", message: Some(message), ..standing }
        }
    }
}

/// Where a host stands: what users did to it. Whether it is there is told beside it, by [`agent_state`]. One that is
/// to be emptied is `evacuating` while anything is left on it, an error once all that is left waits for someone to act.
pub(crate) fn of_host(world: &World, host: &Host) -> Standing {
    let mut standing = match host.removed_at {
        Some(_) if world.units_on(host.id).next().is_some() => Standing::of(HOST, "removing"),
        removed_at => Standing::switched(HOST, host.active, removed_at),
    };
    let problem = world.seen.get(&host.id).map(|seen| seen.facts.problem.as_str());
    let problem = problem.filter(|problem| !problem.is_empty());
    let evacuating = evacuation(world, host.id).filter(|evacuating| !evacuating.left.is_empty());
    if let Some(evacuating) = evacuating {
        standing = Standing::of(HOST, "evacuating");
        // Whoever waits for it waits on: a host's problem passes, and what leaves it is held by nothing.
        let words = problem.into_iter().map(str::to_owned).chain([evacuating.words(world)]);
        standing.message = Some(words.collect::<Vec<_>>().join("; "));
        if evacuating.is_held() {
            standing.transitioning = "error";
        }
    } else if let Some(problem) = problem {
        standing.transitioning = "error";
        standing.message = Some(problem.to_owned());
    } else if host.removed_at.is_none() && !world.is_connected(host.id) {
        standing.message = Some(format!("it is not connected{}", world.words_of(host.id)));
    }
    standing
}

/// Rancher's word for the link to a host's agent.
pub(crate) fn agent_state(world: &World, host: &Host) -> &'static str {
    match world.seen.get(&host.id) {
        None => "activating",
        Some(_) if host.removed_at.is_some() => "removed",
        Some(seen) if seen.connected => "active",
        Some(_) if world.is_lost(host.id) => "disconnected",
        Some(_) => "reconnecting",
    }
}

/// The state alone, of which lists of thousands are chosen by.
pub(crate) fn state_of_container(
    unit: &Unit,
    seen: Option<&Observed>,
    member: &str,
) -> &'static str {
    let phase = seen.filter(|seen| seen.generation == unit.generation).map(|seen| seen.phase);
    let held = seen.and_then(|seen| seen.containers.get(member));
    let (exists, runs) = (held.is_some(), held.is_some_and(|held| held.running));
    match (unit.desired, phase) {
        (Desired::Removed, Some(Phase::Gone)) => "removed",
        (Desired::Removed, _) => "removing",
        (Desired::Stopped | Desired::Draining, _) if runs => "stopping",
        (Desired::Stopped, _) => "stopped",
        (_, Some(Phase::BackOff)) if !runs => "error",
        // Running without this member: it ended by itself, and the unit as a whole doesn't mind.
        (_, Some(Phase::Completed | Phase::Running)) if !runs => "stopped",
        (_, Some(Phase::Stopping)) => "stopping",
        _ if runs => "running",
        _ if exists => "starting",
        _ => "creating",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drover_core::{HostId, ObservedContainer, RevisionNo, ServiceId, Slot, Time, UnitKey};

    use super::*;
    use crate::errand::Once;

    /// `running` of the container seen; `None` for none.
    fn check(desired: Desired, phase: Option<(Phase, u64)>, running: Option<bool>, want: &str) {
        let unit = Unit {
            key: UnitKey {
                service: ServiceId(1),
                slot: Slot::Number(1),
                revision: RevisionNo(1),
                incarnation: 1,
            },
            host: HostId(1),
            desired,
            generation: 2,
            drain_until: None,
            run: 0,
            replacements: 0,
            serial: 7,
            created_at: Time(0),
        };
        let seen = phase.map(|(phase, generation)| Observed {
            generation,
            tick: 1,
            phase,
            ready: false,
            containers: running
                .map(|running| {
                    let held = ObservedContainer { running, ..ObservedContainer::default() };
                    (String::new(), held)
                })
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            since: Time(0),
            ..Observed::default()
        });
        assert_eq!(
            state_of_container(&unit, seen.as_ref(), ""),
            want,
            "{desired:?} {phase:?} {running:?}"
        );
        assert!(CONTAINER.iter().any(|row| row.name == want));
    }

    #[test]
    fn what_is_asked_once_shows_while_it_lasts_and_when_it_failed() {
        let at = |state, failed: Option<&str>| {
            let errand =
                Errand { number: 1, what: Once::Restart, failed: failed.map(str::to_owned) };
            let seen = on_errand(Standing::of(CONTAINER, state), &errand);
            (seen.state, seen.transitioning, seen.message.unwrap_or_default())
        };
        assert_eq!(at("running", None), ("restarting", "yes", "In Progress".to_owned()));
        let failed = "it was asked to restart: no such container".to_owned();
        assert_eq!(at("stopped", Some("no such container")), ("stopped", "error", failed));
        assert_eq!(at("removed", None), ("removed", "no", String::new()));
        for what in [Once::Stop, Once::Start, Once::Restart, Once::Remove] {
            assert!(CONTAINER.iter().any(|row| row.name == what.state() && row.passing));
        }
    }

    #[test]
    fn states_of_a_container() {
        use Desired as D;
        use Phase as P;
        let now = |phase| Some((phase, 2));
        let before = |phase| Some((phase, 1));
        check(D::Running, None, None, "creating");
        check(D::Running, now(P::Pulling), None, "creating");
        check(D::Running, now(P::Starting), Some(false), "starting");
        check(D::Running, now(P::Starting), Some(true), "running");
        check(D::Running, now(P::Running), Some(true), "running");
        check(D::Running, now(P::Running), Some(false), "stopped");
        check(D::Running, before(P::Stopped), Some(false), "starting");
        check(D::Running, now(P::BackOff), Some(false), "error");
        check(D::Running, now(P::BackOff), None, "error");
        check(D::Running, now(P::BackOff), Some(true), "running");
        check(D::Running, now(P::Completed), Some(false), "stopped");
        check(D::Running, now(P::Stopping), Some(true), "stopping");
        check(D::Draining, now(P::Running), Some(true), "stopping");
        check(D::Stopped, before(P::Running), Some(true), "stopping");
        check(D::Stopped, now(P::Stopped), Some(false), "stopped");
        check(D::Removed, before(P::Stopped), Some(false), "removing");
        check(D::Removed, now(P::Stopping), Some(false), "removing");
        check(D::Removed, now(P::Gone), None, "removed");
    }
}
