//! What hosts say of units on others, where they don't agree, in words: which way is broken, or whose word is not taken.
//!
//! Nothing is decided here; see [`derive::vote`](mod@crate::derive).

use super::draft::Draft;
use crate::derive::{Vote, verdict, vote};
use crate::schedule::container_name;
use crate::{Desired, Host, HostId, ServiceId, Unit, World};

/// A note for every unit of a service on which hosts don't agree.
pub(super) fn notes(draft: &mut Draft, service: ServiceId) {
    let world = &draft.world;
    let running = world.units_of(service).filter(|unit| unit.desired == Desired::Running);
    let said: Vec<_> = running
        .filter_map(|unit| Some((unit.key, say(world, unit, &vote(world, unit)?)?)))
        .collect();
    for (unit, text) in said {
        draft.note(service, Some(unit), text);
    }
}

fn say(world: &World, unit: &Unit, vote: &Vote) -> Option<String> {
    let name = container_name(world, unit.key, "");
    let host = world.host(unit.host).map_or("?", Host::shown_name);
    if vote.is_outvoted() {
        let others = names(world, &vote.well);
        let why = world.observed(unit.key).map_or("", |seen| seen.message.as_str());
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        return Some(format!(
            "{name} on {host} passes its health check from {others}, only its own host can't reach it{why}: it is not \
             replaced; is {host} overloaded, or does a firewall on it keep its agent out?"
        ));
    }
    // What an own host said that is away may be long over.
    if !vote.own || vote.failing.is_empty() || !world.is_connected(unit.host) {
        return None;
    }
    let by: Vec<HostId> = vote.failing.iter().map(|(by, _)| *by).collect();
    let why = &vote.failing.first()?.1;
    let well = match vote.well.as_slice() {
        [] => "its own host".to_owned(),
        well => format!("its own host and {}", names(world, well)),
    };
    let others = names(world, &by);
    let cause = cause(world, unit, &by, host);
    Some(format!(
        "{name} on {host} can't be reached from {others}, {well} can: {cause} (there {why})"
    ))
}

/// What is at fault, as far as those who can't reach a unit know more of its host.
fn cause(world: &World, unit: &Unit, by: &[HostId], host: &str) -> String {
    let passes = |witness: &HostId, other: &Unit| {
        let said = verdict(world, *witness, other);
        said.is_some_and(|said| said.down.is_none() && said.generation == other.generation)
    };
    let others = || world.units_on(unit.host).filter(|other| other.key != unit.key);
    if by.iter().all(|witness| others().any(|other| passes(witness, other))) {
        return format!(
            "they do reach others on {host}, so that the network between them works; what it listens on, or a firewall \
             in it, keeps other hosts out"
        );
    }
    let hearing = by.iter().filter_map(|witness| Some(&world.seen.get(witness)?.hearing));
    let (mut hear, mut miss) = (0, 0);
    for hearing in hearing {
        hear += usize::from(hearing.heard.contains(&unit.host));
        miss += usize::from(hearing.silent.contains_key(&unit.host));
    }
    let more = match by.len() {
        all if hear == all => format!(", though {host} itself answers"),
        all if miss == all => format!(", {host} itself does not answer either"),
        _ => String::new(),
    };
    format!("the network between them is at fault{more}; see `drover network doctor`")
}

/// `h2 and h3`.
fn names(world: &World, hosts: &[HostId]) -> String {
    let names = hosts.iter().filter_map(|id| world.host(*id)).map(Host::shown_name);
    names.collect::<Vec<_>>().join(" and ")
}
