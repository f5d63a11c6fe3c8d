//! The ways to other hosts: whether anything comes back from host addresses, gateways and containers, and how large it
//! may be.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use drover_core::doctor::{ProbeTarget, Probed, Reach, Way};
use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::endpoints::Given;
use super::pings::{Ping, Pings};
use crate::echo::{Level, SMALLEST};

/// After this, what was not answered is looked at closer.
const FIRST: Duration = Duration::from_millis(1_200);
/// One round of looking for the largest packet that passes.
const CLOSER: Duration = Duration::from_millis(600);
/// Rounds of that: with so many sizes in each, the last one tells single bytes apart.
const ROUNDS: usize = 3;
const SIZES: u32 = 16;
/// In all. Others listen as long; agents are not asked at the very same moment.
const WHOLE: Duration = Duration::from_secs(4);
/// For containers of this host.
const NEAR: Duration = Duration::from_secs(1);
/// For a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// A port of a container whose process refuses or accepts.
const PORT: u16 = 53;

/// Probe the ways from this host to the targets. `mtus` are those of the devices on the way and of the tunnel.
pub(super) async fn probe(host: u64, mtus: (u32, u32), targets: Vec<ProbeTarget>) -> Probed {
    let all = targets.iter().flat_map(|target| pings_to(target, mtus)).collect();
    let mut pings = match Pings::open(host, all) {
        Ok(pings) => pings,
        Err(error) => {
            let problem = format!(
                "it can't open a socket for ICMP: {error}; the agent has to run as root, or with CAP_NET_RAW"
            );
            return Probed { problem, ..Probed::default() };
        }
    };
    let end = Instant::now() + WHOLE;
    pings.exchange(Instant::now() + FIRST).await;
    let connected = connected(silent(&pings.all));
    let look_closer = async {
        for _ in 0..ROUNDS {
            let closer = closer(&pings.all);
            pings.all.extend(closer);
            pings.exchange((Instant::now() + CLOSER).min(end)).await;
        }
        pings.exchange(end).await;
    };
    let (connected, ()) = tokio::join!(connected, look_closer);
    let ways = targets.iter().map(|target| (target.host, way(target, &pings.all, &connected)));
    Probed { problem: String::new(), ways: ways.collect(), heard: pings.heard }
}

/// Addresses of this host's containers that answer; all, where nothing can be asked.
pub(super) async fn answering(host: u64, given: &[Given]) -> BTreeSet<Ipv4Addr> {
    let addresses =
        || given.iter().filter(|given| !given.container.is_empty()).map(|given| given.address);
    let all = addresses().map(|address| Ping::new(host, Level::Container, address, SMALLEST));
    let Ok(mut pings) = Pings::open(host, all.collect()) else { return addresses().collect() };
    pings.exchange(Instant::now() + NEAR).await;
    pings.all.iter().filter(|ping| ping.answered).map(|ping| ping.to).collect()
}

fn pings_to(target: &ProbeTarget, (below, inside): (u32, u32)) -> Vec<Ping> {
    let plan = [
        (Level::Underlay, &target.address, SMALLEST),
        (Level::Underlay, &target.address, below),
        (Level::Overlay, &target.gateway, SMALLEST),
        (Level::Overlay, &target.gateway, inside),
        (Level::Container, &target.container, SMALLEST),
    ];
    let ping = |(level, to, bytes): (Level, &String, u32)| {
        Some(Ping::new(target.host, level, to.parse().ok()?, bytes))
    };
    plan.into_iter().filter_map(ping).collect()
}

/// Requests of sizes between the largest that was answered and the smallest that wasn't.
fn closer(all: &[Ping]) -> Vec<Ping> {
    let mut more = Vec::new();
    let ways: BTreeSet<(u64, Level)> = all.iter().map(|ping| (ping.host, ping.level)).collect();
    for (host, level) in ways {
        let of_way = || all.iter().filter(|ping| (ping.host, ping.level) == (host, level));
        let low = of_way().filter(|ping| ping.answered).max_by_key(|ping| ping.bytes);
        let Some(low) = low else { continue };
        let high = of_way().filter(|ping| ping.bytes > low.bytes).map(|ping| ping.bytes).min();
        let Some(high) = high else { continue };
        let between = (1..SIZES).map(|n| low.bytes + (high - low.bytes) * n / SIZES);
        let sizes: BTreeSet<u32> = between.filter(|bytes| *bytes > low.bytes).collect();
        let ping = |bytes| Ping { rounds: 2, ..Ping::new(host, level, low.to, bytes) };
        more.extend(sizes.into_iter().map(ping));
    }
    more
}

