//! From a stack's rollout to its state: what is done, what waits for a decision, what failed.

use std::collections::BTreeMap;

use drover_core::plan::Note;
use drover_core::{RolloutPhase, ServiceId, Stack, World};

use super::service::joined;
use super::{STACK, Standing};

/// What a message says at most of services that are on their way.
const NOTES: usize = 4;

/// Where a stack stands: it counts as removed once none of its services has a unit left. What could not be done is an error
/// that says why, with the ways out; what is done says what its services wait for.
pub(crate) fn of_stack(
    world: &World,
    stack: &Stack,
    notes: &BTreeMap<ServiceId, Vec<Note>>,
) -> Standing {
    if stack.removed_at.is_some() {
        let has_units = world.services_in(stack.id).any(|s| world.units_of(s.id).next().is_some());
        return Standing::of(STACK, if has_units { "removing" } else { "removed" });
    }
    let Some(rollout) = &stack.rollout else { return Standing::of(STACK, "active") };
    if let Some(why) = &rollout.failed {
        let mut standing = Standing::of(STACK, "error");
        standing.actions.extend(ways_out(rollout.phase));
        standing.transitioning = "error";
        standing.message = Some(why.clone());
        return standing;
    }
    let mut standing = Standing::of(STACK, name(rollout.phase));
    if standing.transitioning == "yes" {
        let services = world.services_in(stack.id).filter(|service| service.removed_at.is_none());
        let said = services.filter_map(|service| notes.get(&service.id)).flatten();
        let said: Vec<&Note> = said.take(NOTES).collect();
        if !said.is_empty() {
            standing.message = Some(joined(&said));
        }
    }
    standing
}

/// What a phase is called.
fn name(phase: RolloutPhase) -> &'static str {
    match phase {
        RolloutPhase::Creating => "activating",
        RolloutPhase::Upgrading => "upgrading",
        RolloutPhase::Upgraded => "upgraded",
        RolloutPhase::Finishing => "finishing-upgrade",
        RolloutPhase::RollingBack => "rolling-back",
        RolloutPhase::Canceling => "canceling-upgrade",
        RolloutPhase::Canceled => "canceled-upgrade",
    }
}

/// What can be asked of a stack besides, when this failed: other texts, the way back, or the same again.
fn ways_out(phase: RolloutPhase) -> &'static [&'static str] {
    match phase {
        RolloutPhase::Creating => &["upgrade"],
        RolloutPhase::Upgrading | RolloutPhase::Upgraded | RolloutPhase::RollingBack => {
            &["upgrade", "rollback"]
        }
        RolloutPhase::Finishing => &["finishupgrade", "cancelupgrade"],
        RolloutPhase::Canceling | RolloutPhase::Canceled => &["cancelupgrade", "rollback"],
    }
}

#[cfg(test)]
mod tests {
    use drover_core::{ProjectId, Rollout, StackId, Time};

    use super::*;

    #[test]
    fn every_phase_has_its_row_and_every_failure_its_ways_out() {
        use RolloutPhase::{
            Canceled, Canceling, Creating, Finishing, RollingBack, Upgraded, Upgrading,
        };
        for (phase, state, transitioning, offers) in [
            (Creating, "activating", "yes", "upgrade"),
            (Upgrading, "upgrading", "yes", "rollback"),
            (Upgraded, "upgraded", "no", "rollback"),
            (Finishing, "finishing-upgrade", "yes", "finishupgrade"),
            (RollingBack, "rolling-back", "yes", "rollback"),
            (Canceling, "canceling-upgrade", "yes", "cancelupgrade"),
            (Canceled, "canceled-upgrade", "no", "rollback"),
        ] {
            let mut stack = Stack {
                rollout: Some(Rollout::begin(phase, "KEY", Time(1))),
                ..Stack::new(StackId(1), ProjectId(2), "web", Time(1))
            };
            let standing = of_stack(&World::new(), &stack, &BTreeMap::new());
            assert_eq!((standing.state, standing.transitioning), (state, transitioning));
            assert!(standing.actions.contains(&"exportconfig"), "{state}");
            let cancels = standing.actions.contains(&"cancelupgrade");
            assert_eq!(cancels, matches!(phase, Upgrading | Finishing), "{state}");
            stack.rollout.as_mut().unwrap().failed = Some("web: no".into());
            let standing = of_stack(&World::new(), &stack, &BTreeMap::new());
            assert_eq!((standing.state, standing.transitioning), ("error", "error"));
            assert_eq!(standing.message.as_deref(), Some("web: no"));
            assert!(standing.actions.contains(&offers), "{phase:?}");
        }
    }
}
