//! Which tunnels there are between hosts, the clear and the sealed one, and by which of them each host is sent to. Pure.
//!
//! While a cluster changes over there are both, so that a packet arrives by whichever it was sent. A host is sent to
//! sealed once there is a session with it, and never again in the clear while encryption is on. The clear tunnel goes
//! when everyone has moved, and at the latest when the time for that is over: from then on nothing goes or comes in the
//! clear. The way back is the same, without a deadline: what is encrypted arrives.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{HostNetwork, Peer, Tunnels};

/// How packets go to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tunnel {
    /// VXLAN from host address to host address.
    Clear,
    /// VXLAN inside WireGuard.
    Sealed,
}

/// What is known of the process that encrypts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// Hosts with which there is a session.
    pub up: BTreeSet<u64>,
    /// It has the device.
    pub open: bool,
    /// It has a container: the device is not to be removed from under it.
    pub there: bool,
    /// The time to change over is past.
    pub late: bool,
    /// What it says is in its way.
    pub problem: String,
}

/// How it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Tunnels there are.
    pub tunnels: BTreeSet<Tunnel>,
    /// By which a host is sent to.
    pub through: BTreeMap<u64, Tunnel>,
}

/// How it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// Tunnels there shall be.
    pub tunnels: BTreeSet<Tunnel>,
    /// By which each host is sent to.
    pub through: BTreeMap<u64, Tunnel>,
    /// There shall be the device that packets are encrypted behind.
    pub wire: bool,
}

/// How packets shall go.
pub fn lanes(network: &HostNetwork, now: &Now, sealing: &Sealing) -> Lanes {
    if network.encrypted { sealed(network, now, sealing) } else { clear(network, now, sealing) }
}

/// With encryption. The clear tunnel is only ever kept, never made.
fn sealed(network: &HostNetwork, now: &Now, sealing: &Sealing) -> Lanes {
    let may_wait = now.tunnels.contains(&Tunnel::Clear) && !sealing.late;
    let through = |peer: &Peer| {
        let moves = sealing.up.contains(&peer.host) || goes(now, peer, Tunnel::Sealed);
        if moves || !may_wait { Tunnel::Sealed } else { Tunnel::Clear }
    };
    let has_moved = |peer: &Peer| through(peer) == Tunnel::Sealed && peer.sealed;
    let mut tunnels = BTreeSet::from([Tunnel::Sealed]);
    if may_wait && !network.peers.iter().all(has_moved) {
        tunnels.insert(Tunnel::Clear);
    }
    let through = network.peers.iter().map(|peer| (peer.host, through(peer)));
    Lanes { tunnels, through: through.collect(), wire: true }
}

/// Without. The sealed tunnel stays for those that can't take in the clear yet, and for those that send by it.
fn clear(network: &HostNetwork, now: &Now, sealing: &Sealing) -> Lanes {
    let was_sealed = now.tunnels.contains(&Tunnel::Sealed);
    let up = |peer: &Peer| was_sealed && sealing.up.contains(&peer.host);
    let through = |peer: &Peer| {
        let waits = up(peer) && !peer.clear && goes(now, peer, Tunnel::Sealed);
        if waits { Tunnel::Sealed } else { Tunnel::Clear }
    };
    let needs = |peer: &Peer| through(peer) == Tunnel::Sealed || up(peer) && peer.sealed;
    let mut tunnels = BTreeSet::from([Tunnel::Clear]);
    if network.peers.iter().any(needs) {
        tunnels.insert(Tunnel::Sealed);
    }
    let through: BTreeMap<_, _> =
        network.peers.iter().map(|peer| (peer.host, through(peer))).collect();
    let wire = tunnels.contains(&Tunnel::Sealed);
    Lanes { tunnels, through, wire }
}

fn goes(now: &Now, peer: &Peer, by: Tunnel) -> bool {
    now.through.get(&peer.host) == Some(&by)
}

