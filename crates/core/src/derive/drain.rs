//! Draining: who still has to acknowledge that a unit takes nothing new, and who still has requests in flight to it.
//! A unit is stopped when nobody is left, or when its time is over; see [`crate::Followed`].
//!
//! There are two times. Whoever sends to the unit has a minute to let go of it, as long as a host may be silent. Requests
//! in flight have what the service's spec says, from when all have let go: a balancer that is late to learn of the drain
//! sends new ones until then.

use crate::schedule::container_name;
use crate::{Desired, Followed, HostId, Phase, Service, Time, Unit, UnitKey, World};

/// How long requests in flight may take where users say nothing, in milliseconds.
pub const DRAIN_TIMEOUT_MS: u64 = 30_000;
/// How long balancers are waited for to let go of a unit, in milliseconds: as long as a host may be silent before it
/// is given up, with its balancers.
pub const LET_GO_TIMEOUT_MS: u64 = crate::plan::LOST_AFTER_MS;
/// How long name services are waited for, in milliseconds: a name is withdrawn within milliseconds where it can
/// be, and a host that can't be told has stale names whatever we do.
pub const NAMES_TIMEOUT_MS: u64 = 2_000;

/// How many hosts are named in one message: when a drain begins, it is all there are.
const NAMED: usize = 3;

/// Whom a draining unit waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undrained {
    /// Balancers that have not acknowledged that it takes nothing new.
    pub unacknowledged: Vec<UnitKey>,
    /// Balancers that have requests in flight to it, and how many.
    pub in_flight: Vec<(UnitKey, u64)>,
    /// Hosts whose name service still answers with it.
    pub named_by: Vec<HostId>,
}

impl Undrained {
    /// Nobody is left.
    pub fn is_empty(&self) -> bool {
        self.is_let_go() && self.in_flight.is_empty()
    }

    /// Nobody sends anything new to it, or nobody is waited for any more until he doesn't.
    pub fn is_let_go(&self) -> bool {
        self.unacknowledged.is_empty() && self.named_by.is_empty()
    }

    /// In words: "lb-1 has 3 requests in flight to it".
    pub fn words(&self, world: &World) -> String {
        let name = |key: UnitKey| container_name(world, key, "");
        let mut parts = Vec::new();
        for (key, count) in &self.in_flight {
            let noun = if *count == 1 { "request" } else { "requests" };
            parts.push(format!("{} has {count} {noun} in flight to it", name(*key)));
        }
        for key in &self.unacknowledged {
            let problem = world.balancers_followed.get(key).map_or("", |f| f.problem.as_str());
            let why = if problem.is_empty() { String::new() } else { format!(" ({problem})") };
            parts.push(format!("{} has not acknowledged that it goes{why}", name(*key)));
        }
        for host in self.named_by.iter().take(NAMED) {
            let host = world.host(*host).map_or("?", |host| host.shown_name());
            parts.push(format!("the name service of {host} has not withdrawn it"));
        }
        match self.named_by.len().saturating_sub(NAMED) {
            0 => {}
            more => parts.push(format!("nor have those of {more} more hosts")),
        }
        parts.join("; ")
    }
}

/// How long requests in flight to a unit may take once it drains, in milliseconds: what its spec says; 0 switches
/// draining off.
pub fn drain_timeout_ms(world: &World, unit: &Unit) -> u64 {
    let template = world.template(unit.key.service, unit.key.revision);
    let asked = template.and_then(|template| template.primary.drain_timeout_ms);
    asked.unwrap_or(DRAIN_TIMEOUT_MS)
}

/// Whether a unit has to drain before it is stopped: it runs, and somebody could be sending to it.
pub fn must_drain(world: &World, unit: &Unit) -> bool {
    unit.desired == Desired::Running
        && runs(world, unit)
        && drain_timeout_ms(world, unit) > 0
        && world.service(unit.key.service).is_some_and(|service| {
            balancers(world, service).next().is_some()
                || naming_hosts(world, service).next().is_some()
        })
}

