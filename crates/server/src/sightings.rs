//! What sessions say of their hosts, committed together: whoever's turn it is takes all that waits with it. A host that comes is
//! news for a hundred others, and each of them says so.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use drover_core::{Change, HearingNow, Host, HostFacts, HostId, HostSeen, Time, World};
use tokio::sync::oneshot;

use crate::hub::{HUB, Hub};
use crate::link::Link;
use crate::lock::lock;
use crate::server::Server;

/// What one session says.
pub(crate) struct Sighting {
    /// The session's link: one that was replaced meanwhile has no say.
    pub(crate) link: Arc<Link>,
    /// Whether its host is connected by it.
    pub(crate) connected: bool,
    /// It has said what all its units are.
    pub(crate) caught_up: bool,
    /// How long ago it was heard last, milliseconds: it is away since then, however long it took to find out.
    pub(crate) ago_ms: u64,
    /// What the machine is, if that was said.
    pub(crate) facts: Option<HostFacts>,
    /// What it hears of others, if that was said.
    pub(crate) hearing: Option<HearingNow>,
    /// Where it is, which only its first words in a connection say.
    pub(crate) address: Option<String>,
}

/// Those that wait, each with where the answer goes.
#[derive(Default)]
pub(crate) struct Sightings(Mutex<Vec<Waiting>>);

type Waiting = (Sighting, oneshot::Sender<Result<HostSeen, String>>);

/// Record what is seen of a host; how it stands then.
pub(crate) async fn see(server: &Server, sighting: Sighting) -> Result<HostSeen, String> {
    let (tell, told) = oneshot::channel();
    lock(&server.sightings.0).push((sighting, tell));
    let mut taken = Vec::new();
    let decided = server.decide(HUB, |world, now| {
        taken.append(&mut *lock(&server.sightings.0));
        let said = taken.iter().map(|(sighting, _)| sighting);
        Ok::<_, Infallible>(decide(world, &server.hub, said, now))
    });
    match decided.await {
        Ok((_, seen)) => {
            for ((_, tell), seen) in taken.into_iter().zip(seen) {
                // A session may have ended meanwhile.
                let _ = tell.send(Ok(seen));
            }
        }
        Err(error) if taken.is_empty() => return Err(error.to_string()),
        Err(error) => {
            for (_, tell) in taken {
                let _ = tell.send(Err(error.to_string()));
            }
        }
    }
    // It was taken now, or by whoever had the turn before.
    told.await.unwrap_or_else(|_| Err("the server stops".to_owned()))
}

/// What is to be written, and how each host stands then.
fn decide<'a>(
    world: &World,
    hub: &Hub,
    said: impl Iterator<Item = &'a Sighting>,
    now: Time,
) -> (Vec<Change>, Vec<HostSeen>) {
    let mut changes = Vec::new();
    // Of one host the old session and the new one may speak at a time.
    let mut now_seen: BTreeMap<HostId, HostSeen> = BTreeMap::new();
    let mut answers = Vec::new();
    for sighting in said {
        let host = sighting.link.host;
        let held = now_seen.get(&host).cloned();
        let held = held.or_else(|| world.seen.get(&host).map(|seen| (**seen).clone()));
        let held = held.unwrap_or_default();
        let has_say = match hub.link(host) {
            Some(current) => sighting.connected && Arc::ptr_eq(&current, &sighting.link),
            None => !sighting.connected,
        };
        if !has_say {
            answers.push(held);
            continue;
        }
        let seen = seen(world, sighting, &held, now);
        changes.extend(moved(world, host, sighting.address.as_deref()));
        if seen != held && world.host(host).is_some() {
            changes.push(Change::SeeHost { host, seen: Box::new(seen.clone()) });
            now_seen.insert(host, seen.clone());
        }
        answers.push(seen);
    }
    (changes, answers)
}