/// What is told of it: `made` are the tunnels there are.
pub fn told(
    network: &HostNetwork,
    lanes: &Lanes,
    made: &BTreeSet<Tunnel>,
    sealing: &Sealing,
) -> Tunnels {
    let clear = made.contains(&Tunnel::Clear);
    let is_sealed = |host: &u64| lanes.through.get(host) == Some(&Tunnel::Sealed);
    let hosts = network.peers.iter().map(|peer| peer.host).filter(is_sealed);
    let mute = |peer: &&Peer| is_sealed(&peer.host) && !sealing.up.contains(&peer.host);
    let trouble = network.peers.iter().filter(mute).map(|peer| {
        let why = if peer.public_key.is_empty() {
            "its agent told of no key: it is too old to encrypt, or has not spoken yet"
        } else {
            "no session with it: it is away, or UDP port 51820 is closed between the two"
        };
        (peer.host, format!("nothing is sent to it: {why}"))
    });
    // While tunnels are being made there is no telling yet.
    let trouble = if made.contains(&Tunnel::Sealed) { trouble.collect() } else { BTreeMap::new() };
    Tunnels { clear, sealed_to: hosts.collect(), trouble }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2:sealed,takes` – a peer that sends to us sealed and takes in the clear.
    fn network(encrypted: bool, peers: &str) -> HostNetwork {
        let peer = |text: &str| {
            let (host, words) = text.split_once(':').unwrap();
            Peer {
                host: host.parse().unwrap(),
                public_key: "k".into(),
                sealed: words.contains("sealed"),
                clear: words.contains("takes"),
                ..Peer::default()
            }
        };
        let peers = peers.split_whitespace().map(peer).collect();
        HostNetwork { encrypted, peers, ..HostNetwork::default() }
    }

    /// `clear+sealed 2>clear 3>sealed`
    fn text(tunnels: &BTreeSet<Tunnel>, through: &BTreeMap<u64, Tunnel>) -> String {
        let name = |tunnel: &Tunnel| format!("{tunnel:?}").to_lowercase();
        let tunnels: Vec<_> = tunnels.iter().map(name).collect();
        let through: Vec<_> = through.iter().map(|(h, t)| format!(" {h}>{}", name(t))).collect();
        format!("{}{}", tunnels.join("+"), through.concat())
    }

    fn now(text: &str) -> Now {
        let tunnel = |word: &str| match word {
            "clear" => Tunnel::Clear,
            "sealed" => Tunnel::Sealed,
            other => panic!("{other}"),
        };
        let mut now = Now::default();
        for word in text.split([' ', '+']).filter(|word| !word.is_empty()) {
            match word.split_once('>') {
                Some((host, by)) => drop(now.through.insert(host.parse().unwrap(), tunnel(by))),
                None => drop(now.tunnels.insert(tunnel(word))),
            }
        }
        now
    }

    fn sealing(up: &[u64], late: bool) -> Sealing {
        Sealing { up: up.iter().copied().collect(), late, ..Sealing::default() }
    }

    #[test]
    fn switching_on() {
        let check = |peers: &str, held: &str, up: &[u64], late: bool, want: &str| {
            let lanes = lanes(&network(true, peers), &now(held), &sealing(up, late));
            assert_eq!(text(&lanes.tunnels, &lanes.through), want, "{peers} | {held} | {up:?}");
            assert!(lanes.wire);
        };
        // A new host begins without the clear tunnel, and waits for nobody.
        check("", "", &[], false, "sealed");
        check("2:", "", &[], false, "sealed 2>sealed");
        // Everyone moves when there is a session; what comes in the clear is taken until they all say they moved.
        let before = "clear 2>clear 3>clear";
        check("2: 3:", before, &[], false, "clear+sealed 2>clear 3>clear");
        check("2: 3:", before, &[2], false, "clear+sealed 2>sealed 3>clear");
        check(
            "2:sealed 3:",
            "clear+sealed 2>sealed 3>clear",
            &[2, 3],
            false,
            "clear+sealed 2>sealed 3>sealed",
        );
        check(
            "2:sealed 3:sealed",
            "clear+sealed 2>sealed 3>sealed",
            &[2, 3],
            false,
            "sealed 2>sealed 3>sealed",
        );
        // A session that is lost sends nobody back.
        check(
            "2: 3:",
            "clear+sealed 2>sealed 3>clear",
            &[],
            false,
            "clear+sealed 2>sealed 3>clear",
        );
        // When time is over nothing goes in the clear, and nothing comes.
        check("2: 3:", "clear+sealed 2>sealed 3>clear", &[2], true, "sealed 2>sealed 3>sealed");
        check("2: 3:", "sealed 2>sealed 3>sealed", &[], false, "sealed 2>sealed 3>sealed");
        // Alone there is nobody to wait for.
        check("", "clear", &[], false, "sealed");
    }

    #[test]
    fn switching_off() {
        let check = |peers: &str, held: &str, up: &[u64], want: &str| {
            let lanes = lanes(&network(false, peers), &now(held), &sealing(up, true));
            assert_eq!(text(&lanes.tunnels, &lanes.through), want, "{peers} | {held} | {up:?}");
            assert_eq!(lanes.wire, lanes.tunnels.contains(&Tunnel::Sealed));
        };
        check("2:takes", "", &[], "clear 2>clear");
        let before = "sealed 2>sealed 3>sealed";
        check("2:sealed 3:sealed", before, &[2, 3], "clear+sealed 2>sealed 3>sealed");
        check("2:sealed,takes 3:sealed", before, &[2, 3], "clear+sealed 2>clear 3>sealed");
        // Who still sends by it is heard.
        check("2:takes 3:sealed,takes", before, &[2, 3], "clear+sealed 2>clear 3>clear");
        check("2:takes 3:takes", before, &[2, 3], "clear 2>clear 3>clear");
        // One that is away takes nothing by either.
        check("2:takes 3:sealed", before, &[2], "clear 2>clear 3>clear");
        // Without the tunnel a session is good for nothing.
        check("2:sealed", "clear 2>clear", &[2], "clear 2>clear");
    }

    #[test]
    fn what_is_told() {
        let both = BTreeSet::from([Tunnel::Clear, Tunnel::Sealed]);
        let mut network = network(true, "2: 3: 4:");
        network.peers[2].public_key.clear();
        let (now, sealing) = (now("clear+sealed 2>sealed 3>clear 4>sealed"), sealing(&[2], false));
        let lanes = lanes(&network, &now, &sealing);
        let told = told(&network, &lanes, &both, &sealing);
        assert_eq!((told.clear, told.sealed_to), (true, [2, 4].into()));
        assert_eq!(told.trouble.keys().collect::<Vec<_>>(), [&4]);
        assert!(told.trouble[&4].contains("too old"), "{told:?}", told = told.trouble);
    }
}
