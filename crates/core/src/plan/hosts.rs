//! Hosts that went away for too long, those that came back, and those that have no part of the network yet.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::{LOST_AFTER_MS, SILENT_LOST_AFTER_MS, UNATTENDED_LOST_AFTER_MS};
use crate::hearing::{Listeners, Said};
use crate::network::free_subnet;
use crate::{Change, HostId, HostSeen, Time, World};

/// Give up hosts that have been away too long, take back those that returned. True if any changed.
pub(super) fn plan_hosts(draft: &mut Draft) -> bool {
    let mut verdicts: Vec<(HostId, bool)> = Vec::new();
    let mut wake: Option<Time> = None;
    let listeners = std::cell::LazyCell::new(|| draft.world.listeners());
    for (&id, seen) in &draft.world.seen {
        match (seen.connected, draft.world.is_lost(id)) {
            (true, true) if seen.caught_up => verdicts.push((id, false)),
            (false, false) => {
                let lost_at = lost_at(&draft.world, &listeners, id, seen);
                if draft.now >= lost_at {
                    verdicts.push((id, true));
                } else {
                    wake = Some(wake.map_or(lost_at, |sooner| sooner.min(lost_at)));
                }
            }
            (true, _) | (false, true) => {}
        }
    }
    give_subnets(draft);
    if let Some(at) = wake {
        draft.wake_at(at);
    }
    for &(host, lost) in &verdicts {
        draft.change(Change::LoseHost { host, lost });
    }
    !verdicts.is_empty()
}

/// When a host that is away is given up, as things stand.
pub(super) fn lost_at(
    world: &World,
    listeners: &Listeners<'_>,
    host: HostId,
    seen: &HostSeen,
) -> Time {
    match world.host(host).map_or(Said::Nothing, |host| listeners.say_of(host)) {
        Said::Silent { since } if world.most_are_left(host) => {
            since.max(seen.since) + SILENT_LOST_AFTER_MS
        }
        Said::Silent { .. } | Said::Nothing => seen.since + LOST_AFTER_MS,
        Said::Heard => seen.since + UNATTENDED_LOST_AFTER_MS,
    }
}

/// A host gets the first subnet of the range that no other host of its project has. One that finds none goes without:
/// its agent says so.
fn give_subnets(draft: &mut Draft) {
    let without =
        draft.world.hosts.values().filter(|h| h.subnet.is_none() && h.removed_at.is_none());
    let without: Vec<_> = without.map(|host| (host.id, host.project)).collect();
    // Whoever is left without is so at every look, and to find that out costs as much as the range is large.
    let mut used_up = BTreeSet::new();
    for (host, project) in without {
        if used_up.contains(&project) {
            continue;
        }
        let hosts = draft.world.hosts.values().filter(|held| held.project == project);
        let taken: Vec<&str> = hosts.filter_map(|held| held.subnet.as_deref()).collect();
        let Some(subnet) = free_subnet(draft.world.network_range(), &taken) else {
            used_up.insert(project);
            continue;
        };
        draft.change(Change::GiveSubnet { host, subnet });
    }
}