fn seen(world: &World, sighting: &Sighting, held: &HostSeen, now: Time) -> HostSeen {
    let Sighting { link, connected, caught_up, ago_ms, facts, hearing, address } = sighting;
    let begins = address.is_some();
    let same = held.connected == *connected && !begins;
    HostSeen {
        connected: *connected,
        caught_up: *connected && *caught_up,
        since: if same { held.since } else { Time(now.0.saturating_sub(*ago_ms)) },
        tick: last_tick(world, link.host).max(held.tick),
        assigned: link.assigned.load(Ordering::Relaxed),
        facts: facts.as_ref().unwrap_or(&held.facts).clone(),
        hearing: hearing.as_ref().map_or_else(|| held.hearing.clone(), |heard| heard.at(now)),
    }
}

/// The greatest observation counter known of a host.
fn last_tick(world: &World, host: HostId) -> u64 {
    let ticks = world.units_on(host).filter_map(|unit| world.observed(unit.key)).map(|o| o.tick);
    let witnessed = world.witnessed.get(&host).map(|found| found.tick);
    ticks.chain(witnessed).max().unwrap_or(0)
}

/// The host is reached by another address than it was.
fn moved(world: &World, host: HostId, address: Option<&str>) -> Option<Change> {
    let (host, address) = world.host(host).zip(address)?;
    if host.address == address || address.is_empty() {
        return None;
    }
    Some(Change::PutHost(Host { address: address.to_owned(), ..host.clone() }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::sample::world;

    fn link(hub: &Hub, host: u64) -> Arc<Link> {
        let (link, frames) = Link::new(HostId(host), CancellationToken::new());
        // Nobody writes to it here.
        drop(frames);
        hub.enter(&link);
        link
    }

    fn sighting(link: &Arc<Link>, connected: bool) -> Sighting {
        Sighting {
            link: link.clone(),
            connected,
            caught_up: false,
            ago_ms: 5,
            facts: None,
            hearing: None,
            address: None,
        }
    }

    fn seen_of(changes: &[Change]) -> Vec<(u64, bool)> {
        let seen = changes.iter().filter_map(|change| match change {
            Change::SeeHost { host, seen } => Some((host.0, seen.connected)),
            _ => None,
        });
        seen.collect()
    }

    #[test]
    fn what_all_say_is_one_commit() {
        let (hub, world) = (Hub::default(), world());
        let links = [10, 11].map(|host| link(&hub, host));
        let mut said: Vec<_> = links.iter().map(|link| sighting(link, true)).collect();
        let heard = BTreeSet::from([HostId(11)]);
        said[0].hearing = Some(HearingNow { heard, ..HearingNow::default() });
        said[1].address = Some("10.0.0.99".to_owned());
        let (changes, seen) = decide(&world, &hub, said.iter(), Time(100));
        assert_eq!(seen_of(&changes), [(10, true), (11, true)]);
        assert!(
            changes.iter().any(|c| matches!(c, Change::PutHost(h) if h.address == "10.0.0.99"))
        );
        assert!(seen[0].hearing.heard.contains(&HostId(11)));
        assert!(world.commit(&changes).is_ok());
    }

    #[test]
    fn who_was_replaced_has_no_say_and_the_later_word_of_a_host_builds_on_the_one_before() {
        let (hub, world) = (Hub::default(), world());
        let (old, new) = (link(&hub, 10), link(&hub, 10));
        let mut first = sighting(&new, true);
        first.hearing = Some(HearingNow { heard: [HostId(12)].into(), ..HearingNow::default() });
        let said = [sighting(&old, false), first, sighting(&new, true)];
        let (changes, seen) = decide(&world, &hub, said.iter(), Time(100));
        assert_eq!(seen_of(&changes), [(10, true)]);
        assert_eq!(seen[1], seen[2]);
        assert!(hub.leave(&new));
        let (changes, seen) = decide(&world, &hub, [sighting(&new, false)].iter(), Time(100));
        assert!(!seen[0].connected && seen_of(&changes).iter().all(|(_, connected)| !connected));
    }
}