/// Whom a draining unit still waits for at `now`, given that it may take until `until`.
pub fn undrained(world: &World, unit: &Unit, now: Time) -> Undrained {
    let mut left = Undrained::default();
    let until = unit.drain_until.unwrap_or_default();
    let Some(service) = world.service(unit.key.service) else { return left };
    if now >= until || !runs(world, unit) {
        return left;
    }
    for balancer in balancers(world, service).filter(|balancer| balancer.key != unit.key) {
        let followed = world.balancers_followed.get(&balancer.key);
        if !acknowledges(followed.map(AsRef::as_ref), unit) {
            left.unacknowledged.extend((now < let_go_until(world, unit)).then_some(balancer.key));
        } else if let Some(count) = followed.and_then(|f| f.in_flight.get(&unit.key)) {
            left.in_flight.push((balancer.key, *count));
        }
    }
    if now < names_until(world, unit) {
        let stale = naming_hosts(world, service)
            .filter(|host| !acknowledges(world.names_followed.get(host).map(AsRef::as_ref), unit));
        left.named_by.extend(stale);
    }
    left
}

/// When a unit that begins to drain at `now` is stopped in any case.
pub fn drain_until(world: &World, unit: &Unit, now: Time) -> Time {
    now + LET_GO_TIMEOUT_MS + drain_timeout_ms(world, unit)
}

/// When balancers are no longer waited for until they let go of a draining unit. Once they have, the planner brings
/// the end of the drain nearer, and this is the moment at which they had.
pub fn let_go_until(world: &World, unit: &Unit) -> Time {
    let until = unit.drain_until.unwrap_or_default();
    Time(until.0.saturating_sub(drain_timeout_ms(world, unit)))
}

/// When name services are no longer waited for.
pub fn names_until(world: &World, unit: &Unit) -> Time {
    let began = Time(let_go_until(world, unit).0.saturating_sub(LET_GO_TIMEOUT_MS));
    began + NAMES_TIMEOUT_MS
}

fn acknowledges(followed: Option<&Followed>, unit: &Unit) -> bool {
    followed.is_some_and(|followed| followed.routing >= unit.generation)
}

/// It may be answering, on a host that is not given up.
fn runs(world: &World, unit: &Unit) -> bool {
    !world.is_lost(unit.host) && world.observed(unit.key).is_some_and(|seen| is_live(seen.phase))
}

/// Its process may run, or run again in a moment.
fn is_live(phase: Phase) -> bool {
    match phase {
        Phase::Running | Phase::Starting | Phase::Stopping | Phase::BackOff => true,
        Phase::Pending | Phase::Pulling | Phase::Completed | Phase::Stopped | Phase::Gone => false,
    }
}

/// Balancers of the project that could send requests: all that shall run, seen or not, those that are seen on their way
/// down, and those that are to be down, whose hosts have not said a word about it: they may have been started by an order
/// before that. Those that point elsewhere acknowledge at once, and one that pointed here a moment ago may not know
/// yet that it no longer does. For a process that does not run its agent acknowledges what it would begin with. One
/// on a lost host is fenced out.
fn balancers<'a>(world: &'a World, service: &Service) -> impl Iterator<Item = &'a Unit> {
    let units = world.balancers(service.project).flat_map(|service| world.units_of(service));
    units.filter(|unit| {
        let shall_run = matches!(unit.desired, Desired::Running | Desired::Draining);
        let may_be_up = || match world.observed(unit.key) {
            Some(seen) if seen.generation >= unit.generation => is_live(seen.phase),
            Some(seen) => is_live(seen.phase) || unit.desired != Desired::Staged,
            None => unit.desired != Desired::Staged,
        };
        !world.is_lost(unit.host) && (shall_run || may_be_up())
    })
}

/// Hosts of the project that answer names and can be told.
fn naming_hosts<'a>(world: &'a World, service: &Service) -> impl Iterator<Item = HostId> + 'a {
    let project = service.project;
    let hosts = world.hosts.values().filter(move |host| host.project == project);
    hosts.map(|host| host.id).filter(|host| {
        world.names_followed.contains_key(host)
            && world.is_connected(*host)
            && !world.is_lost(*host)
    })
}
