//! Revisions that nobody can need any more are dropped: the oldest, beyond what is kept. What runs, what is kept stopped and
//! what an upgrade leads from or to stays, however old it is.

use std::collections::BTreeSet;

use super::draft::Draft;
use crate::{Change, Course, RevisionNo, ServiceId, kept_revisions};

/// Drop what is beyond the number that is kept.
pub(super) fn retain(draft: &mut Draft, service: ServiceId) {
    let all: Vec<RevisionNo> = draft.world.revisions(service).map(|held| held.number).collect();
    let beyond = all.len().saturating_sub(kept_revisions(&draft.world));
    if beyond == 0 {
        return;
    }
    let used = used(draft, service);
    for number in all.into_iter().take(beyond).filter(|number| !used.contains(number)) {
        draft.change(Change::DropRevision { service, number });
    }
}

fn used(draft: &Draft, service: ServiceId) -> BTreeSet<RevisionNo> {
    let current = draft.world.service(service).map(|held| held.current);
    let mut used: BTreeSet<RevisionNo> = current.into_iter().collect();
    used.extend(draft.world.units_of(service).map(|unit| unit.key.revision));
    if let Some(Course::InService { from, to, .. }) =
        draft.world.upgrade(service).map(|u| &u.course)
    {
        used.extend([*from, *to]);
    }
    used
}
