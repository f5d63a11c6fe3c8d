//! Which hosts look at which others' units: all hosts of a project stand in a ring, and each is looked at by the next two
//! that can.
//!
//! The ring's order is that of scrambled numbers, so that hosts which were made together, and may share a rack, look at
//! others. Everybody looks at two; who comes or goes changes the work of its neighbours only; and finding out costs what is
//! on two hosts, not what is in the cluster. A host whose agent is away for a moment keeps its place, and has no say
//! meanwhile: others would have to begin from nothing, for a restart of an agent.

use std::ops::Bound;

use super::World;
use crate::{Host, HostId, ProjectId};

/// How many others look at a host's units.
const WITNESSES: usize = 2;

/// Where a host stands in the ring.
pub(super) type Place = (ProjectId, u64, HostId);

pub(super) fn place(host: &Host) -> Place {
    (host.project, scramble(host.id.0), host.id)
}

impl World {
    /// The other hosts that probe the units of a host: two, where there are two.
    pub fn witnesses_of(&self, host: HostId) -> Vec<HostId> {
        let Some(held) = self.host(host) else { return Vec::new() };
        let (low, high) = ends(held.project);
        let own = Bound::Excluded(place(held));
        let after = self.index.ring.range((own, Bound::Included(high)));
        let before = self.index.ring.range((Bound::Included(low), own));
        let others = after.chain(before).map(|place| place.2);
        others.filter(|other| self.can_witness(*other)).take(WITNESSES).collect()
    }

    /// The hosts whose units a host probes: the other side of [`World::witnesses_of`].
    pub fn watched_by(&self, witness: HostId) -> Vec<HostId> {
        let Some(held) = self.host(witness).filter(|_| self.can_witness(witness)) else {
            return Vec::new();
        };
        let (low, high) = ends(held.project);
        let own = Bound::Excluded(place(held));
        let before = self.index.ring.range((Bound::Included(low), own)).rev();
        let after = self.index.ring.range((own, Bound::Included(high))).rev();
        let (mut watched, mut nearer) = (Vec::new(), 0);
        for host in before.chain(after).map(|place| place.2) {
            if nearer == WITNESSES {
                break;
            }
            watched.push(host);
            nearer += usize::from(self.can_witness(host));
        }
        watched
    }

    /// Whether it is in use, counted on, and has a part of the network.
    fn can_witness(&self, host: HostId) -> bool {
        let held = self.host(host);
        held.is_some_and(|host| host.active && host.subnet.is_some()) && !self.is_lost(host)
    }
}

pub(super) fn ends(project: ProjectId) -> (Place, Place) {
    ((project, 0, HostId(0)), (project, u64::MAX, HostId(u64::MAX)))
}

/// The finisher of the `SplitMix64` generator: neighbours end up far apart, and no two numbers become one.
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;
    use crate::{Change, Project};

    fn change(id: u64, active: bool) -> Change {
        let host = json!({
            "id": id, "project": 1, "identity": "i", "hostname": format!("h{id}"), "active": active,
            "address": "192.0.2.1", "subnet": format!("10.42.{id}.0/24"), "created_at": 0,
        });
        Change::PutHost(serde_json::from_value(host).unwrap())
    }

    fn world(hosts: u64) -> World {
        let project = json!({ "id": 1, "name": "p", "created_at": 0 });
        let project: Project = serde_json::from_value(project).unwrap();
        let hosts = (1..=hosts).map(|id| change(id, true));
        let changes: Vec<_> = std::iter::once(Change::PutProject(project)).chain(hosts).collect();
        World::new().commit(&changes).unwrap().0
    }

    fn with(world: &World, change: Change) -> World {
        world.commit(&[change]).unwrap().0
    }

    /// Who looks at whom; both sides must say the same.
    fn looks(world: &World) -> BTreeMap<HostId, BTreeSet<HostId>> {
        let of = |host| world.witnesses_of(host).into_iter().collect::<BTreeSet<_>>();
        let all: BTreeMap<_, _> = world.hosts.keys().map(|host| (*host, of(*host))).collect();
        for witness in world.hosts.keys() {
            let watched: BTreeSet<HostId> = world.watched_by(*witness).into_iter().collect();
            let same = all.iter().filter(|(_, by)| by.contains(witness)).map(|(host, _)| *host);
            assert_eq!(watched, same.collect(), "{witness}");
        }
        all
    }

    #[test]
    fn everybody_looks_at_two() {
        for hosts in 1..12 {
            let world = world(hosts);
            let want = usize::try_from(hosts - 1).unwrap().min(2);
            for (host, by) in looks(&world) {
                assert_eq!((by.len(), by.contains(&host)), (want, false), "{host} of {hosts}");
                assert_eq!(world.watched_by(host).len(), want, "{host} of {hosts}");
            }
        }
    }

    #[test]
    fn who_comes_or_goes_changes_its_neighbours_only() {
        let many = world(40);
        let before = looks(&many);
        let changed = |after: &World| {
            let after = looks(after);
            after.iter().filter(|(host, by)| before.get(host).is_some_and(|b| b != *by)).count()
        };
        assert_eq!(changed(&with(&many, change(41, true))), 2);
        let out_of_use = with(&many, change(7, false));
        assert_eq!(changed(&out_of_use), 2);
        assert_eq!(out_of_use.witnesses_of(HostId(7)), many.witnesses_of(HostId(7)));
        assert_eq!(out_of_use.watched_by(HostId(7)), []);
        let lost = with(&many, Change::LoseHost { host: HostId(7), lost: true });
        assert_eq!(changed(&lost), 2);
    }

    #[test]
    fn what_is_not_there_has_nobody() {
        let world = world(3);
        assert_eq!(world.witnesses_of(HostId(9)), []);
        assert_eq!(world.watched_by(HostId(9)), []);
    }
}
