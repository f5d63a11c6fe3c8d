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
    /// Whether there is a session, by host, as the process says. A host that is left out was asked for one just now.
    /// `None` while the process has said nothing: then nothing is known of any host.
    pub sessions: Option<BTreeMap<u64, bool>>,
    /// It has the device.
    pub open: bool,
    /// It has a container: the device is not to be removed from under it.
    pub there: bool,
    /// The time to change over is past.
    pub late: bool,
    /// What is in its way.
    pub problem: String,
}

impl Sealing {
    /// Whether there is a session with a host; `None` while that is not known.
    fn session(&self, host: u64) -> Option<bool> {
        self.sessions.as_ref()?.get(&host).copied()
    }
}

/// How it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Tunnels there are.
    pub tunnels: BTreeSet<Tunnel>,
    /// By which a host is sent to.
    pub through: BTreeMap<u64, Tunnel>,
}

impl Now {
    /// What is told of it by an agent that has only looked: whom a packet doesn't reach is not known from that.
    pub fn told(&self) -> Tunnels {
        let sealed = self.through.iter().filter(|(_, tunnel)| **tunnel == Tunnel::Sealed);
        Tunnels {
            clear: self.tunnels.contains(&Tunnel::Clear),
            sealed_to: sealed.map(|(host, _)| *host).collect(),
            trouble: BTreeMap::new(),
        }
    }
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
        let moves = sealing.session(peer.host) == Some(true) || goes(now, peer, Tunnel::Sealed);
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

/// Without. The sealed tunnel stays for those that can't take in the clear yet, and for those that send by it. It is
/// given up for a host with which there is no session, and not while that is only unknown: the agent begins, or the
/// process does.
fn clear(network: &HostNetwork, now: &Now, sealing: &Sealing) -> Lanes {
    let was_sealed = now.tunnels.contains(&Tunnel::Sealed);
    let hears = |peer: &Peer| was_sealed && sealing.session(peer.host) != Some(false);
    let through = |peer: &Peer| {
        let waits = hears(peer) && !peer.clear && goes(now, peer, Tunnel::Sealed);
        if waits { Tunnel::Sealed } else { Tunnel::Clear }
    };
    let needs = |peer: &Peer| through(peer) == Tunnel::Sealed || hears(peer) && peer.sealed;
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
    let trouble = network.peers.iter().filter(|peer| is_sealed(&peer.host)).filter_map(|peer| {
        let why = mute(peer, sealing)?;
        Some((peer.host, format!("nothing is sent to it: {why}")))
    });
    // While tunnels are being made there is no telling yet.
    let trouble = if made.contains(&Tunnel::Sealed) { trouble.collect() } else { BTreeMap::new() };
    Tunnels { clear, sealed_to: hosts.collect(), trouble }
}

/// Why nothing goes to a host that is sent to sealed; `None` if something does, or if nobody has said yet.
fn mute<'s>(peer: &Peer, sealing: &'s Sealing) -> Option<&'s str> {
    if peer.public_key.is_empty() {
        return Some("its agent told of no key: it is too old to encrypt, or has not spoken yet");
    }
    match (&sealing.sessions, sealing.session(peer.host)) {
        (_, Some(true)) => None,
        (_, Some(false)) => {
            Some("no session with it: it is away, or UDP port 51820 is closed between the two")
        }
        (Some(_), None) => Some("no session with it yet"),
        (None, None) => Some(sealing.problem.as_str()).filter(|problem| !problem.is_empty()),
    }
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

    /// `2 !3` – a session with 2 and none with 3; `?` – nobody has said.
    fn sealing(text: &str, late: bool) -> Sealing {
        let session = |word: &str| match word.strip_prefix('!') {
            Some(host) => (host.parse().unwrap(), false),
            None => (word.parse().unwrap(), true),
        };
        let sessions = (text != "?").then(|| text.split_whitespace().map(session).collect());
        Sealing { sessions, late, ..Sealing::default() }
    }

    #[test]
    fn switching_on() {
        let check = |peers: &str, held: &str, sessions: &str, late: bool, want: &str| {
            let lanes = lanes(&network(true, peers), &now(held), &sealing(sessions, late));
            assert_eq!(text(&lanes.tunnels, &lanes.through), want, "{peers} | {held} | {sessions}");
            assert!(lanes.wire);
        };
        // A new host begins without the clear tunnel, and waits for nobody.
        check("", "", "?", false, "sealed");
        check("2:", "", "?", false, "sealed 2>sealed");
        // Everyone moves when there is a session; what comes in the clear is taken until they all say they moved.
        let before = "clear 2>clear 3>clear";
        check("2: 3:", before, "?", false, "clear+sealed 2>clear 3>clear");
        check("2: 3:", before, "!2", false, "clear+sealed 2>clear 3>clear");
        check("2: 3:", before, "2 !3", false, "clear+sealed 2>sealed 3>clear");
        let half = "clear+sealed 2>sealed 3>clear";
        check("2:sealed 3:", half, "2 3", false, "clear+sealed 2>sealed 3>sealed");
        let both = "clear+sealed 2>sealed 3>sealed";
        check("2:sealed 3:sealed", both, "2 3", false, "sealed 2>sealed 3>sealed");
        // A session that is lost, or not heard of, sends nobody back.
        check("2: 3:", half, "!2 !3", false, half);
        check("2: 3:", half, "", false, half);
        check("2: 3:", half, "?", false, half);
        // When time is over nothing goes in the clear, and nothing comes.
        check("2: 3:", half, "2", true, "sealed 2>sealed 3>sealed");
        check("2: 3:", "sealed 2>sealed 3>sealed", "?", false, "sealed 2>sealed 3>sealed");
        // Alone there is nobody to wait for.
        check("", "clear", "?", false, "sealed");
    }

    #[test]
    fn switching_off() {
        let check = |peers: &str, held: &str, sessions: &str, want: &str| {
            let lanes = lanes(&network(false, peers), &now(held), &sealing(sessions, true));
            assert_eq!(text(&lanes.tunnels, &lanes.through), want, "{peers} | {held} | {sessions}");
            assert_eq!(lanes.wire, lanes.tunnels.contains(&Tunnel::Sealed));
        };
        check("2:takes", "", "?", "clear 2>clear");
        let before = "sealed 2>sealed 3>sealed";
        check("2:sealed 3:sealed", before, "2 3", "clear+sealed 2>sealed 3>sealed");
        check("2:sealed,takes 3:sealed", before, "2 3", "clear+sealed 2>clear 3>sealed");
        // Who still sends by it is heard.
        check("2:takes 3:sealed,takes", before, "2 3", "clear+sealed 2>clear 3>clear");
        check("2:takes 3:takes", before, "2 3", "clear 2>clear 3>clear");
        // One that is away takes nothing by either.
        check("2:takes 3:sealed", before, "2 !3", "clear 2>clear 3>clear");
        // Without the tunnel a session is good for nothing.
        check("2:sealed", "clear 2>clear", "2", "clear 2>clear");
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        let check = |peers: &str, held: &str, sessions: &str, want: &str| {
            let lanes = lanes(&network(false, peers), &now(held), &sealing(sessions, false));
            assert_eq!(text(&lanes.tunnels, &lanes.through), want, "{peers} | {held} | {sessions}");
        };
        // The agent begins, or the process does, while the other one's agent is down: it still sends and takes sealed.
        let waits = "clear+sealed 2>sealed";
        for unknown in ["?", ""] {
            check("2:sealed", waits, unknown, waits);
            check("2:sealed", "sealed 2>sealed", unknown, waits);
            check("2:sealed,takes", waits, unknown, "clear+sealed 2>clear");
            check("2:takes", waits, unknown, "clear 2>clear");
            check("2:sealed", "clear 2>clear", unknown, "clear 2>clear");
        }
        check("2:sealed", waits, "!2", "clear 2>clear");
    }

    #[test]
    fn what_is_told() {
        let both = BTreeSet::from([Tunnel::Clear, Tunnel::Sealed]);
        let check = |sessions: &str, problem: &str, want: &str| {
            let mut network = network(true, "2: 3: 4:");
            network.peers[2].public_key.clear();
            let now = now("clear+sealed 2>sealed 3>clear 4>sealed");
            let sealing = Sealing { problem: problem.into(), ..sealing(sessions, false) };
            let lanes = lanes(&network, &now, &sealing);
            let told = told(&network, &lanes, &both, &sealing);
            assert_eq!((told.clear, &told.sealed_to), (true, &[2, 4].into()));
            assert_eq!(now.told(), Tunnels { trouble: BTreeMap::new(), ..told.clone() });
            assert!(told.trouble[&4].contains("told of no key"), "{:?}", told.trouble);
            let of_two = told.trouble.get(&2).map_or("", String::as_str);
            let of_two = of_two.trim_start_matches("nothing is sent to it: ");
            assert_eq!(of_two.split(':').next(), Some(want), "{sessions} {problem}");
        };
        check("2", "", "");
        check("!2", "", "no session with it");
        check("", "", "no session with it yet");
        check("?", "", "");
        check("?", "can't start the container", "can't start the container");
    }
}
