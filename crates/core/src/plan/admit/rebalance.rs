//! Whether moves that users were shown can be begun, some time after they were.

use std::collections::{BTreeMap, BTreeSet};

use crate::schedule::container_name;
use crate::{Change, Desired, Host, Move, ProjectId, Rebalance, ServiceId, Wanted, World, derive};

/// What is asked for with these moves: the changes, the moves that are in them, and the others, why not, in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admitted {
    /// To be committed together.
    pub changes: Vec<Change>,
    /// The moves that are made.
    pub moves: Vec<Move>,
    /// Why the others are not, in words.
    pub held: Vec<String>,
}

/// The services' rows as users have them who want these moves. What has changed since they were shown is left out and said.
pub fn admit_rebalance(world: &World, project: ProjectId, asked: &[Move]) -> Admitted {
    let mut admitted = Admitted::default();
    let mut by_service: BTreeMap<ServiceId, Vec<Move>> = BTreeMap::new();
    let mut named = BTreeSet::new();
    for &held in asked.iter().filter(|held| named.insert(held.unit)) {
        match objection(world, project, held) {
            None => by_service.entry(held.unit.service).or_default().push(held),
            Some(why) => {
                let name = container_name(world, held.unit, "");
                admitted.held.push(format!("{name} does not move: {why}"));
            }
        }
    }
    for (id, moves) in by_service {
        let Some(service) = world.service(id) else { continue };
        if let Some(why) = derive::waits(world, service) {
            admitted.held.push(why);
            continue;
        }
        admitted.moves.extend(&moves);
        let mut wanted = service.clone();
        wanted.rebalance = Some(Rebalance { moves });
        admitted.changes.push(Change::PutService(Box::new(wanted)));
    }
    admitted
}

fn objection(world: &World, project: ProjectId, held: Move) -> Option<String> {
    let gone = || Some("it is not there any more".to_owned());
    let service = world.service(held.unit.service).filter(|service| service.project == project);
    let to = world.host(held.to).filter(|host| host.project == project);
    let Some((service, to)) = service.zip(to) else { return gone() };
    let unit = world.unit(held.unit).filter(|unit| unit.desired == Desired::Running);
    let Some(unit) = unit.filter(|_| service.wanted == Wanted::Active) else { return gone() };
    if to.id == unit.host {
        return Some("it is there already".to_owned());
    }
    if !to.active || to.removed_at.is_some() || world.is_lost(to.id) {
        return Some(format!("{} takes no units", to.shown_name()));
    }
    if world.host(unit.host).is_some_and(Host::is_evacuating) {
        return Some("its host is to be emptied".to_owned());
    }
    derive::keeps_place(world, unit)
}
