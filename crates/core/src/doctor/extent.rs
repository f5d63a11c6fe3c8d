//! How far a trouble goes: directed pairs of hosts, said as few times as the truth allows. "host3 and everyone" is one
//! sentence, not twelve.

use std::collections::BTreeSet;

use crate::HostId;

/// From host, to host.
pub(super) type Pair = (HostId, HostId);

/// A set of pairs that is said in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// From everyone to everyone.
    Everywhere,
    /// Between one host and all others, both ways.
    Around(HostId),
    /// From all others to one host.
    Into(HostId),
    /// From one host to all others.
    OutOf(HostId),
    /// Between two hosts, both ways.
    Between(HostId, HostId),
    /// One way only.
    OneWay(HostId, HostId),
}

/// The pairs in `troubled`, gathered. `known` holds all pairs of which anything is known: a host is in trouble as a whole
/// only if none of them contradicts that, and if it is more than one.
pub(super) fn gather(known: &BTreeSet<Pair>, troubled: &BTreeSet<Pair>) -> Vec<Extent> {
    let hosts: BTreeSet<HostId> = known.iter().flat_map(|(from, to)| [*from, *to]).collect();
    if hosts.len() > 2 && !troubled.is_empty() && known == troubled {
        return vec![Extent::Everywhere];
    }
    let (mut left, mut found) = (troubled.clone(), Vec::new());
    let of = |extent: Extent| {
        let pairs: BTreeSet<Pair> = known.iter().copied().filter(|p| covers(extent, *p)).collect();
        let others: BTreeSet<HostId> = pairs.iter().flat_map(|(from, to)| [*from, *to]).collect();
        (others.len() > 2 && pairs.is_subset(troubled)).then_some(pairs)
    };
    let wholes = hosts.iter().map(|host| Extent::Around(*host));
    let ways = hosts.iter().flat_map(|host| [Extent::Into(*host), Extent::OutOf(*host)]);
    for extent in wholes.chain(ways) {
        let Some(pairs) = of(extent) else { continue };
        if pairs.iter().filter(|pair| left.contains(pair)).count() > 1 {
            left.retain(|pair| !pairs.contains(pair));
            found.push(extent);
        }
    }
    while let Some((from, to)) = left.pop_first() {
        let both = left.remove(&(to, from));
        found.push(if both { Extent::Between(from, to) } else { Extent::OneWay(from, to) });
    }
    found
}

/// Whether a pair is part of it.
pub(super) fn covers(extent: Extent, (from, to): Pair) -> bool {
    match extent {
        Extent::Everywhere => true,
        Extent::Around(host) => from == host || to == host,
        Extent::Into(host) => to == host,
        Extent::OutOf(host) => from == host,
        Extent::Between(one, other) => (from, to) == (one, other) || (from, to) == (other, one),
        Extent::OneWay(one, other) => (from, to) == (one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as `1>2 2>1`; all of `hosts` hosts are known of each other.
    fn check(hosts: u64, troubled: &str, want: &str) {
        let ids = || (1..=hosts).map(HostId);
        let known = ids().flat_map(|a| ids().map(move |b| (a, b))).filter(|(a, b)| a != b);
        let pair = |text: &str| {
            let (from, to) = text.split_once('>').unwrap();
            (HostId(from.parse().unwrap()), HostId(to.parse().unwrap()))
        };
        let troubled = troubled.split_whitespace().map(pair).collect();
        let found = gather(&known.collect(), &troubled);
        let words = found.iter().map(|extent| match extent {
            Extent::Everywhere => "everywhere".to_owned(),
            Extent::Around(host) => format!("around {host}"),
            Extent::Into(host) => format!("into {host}"),
            Extent::OutOf(host) => format!("out of {host}"),
            Extent::Between(one, other) => format!("{one}-{other}"),
            Extent::OneWay(from, to) => format!("{from}>{to}"),
        });
        assert_eq!(words.collect::<Vec<_>>().join(", "), want, "{troubled:?} of {hosts}");
    }

    #[test]
    fn pairs_are_said_once() {
        check(3, "", "");
        check(2, "1>2", "1>2");
        check(2, "1>2 2>1", "1-2");
        check(3, "1>2 2>1", "1-2");
        check(3, "1>3 3>1 2>3 3>2", "around 3");
        check(3, "1>3 2>3", "into 3");
        check(3, "3>1 3>2", "out of 3");
        check(3, "1>3 2>3 3>2", "into 3, 3>2");
        check(3, "1>2 2>1 1>3 3>1 2>3 3>2", "everywhere");
        check(4, "1>4 4>1 2>4 4>2 3>4 4>3 1>2", "around 4, 1>2");
        check(4, "1>3 3>1 2>3 3>2 4>3 3>4 1>4 4>1 2>4 4>2", "around 3, around 4");
        check(1, "", "");
    }
}
