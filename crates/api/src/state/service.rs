//! From the core's `(wanted, settled, upgrade phase)` to the state of a service.

use drover_core::plan::Note;
use drover_core::{Service, UpgradePhase, Wanted, World};

use super::tables::LINKS;
use super::{SERVICE, Standing};

/// Where a service stands. Notes of the planner become its message; one that nobody but the user can resolve
/// makes it an error, so that clients stop waiting and say why. One that has arrived has something to say too: that it
/// heals, or that its units leave a host.
pub(crate) fn of_service(world: &World, service: &Service, notes: &[Note]) -> Standing {
    let mut standing = Standing::of(SERVICE, name(world, service));
    if !matches!(standing.state, "removing" | "removed") {
        standing.actions.extend(LINKS);
    }
    if matches!(standing.state, "removed" | "inactive") {
        return standing;
    }
    let stuck: Vec<&Note> = notes.iter().filter(|n| n.stuck).collect();
    if !stuck.is_empty() {
        standing.transitioning = "error";
        standing.message = Some(joined(&stuck));
    } else if !notes.is_empty() {
        standing.message = Some(joined(&notes.iter().collect::<Vec<_>>()));
    }
    standing
}

fn name(world: &World, service: &Service) -> &'static str {
    // A service without containers is wherever it is wanted, at once.
    let settled = if service.kind.has_units() { service.settled } else { Some(service.wanted) };
    if service.wanted == Wanted::Removed {
        let gone = world.units_of(service.id).next().is_none();
        return if gone { "removed" } else { "removing" };
    }
    let phase = world.upgrade(service.id).map(|upgrade| upgrade.phase);
    named(service.wanted, settled, phase, service.restart.is_some())
}

/// The heart of the table.
pub(super) fn named(
    wanted: Wanted,
    settled: Option<Wanted>,
    phase: Option<UpgradePhase>,
    restart: bool,
) -> &'static str {
    match phase {
        Some(UpgradePhase::Upgrading) => return "upgrading",
        Some(UpgradePhase::Upgraded) => return "upgraded",
        Some(UpgradePhase::Finishing) => return "finishing-upgrade",
        Some(UpgradePhase::Canceling) => return "canceling-upgrade",
        Some(UpgradePhase::Canceled) => return "canceled-upgrade",
        Some(UpgradePhase::RollingBack) => return "rolling-back",
        None => {}
    }
    match (wanted, settled) {
        (Wanted::Removed, Some(Wanted::Removed)) => "removed",
        (Wanted::Removed, _) => "removing",
        (Wanted::Inactive, None) => "registering",
        (Wanted::Inactive, Some(Wanted::Inactive)) => "inactive",
        (Wanted::Inactive, Some(_)) => "deactivating",
        (Wanted::Active, Some(Wanted::Active)) if restart => "restarting",
        // An arrived service that heals or scales stays active: clients refuse to touch anything else.
        (Wanted::Active, Some(Wanted::Active)) => "active",
        (Wanted::Active, _) => "activating",
    }
}

pub(super) fn joined(notes: &[&Note]) -> String {
    let mut texts: Vec<&str> = notes.iter().map(|n| n.text.as_str()).collect();
    texts.dedup();
    texts.join("; ")
}