/// Containers that nothing came back from.
fn silent(all: &[Ping]) -> Vec<Ipv4Addr> {
    let silent = all
        .iter()
        .filter(|ping| ping.level == Level::Container && !ping.answered && ping.said.is_empty());
    silent.map(|ping| ping.to).collect()
}

/// Those of them that answer TCP: they are reached all the same. One that refuses has been asked.
async fn connected(silent: Vec<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    let tries = silent.into_iter().map(|to| async move {
        let tried = timeout(CONNECT, TcpStream::connect(SocketAddr::from((to, PORT)))).await;
        let reached = match tried {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            Err(_) => false,
        };
        reached.then_some(to)
    });
    join_all(tries).await.into_iter().flatten().collect()
}

fn way(target: &ProbeTarget, all: &[Ping], connected: &BTreeSet<Ipv4Addr>) -> Way {
    let of = |level| all.iter().filter(move |ping| (ping.host, ping.level) == (target.host, level));
    let reach = |level| {
        let answered = of(level).filter(|ping| ping.answered).map(|ping| ping.bytes).max();
        let said = of(level).find(|ping| !ping.answered && !ping.said.is_empty());
        Reach {
            full: of(level).map(|ping| ping.bytes).max().unwrap_or_default(),
            largest: answered.unwrap_or_default(),
            said: said.map(|ping| ping.said.clone()).unwrap_or_default(),
        }
    };
    let container = of(Level::Container).next();
    Way {
        underlay: reach(Level::Underlay),
        overlay: reach(Level::Overlay),
        container: container.map(|ping| ping.answered || connected.contains(&ping.to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which size is found to pass, if all up to `passes` do, in how many rounds.
    fn found(passes: u32, full: u32) -> (u32, usize) {
        let to = Ipv4Addr::LOCALHOST;
        let mut all = vec![
            Ping::new(2, Level::Overlay, to, SMALLEST),
            Ping::new(2, Level::Overlay, to, full),
        ];
        let mut rounds = 0;
        loop {
            for ping in &mut all {
                ping.answered = ping.bytes <= passes;
            }
            let more = closer(&all);
            if more.is_empty() {
                let answered = all.iter().filter(|p| p.answered).map(|p| p.bytes).max();
                return (answered.unwrap_or_default(), rounds);
            }
            all.extend(more);
            rounds += 1;
        }
    }

    #[test]
    fn the_largest_packet_that_passes_is_found() {
        for passes in [100, 101, 576, 1350, 1399, 1400, 1449] {
            let (largest, rounds) = found(passes, 1450);
            assert_eq!(largest, passes);
            assert!(rounds <= ROUNDS, "{rounds} rounds for {passes}");
        }
        assert_eq!(found(1450, 1450), (1450, 0));
        assert_eq!(found(0, 1450).1, 0, "where nothing passes there is nothing to look for");
    }

    #[test]
    fn what_is_not_tried_is_told_as_not_tried() {
        for (address, want) in [("10.0.0.2", 1500), ("fd00::2", 0), ("", 0)] {
            let target = ProbeTarget { host: 2, address: address.into(), ..ProbeTarget::default() };
            let way = way(&target, &pings_to(&target, (1500, 1450)), &BTreeSet::new());
            assert_eq!((way.underlay.full, way.overlay.full), (want, 0), "{address}");
        }
    }

    #[tokio::test]
    async fn this_very_host_is_reached() {
        let local = "127.0.0.1".to_owned();
        let target = ProbeTarget {
            host: 2,
            address: local.clone(),
            gateway: local.clone(),
            container: local,
        };
        let probed = probe(1, (1500, 1450), vec![target]).await;
        if !probed.problem.is_empty() {
            return println!("skipped: {}", probed.problem);
        }
        let way = &probed.ways[&2];
        assert_eq!(
            (way.underlay.largest, way.overlay.largest, way.container),
            (1500, 1450, Some(true))
        );
    }
}
