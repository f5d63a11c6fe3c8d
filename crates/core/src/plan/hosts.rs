//! Hosts that went away for too long, and those that came back.

use super::LOST_AFTER_MS;
use super::draft::Draft;
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
    if let Some(at) = wake {
        draft.wake_at(at);
    }
    for &(host, lost) in &verdicts {
        draft.change(Change::LoseHost { host, lost });
    }
    !verdicts.is_empty()
}
