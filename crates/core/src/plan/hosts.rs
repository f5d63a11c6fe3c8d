//! Hosts that went away for too long, those that came back, and those that have no part of the network yet.

use super::LOST_AFTER_MS;
use super::draft::Draft;
use crate::network::free_subnet;
use crate::{Change, HostId};

/// Give up hosts that have been away too long, take back those that returned. True if any changed.
pub(super) fn plan_hosts(draft: &mut Draft) -> bool {
    let mut verdicts: Vec<(HostId, bool)> = Vec::new();
    let mut wake = None;
    for (&id, seen) in &draft.world.seen {
        match (seen.connected, draft.world.is_lost(id)) {
            (true, true) => verdicts.push((id, false)),
            (false, false) => {
                let lost_at = seen.since + LOST_AFTER_MS;
                if draft.now >= lost_at {
                    verdicts.push((id, true));
                } else {
                    wake = Some(wake.map_or(lost_at, |sooner: crate::Time| sooner.min(lost_at)));
                }
            }
            (true, false) | (false, true) => {}
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

/// A host gets the first subnet of the range that no other host of its project has. One that finds none goes without:
/// its agent says so.
fn give_subnets(draft: &mut Draft) {
    let without =
        draft.world.hosts.values().filter(|h| h.subnet.is_none() && h.removed_at.is_none());
    let without: Vec<_> = without.map(|host| (host.id, host.project)).collect();
    for (host, project) in without {
        let hosts = draft.world.hosts.values().filter(|held| held.project == project);
        let taken: Vec<&str> = hosts.filter_map(|held| held.subnet.as_deref()).collect();
        let Some(subnet) = free_subnet(draft.world.network_range(), &taken) else { continue };
        draft.change(Change::GiveSubnet { host, subnet });
    }
}
