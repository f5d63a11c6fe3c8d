//! What must hold of every step from one snapshot to the next.

use super::in_service::{InService, floor, interval};
use super::kept::{found_good, kept};
use super::unit::{doubled, drained, dropped, early, evacuated, one_way, replaced};
use super::{Fail, Violation, shift};
use crate::plan::{LOST_AFTER_MS, SILENT_LOST_AFTER_MS};
use crate::{Course, HostId, HostSeen, Time, World};

/// Everything wrong with the step from `before` to `after`, taken at `now`.
pub fn check_step(before: &World, after: &World, now: Time) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut fail = |rule, what: String| found.push(Violation { rule, what });
    for (&key, old) in &before.units {
        match after.unit(key) {
            Some(new) if new.serial == old.serial => {
                one_way(old, new, &mut fail);
                drained((before, after), old, new, now, &mut fail);
            }
            // Forgotten; a new unit may have its key at once.
            Some(_) | None => dropped(before, old, &mut fail),
        }
    }
    for unit in after.units.values() {
        replaced(before, after, unit, &mut fail);
        doubled(before, after, unit, &mut fail);
    }
    for service in after.services.values() {
        early(before, after, service, &mut fail);
    }
    for unit in before.units.values() {
        evacuated(before, after, unit, &mut fail);
    }
    for (&service, upgrade) in &before.upgrades {
        kept(before, after, upgrade, &mut fail);
        found_good(after, upgrade, &mut fail);
        match &upgrade.course {
            Course::InService { from, to, start_first } => {
                let course: InService = (upgrade, *start_first, *from, *to);
                floor(before, after, service, course, &mut fail);
                interval(before, after, service, course, now, &mut fail);
            }
            Course::ToService(shift) => {
                shift::check_shift(before, after, upgrade, *shift, now, &mut fail);
            }
        }
    }
    for (key, old) in &before.observed {
        // A unit of the same key that was made since has a history of its own.
        let same = before.unit(*key).map(|u| u.serial) == after.unit(*key).map(|u| u.serial);
        if after.observed(*key).is_some_and(|new| same && new.clock() < old.clock()) {
            fail("clock", format!("what was seen of {key} went back in time"));
        }
    }
    for host in after.lost.keys().filter(|host| !before.is_lost(**host)) {
        let away = before.seen.get(host).filter(|seen| !seen.connected);
        let least = if may_be_gone(before, *host) { SILENT_LOST_AFTER_MS } else { LOST_AFTER_MS };
        if away.is_none_or(|seen| now < seen.since + least) {
            fail("lost", format!("host {host} was given up before its time"));
        }
    }
    taken_back(before, after, &mut fail);
    found
}

/// Nothing is built on what was seen before a host was lost: it speaks first.
fn taken_back(before: &World, after: &World, fail: Fail) {
    for host in before.lost.keys().filter(|host| !after.is_lost(**host)) {
        let speaks = |seen: &HostSeen| seen.connected && seen.caught_up;
        let is_gone = after.host(*host).is_none();
        if !is_gone && !before.seen.get(host).is_some_and(|seen| speaks(seen)) {
            fail("taken back", format!("host {host} counts again before it said what runs there"));
        }
    }
}

/// Somebody heard it who can still be asked, and nobody who can hears it now.
fn may_be_gone(world: &World, host: HostId) -> bool {
    let asked = world.seen.values().filter(|seen| seen.connected).map(|seen| &seen.hearing);
    let (mut some, mut none) = (false, true);
    for hearing in asked {
        some |= hearing.silent.contains_key(&host);
        none &= !hearing.heard.contains(&host);
    }
    some && none
}
