//! The ways between hosts: what arrives, told apart by direction and by level (host addresses, tunnel, containers), and
//! what that means.
//!
//! A packet that comes back shows both directions; one that does not shows neither. So each host also says whose
//! packets arrived at it: that tells the directions apart.

use std::collections::{BTreeMap, BTreeSet};

use super::extent::{Extent, Pair, covers, gather};
use super::verdict::{Case, Finding, Severity, grouped};
use super::{Heard, Hindered, Way};
use crate::{HostId, VXLAN_PORT, WIREGUARD_PORT};

/// What is wrong with one direction between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// Nothing arrives, at either level.
    Silence,
    /// Host addresses are reached, the tunnel's packets don't arrive.
    Tunnel,
    /// The tunnel's packets arrive up to a size.
    Hole {
        /// Bytes that arrive.
        largest: u32,
        /// Bytes that should.
        full: u32,
    },
    /// The gateway is reached, the containers behind it aren't.
    Forward,
    /// Everything but ICMP between host addresses.
    Echo,
}

/// All findings about ways.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let known = known(case);
    let mut troubles: BTreeMap<Trouble, BTreeSet<Pair>> = BTreeMap::new();
    for pair in &known {
        for trouble in trouble(case, *pair) {
            troubles.entry(trouble).or_default().insert(*pair);
        }
    }
    let mut found = Vec::new();
    for (trouble, pairs) in &troubles {
        found.extend(
            gather(&known, pairs)
                .into_iter()
                .map(|extent| Said { case, extent, known: &known }.finding(*trouble)),
        );
    }
    found
}

/// Other hosts that a host was probed with both ways, and those of them where both ways are well.
pub(super) fn reached(case: &Case<'_>, host: HostId) -> (usize, usize) {
    let known = known(case);
    let others: Vec<HostId> =
        known.iter().filter(|(from, _)| *from == host).map(|(_, to)| *to).collect();
    let well = |pair: Pair| {
        let arrived = arrived(case, pair).overlay;
        arrived > 0 && arrived >= full(case, pair) && !is_withheld(case, pair)
    };
    let reached = others.iter().filter(|other| well((host, **other)) && well((**other, host)));
    (others.len(), reached.count())
}

/// Pairs of hosts that both probed.
fn known(case: &Case<'_>) -> BTreeSet<Pair> {
    let probed: Vec<HostId> =
        case.hosts.iter().map(|h| h.id).filter(|id| case.probed(*id).is_some()).collect();
    let pairs = probed.iter().flat_map(|from| probed.iter().map(move |to| (*from, *to)));
    pairs.filter(|pair| way(case, *pair).is_some()).collect()
}

fn way<'a>(case: &Case<'a>, (from, to): Pair) -> Option<&'a Way> {
    case.probed(from)?.ways.get(&to.0)
}

/// What certainly arrives in this direction: what was heard, and what came back of either's.
fn arrived(case: &Case<'_>, (from, to): Pair) -> Heard {
    let heard = case.probed(to).and_then(|probed| probed.heard.get(&from.0)).copied();
    let mut arrived = heard.unwrap_or_default();
    for way in [way(case, (from, to)), way(case, (to, from))].into_iter().flatten() {
        arrived.underlay = arrived.underlay.max(way.underlay.largest);
        arrived.overlay = arrived.overlay.max(way.overlay.largest);
    }
    arrived
}

/// Bytes that should pass the tunnel in this direction.
fn full(case: &Case<'_>, pair: Pair) -> u32 {
    way(case, pair).map_or(0, |way| way.overlay.full)
}

/// The containers of `to` are not reached, though its gateway is.
fn is_withheld(case: &Case<'_>, pair: Pair) -> bool {
    let (from, to) = pair;
    let both = [pair, (to, from)].into_iter().all(|pair| arrived(case, pair).overlay > 0);
    both && way(case, pair).is_some_and(|way| way.container == Some(false))
}

fn trouble(case: &Case<'_>, pair: Pair) -> Vec<Trouble> {
    let (arrived, full) = (arrived(case, pair), full(case, pair));
    let explained = is_explained(case, pair);
    if arrived.overlay >= full && full > 0 {
        let forward = (is_withheld(case, pair) && !explained).then_some(Trouble::Forward);
        let probed = way(case, pair).is_some_and(|way| way.underlay.full > 0);
        let echo = (probed && arrived.underlay == 0).then_some(Trouble::Echo);
        return forward.into_iter().chain(echo).collect();
    }
    if explained {
        return Vec::new();
    }
    // Echo is not tried where addresses are not IPv4: its absence says nothing there.
    let probed = way(case, pair).is_some_and(|way| way.underlay.full > 0);
    match (arrived.underlay, arrived.overlay) {
        (0, 0) if probed => vec![Trouble::Silence],
        (_, 0) => vec![Trouble::Tunnel],
        (_, largest) => vec![Trouble::Hole { largest, full }],
    }
}

