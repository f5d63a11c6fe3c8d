//! Whether a unit is still counted on when its host is lost: what its service says decides.

use crate::{FENCED_AFTER_MS, LEASE_MS, OnHostLoss, Template, Time, Unit, Word, World};

/// What becomes of a unit whose host is lost, as its revision says.
pub fn on_host_loss(world: &World, unit: &Unit) -> OnHostLoss {
    let template = world.template(unit.key.service, unit.key.revision);
    template.and_then(|template| template.primary.on_host_loss).unwrap_or_default()
}

/// Whether no two units of its slot may run at a time.
pub fn is_single(template: &Template) -> bool {
    template.primary.on_host_loss == Some(OnHostLoss::Fence)
}

/// From when on another unit may run in its place, its host being lost: `None` while only the host's return helps, and where
/// the host isn't lost.
pub fn given_up_at(world: &World, unit: &Unit) -> Option<Time> {
    // One that is connected again says in a moment what runs there.
    let seen = world.seen.get(&unit.host)?;
    if seen.connected || !world.is_lost(unit.host) {
        return None;
    }
    match on_host_loss(world, unit) {
        OnHostLoss::Move => Some(seen.since),
        OnHostLoss::MoveAfter(ms) => Some(seen.since + ms),
        OnHostLoss::Wait => None,
        OnHostLoss::Fence => ends_by_itself(world, unit).then(|| seen.since + FENCED_AFTER_MS),
    }
}

/// Whether another unit may run in its place now, its host being lost.
pub fn is_given_up(world: &World, unit: &Unit, now: Time) -> bool {
    given_up_at(world, unit).is_some_and(|at| at <= now)
}

/// Whether the agent of its host, cut off, has ended it: not if the agent was gone before the host was, and who can tell
/// where nobody ever heard the host?
fn ends_by_itself(world: &World, unit: &Unit) -> bool {
    let spoke_until = world.seen.get(&unit.host).map_or(Time::default(), |seen| seen.since);
    match world.word_of(unit.host) {
        Word::Heard(_) | Word::Nothing => false,
        Word::Silent { since, .. } => since <= spoke_until + LEASE_MS,
    }
}