/// Whether one of the two said something of itself that is reason enough.
fn is_explained(case: &Case<'_>, (from, to): Pair) -> bool {
    let (Some(sender), Some(receiver)) = (case.set_up(from), case.set_up(to)) else { return true };
    let subnet = case.subnet(to);
    let peers = sender.network.iter().flat_map(|network| &network.peers);
    let told = { peers }.any(|peer| peer.subnet == subnet && peer.address == case.address(to));
    let of_sender = sender.deviations.iter().any(|deviation| match &deviation.hinders {
        Hindered::Nobody => false,
        Hindered::Subnet(hindered) => hindered == subnet,
        Hindered::Everyone => true,
    });
    // Its own subnet hindered, what came as far as to it gets no further.
    let of_receiver = receiver.deviations.iter().any(|deviation| match &deviation.hinders {
        Hindered::Nobody => false,
        Hindered::Subnet(hindered) => hindered == subnet,
        Hindered::Everyone => true,
    });
    !told || of_sender || of_receiver
}

/// One sentence in the making.
struct Said<'a> {
    case: &'a Case<'a>,
    extent: Extent,
    known: &'a BTreeSet<Pair>,
}

impl Said<'_> {
    fn finding(&self, trouble: Trouble) -> Finding {
        let (severity, code) = match trouble {
            Trouble::Silence => (Severity::Error, "no-way"),
            Trouble::Tunnel => (Severity::Error, "udp-dropped"),
            Trouble::Hole { .. } => (Severity::Error, "small-mtu"),
            Trouble::Forward => (Severity::Error, "not-forwarded"),
            Trouble::Echo => (Severity::Warning, "no-echo"),
        };
        let (what, advice) = match trouble {
            Trouble::Silence => self.silence(),
            Trouble::Tunnel => self.tunnel(),
            Trouble::Hole { largest, full } => self.hole(largest, full),
            Trouble::Forward => self.forward(),
            Trouble::Echo => self.echo(),
        };
        let hosts = match self.extent {
            Extent::Everywhere => self.case.hosts.iter().map(|host| host.id).collect(),
            Extent::Around(host) | Extent::Into(host) | Extent::OutOf(host) => vec![host],
            Extent::Between(one, other) | Extent::OneWay(one, other) => vec![one, other],
        };
        Finding { severity, code, hosts, what, advice }
    }

    /// `from host1 (10.0.0.1) to host2 (10.0.0.2)`.
    fn course(&self) -> String {
        let named = |host| self.case.named(host);
        match self.extent {
            Extent::Everywhere => "between any two hosts".to_owned(),
            Extent::Around(host) => format!("between {} and any other host", named(host)),
            Extent::Into(host) => format!("from any other host to {}", named(host)),
            Extent::OutOf(host) => format!("from {} to any other host", named(host)),
            Extent::Between(one, other) => format!("between {} and {}", named(one), named(other)),
            Extent::OneWay(from, to) => format!("from {} to {}", named(from), named(to)),
        }
    }

    /// What the other direction does, where that is another: `, while host1 hears host2`.
    fn other_direction(&self) -> String {
        let name = |host| self.case.name(host);
        let words = match self.extent {
            Extent::Everywhere | Extent::Around(_) | Extent::Between(..) => return String::new(),
            Extent::Into(host) => format!(", while what {} sends does arrive", name(host)),
            Extent::OutOf(host) => format!(", while {} hears the others", name(host)),
            Extent::OneWay(from, to) => format!(", while {} hears {}", name(from), name(to)),
        };
        let mut back = self.pairs().map(|(from, to)| (to, from));
        let arrives = back.all(|pair| arrived(self.case, pair).overlay > 0);
        if arrives { words } else { String::new() }
    }

    fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.known.iter().copied().filter(|pair| covers(self.extent, *pair))
    }

    /// What someone on the way said.
    fn told(&self, of: impl Fn(&Way) -> &str) -> String {
        let mut told = self.pairs().filter_map(|pair| Some((pair, of(way(self.case, pair)?))));
        match told.find(|(_, words)| !words.is_empty()) {
            Some(((from, _), words)) => format!(" ({} was told: {words})", self.case.name(from)),
            None => String::new(),
        }
    }

    fn silence(&self) -> (String, String) {
        let (course, told) = (self.course(), self.told(|way| &way.underlay.said));
        let udp = self.udp();
        let what = match self.extent {
            Extent::Around(host) => format!(
                "{} is cut off from all other hosts: neither ICMP echo nor {udp} passes, either way{told}",
                self.case.named(host)
            ),
            Extent::Everywhere
            | Extent::Into(_)
            | Extent::OutOf(_)
            | Extent::Between(..)
            | Extent::OneWay(..) => {
                let other = self.other_direction();
                format!("nothing arrives {course}, neither ICMP echo nor {udp}{other}{told}")
            }
        };
        let advice = match self.extent {
            Extent::Everywhere => {
                "check that hosts reach each other at the addresses shown (an agent's --address sets its own)".to_owned()
            }
            Extent::Around(_)
            | Extent::Into(_)
            | Extent::OutOf(_)
            | Extent::Between(..)
            | Extent::OneWay(..) => format!(
                "look at cables, routes and firewalls {course}; if an address shown is not the one that others should \
                 use, set it with that agent's --address"
            ),
        };
        (what, advice)
    }

    fn tunnel(&self) -> (String, String) {
        let (course, udp) = (self.course(), self.udp());
        let both = match self.extent {
            Extent::Everywhere | Extent::Around(_) | Extent::Between(..) => ", both ways",
            Extent::Into(_) | Extent::OutOf(_) | Extent::OneWay(..) => "",
        };
        let other = self.other_direction();
        let reached = self.pairs().all(|pair| arrived(self.case, pair).underlay > 0);
        let (though, so) = if reached {
            (", though the addresses reach each other", "containers there don't")
        } else {
            ("", "containers there don't reach each other")
        };
        let what = format!("{udp} {course} is dropped{both}{though}{other}: {so}");
        (
            what,
            format!("open {udp} {course}, in the hosts' own firewalls and in what is between them"),
        )
    }

    fn hole(&self, largest: u32, full: u32) -> (String, String) {
        let course = self.course();
        let first = self.pairs().next();
        let mtu = |host| self.case.examined(host).map_or((0, 0), |e| (e.underlay_mtu, e.mtu));
        let (below, inside) = first.map_or((0, 0), |(from, _)| mtu(from));
        let overhead = below.saturating_sub(inside);
        let (small, large) = (grouped(largest + overhead), grouped(full + overhead));
        // A device of either end that is smaller than the other's is the cause.
        let ends = first.filter(|(from, to)| mtu(*from).0 != mtu(*to).0 && mtu(*to).0 != 0);
        let cause = match ends {
            Some((from, to)) => format!(
                "the devices of {} take {} bytes, those of {} {}",
                self.case.name(from),
                grouped(mtu(from).0),
                self.case.name(to),
                grouped(mtu(to).0)
            ),
            None => format!(
                "something on the way takes no more than {small} bytes, where hosts send {large}"
            ),
        };
        let told = self.told(|way| {
            if way.overlay.said.is_empty() { &way.underlay.said } else { &way.overlay.said }
        });
        let what = format!(
            "{course}, packets of {} bytes pass, {} don't: {cause}{told}. Connections open and then hang",
            grouped(largest),
            grouped(full)
        );
        let advice = format!(
            "raise the MTU on the way to {large}, or lower that of the hosts' devices to {small}: agents follow within 15 s"
        );
        (what, advice)
    }

    fn forward(&self) -> (String, String) {
        let course = self.course();
        let at = match self.extent {
            Extent::Into(host) | Extent::OneWay(_, host) => self.case.name(host).to_owned(),
            Extent::Everywhere | Extent::Around(_) | Extent::OutOf(_) | Extent::Between(..) => {
                "these hosts".to_owned()
            }
        };
        let what = format!(
            "{course}, gateways are reached, but no container behind them: it is not forwarded"
        );
        let advice = format!(
            "look at the chain FORWARD on {at} (`iptables -vnL FORWARD`): packets from drover0 to drover0 must pass"
        );
        (what, advice)
    }

    fn echo(&self) -> (String, String) {
        let what = format!(
            "ICMP echo {} is not answered at host addresses; through the network everything passes",
            self.course()
        );
        (
            what,
            "nothing needs it; let ICMP pass if you want to see with ping what Drover sees"
                .to_owned(),
        )
    }

    /// The packets that the tunnel is made of.
    fn udp(&self) -> String {
        let networks =
            self.case.hosts.iter().filter_map(|h| self.case.examined(h.id)?.network.as_ref());
        let encrypted = { networks }.any(|network| network.encrypted);
        format!("UDP {}", if encrypted { WIREGUARD_PORT } else { VXLAN_PORT })
    }
}
