//! What a question is answered with: a pure function of the index, the asker and the question.
//!
//! The order is Rancher's: a name in the zone is taken as it is; any other is tried under every suffix of the asker's
//! search list, its own names (links) first; what is left is asked elsewhere. A name that is known leads nowhere else,
//! even when nobody is there.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::Query;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SRV};
use hickory_proto::rr::{Name, RData, RecordType};

use super::message::start_of_authority;
use super::names::{Client, Known, Leads, Names, Port, ZONE, is_in_zone};

/// What to say.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// We know: `chain` of names that lead to the records, and addresses of names in them. No record is an
    /// answer too.
    Here { chain: Vec<Name>, records: Vec<RData>, extra: Vec<(Name, IpAddr)> },
    /// There is no such name.
    Nowhere,
    /// Others know: ask them for `name`, to which `chain` leads.
    Elsewhere { chain: Vec<Name>, name: Name, recursers: Arc<[SocketAddr]> },
}

/// Names that lead to names are followed at most so often.
const STEPS: usize = 10;

/// Answer; `turn` says which of several addresses is the first this time.
pub(super) fn answer(names: &Names, asker: IpAddr, question: &Query, turn: usize) -> Answer {
    let client = names.clients.get(&asker);
    let kind = question.query_type();
    let mut chain: Vec<Name> = Vec::new();
    let mut asked = Cow::Borrowed(question.name());
    for _ in 0..STEPS {
        let text = text(&asked);
        let leads = match find(names, client, &text) {
            Found::Known(leads) => leads,
            Found::Unknown if text == ZONE => {
                let own = (kind == RecordType::SOA).then(start_of_authority);
                return here(chain, own.into_iter().map(|record| record.data).collect());
            }
            Found::Unknown if chain.is_empty() => return Answer::Nowhere,
            // The first name exists, and leads nowhere.
            Found::Unknown => return here(chain, Vec::new()),
            Found::Outside => {
                let recursers = client.map_or(&names.recursers, |client| &client.recursers);
                let name = asked.into_owned();
                return Answer::Elsewhere { chain, name, recursers: recursers.clone() };
            }
        };
        match leads {
            Leads::Alias(target) if kind != RecordType::CNAME => {
                chain.push(target.clone());
                asked = Cow::Borrowed(target);
            }
            Leads::Addresses(addresses) if addresses.is_empty() && chain.is_empty() => {
                return Answer::Nowhere;
            }
            leads => return known(leads, kind, chain, turn),
        }
    }
    here(chain, Vec::new())
}

fn here(chain: Vec<Name>, records: Vec<RData>) -> Answer {
    Answer::Here { chain, records, extra: Vec::new() }
}

/// Lower case, without the last dot.
fn text(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}

enum Found<'a> {
    Known(&'a Leads),
    /// The name would be ours.
    Unknown,
    Outside,
}

fn find<'a>(names: &'a Names, client: Option<&'a Client>, name: &str) -> Found<'a> {
    let own = client.map(|client| client.own.as_ref());
    let maps = own.into_iter().chain([&names.common]);
    if is_in_zone(name) {
        return find_in(maps, name).map_or(Found::Unknown, Found::Known);
    }
    if name.rsplit('.').next() == Some("arpa") {
        return find_in(maps, name).map_or(Found::Outside, Found::Known);
    }
    let search = client.map(|client| client.search.as_slice()).unwrap_or_default();
    let suffixes = || search.iter().map(String::as_str).chain(search.is_empty().then_some(ZONE));
    let mut full = String::with_capacity(name.len() + 64);
    for map in maps {
        for suffix in suffixes() {
            full.clear();
            full.extend([name, ".", suffix]);
            if let Some(leads) = map.get(&full) {
                return Found::Known(leads);
            }
        }
    }
    Found::Outside
}

fn find_in<'a>(mut maps: impl Iterator<Item = &'a Known>, name: &str) -> Option<&'a Leads> {
    maps.find_map(|map| map.get(name))
}

fn known(leads: &Leads, kind: RecordType, chain: Vec<Name>, turn: usize) -> Answer {
    match leads {
        Leads::Addresses(addresses) => here(chain, addresses_of(addresses, kind, turn)),
        Leads::Alias(target) => here(chain, vec![RData::CNAME(CNAME(target.clone()))]),
        Leads::Container(name) if kind == RecordType::PTR => {
            here(chain, vec![RData::PTR(PTR(name.clone()))])
        }
        Leads::Ports(ports) if kind == RecordType::SRV => {
            let srv = |port: &Port| RData::SRV(SRV::new(0, 1, port.number, port.name.clone()));
            let records = turned(ports, turn).map(srv).collect();
            let extra = turned(ports, turn).map(|port| (port.name.clone(), port.address)).collect();
            Answer::Here { chain, records, extra }
        }
        Leads::Container(_) | Leads::Ports(_) => here(chain, Vec::new()),
    }
}

fn addresses_of(addresses: &[IpAddr], kind: RecordType, turn: usize) -> Vec<RData> {
    let record = |address: &IpAddr| match (kind, address) {
        (RecordType::A, IpAddr::V4(address)) => Some(RData::A(A(*address))),
        (RecordType::AAAA, IpAddr::V6(address)) => Some(RData::AAAA(AAAA(*address))),
        _ => None,
    };
    turned(addresses, turn).filter_map(record).collect()
}

/// All, beginning somewhere else each turn, so that clients that take the first spread over all.
fn turned<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let (end, begin) = all.split_at(turn % all.len().max(1));
    begin.iter().chain(end)
}

#[cfg(test)]
mod tests {
    use drover_core::Discovery;

    use super::super::facts::facts;
    use super::*;

    /// What `asker` gets for `name type`, in words: addresses in order, `name.` for each name that leads on, `ports`,
    /// `nothing`, `no such name`, `ask others for …`.
    fn ask(facts: &Discovery, asker: &str, question: &str) -> String {
        let names = Names::new(facts, "127.0.0.1:53".parse().unwrap());
        let (name, kind) = question.split_once(' ').unwrap_or((question, "A"));
        let name = name.replace("{s}", ZONE);
        let query = Query::query(Name::from_ascii(&name).unwrap(), kind.parse().unwrap());
        let mut parts: Vec<String> = match answer(&names, asker.parse().unwrap(), &query, 0) {
            Answer::Nowhere => return "no such name".into(),
            Answer::Here { chain, records, .. } => {
                let chain = chain.iter().map(ToString::to_string);
                chain.chain(records.iter().map(ToString::to_string)).collect()
            }
            Answer::Elsewhere { chain, name, recursers } => {
                let chain = chain.iter().map(ToString::to_string);
                let recursers: Vec<_> = recursers.iter().map(|s| s.ip().to_string()).collect();
                chain.chain([format!("ask {} for {name}", recursers.join(","))]).collect()
            }
        };
        if parts.is_empty() {
            parts.push("nothing".into());
        }
        parts.join(" ")
    }

    const STRANGER: &str = "10.99.99.99";

    fn check(facts: &Discovery, table: &[(&str, &str, &str)]) {
        let wrong: Vec<String> = table
            .iter()
            .filter_map(|(asker, question, want)| {
                let got = ask(facts, asker, question);
                (got != *want).then(|| format!("{asker} asks {question}: {got}, not {want}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Two answers are otherwise than Rancher's: of a service whose containers are all down it names one of them all the
    /// same, which is a connection refused; and it knows services with a virtual address, which Drover has none of.
    #[test]
    fn a_service_is_what_serves_of_it() {
        let facts = facts(&[
            "service foo/regularSvc 192.168.1.1",
            "service foo/allStopped 192.168.1.1:stopped",
            "service foo/allWithdrawn 192.168.1.1:withdrawn",
            "service foo/oneStopped 192.168.1.1:stopped 192.168.1.2",
            "service foo/oneUnhealthy 192.168.1.1:unhealthy 192.168.0.3",
            "service foo/oneWithdrawn 192.168.1.1:withdrawn 192.168.0.3",
            "service foo/someUnready check 192.168.0.33:unready 192.168.0.34 192.168.0.35:unready",
            "service foo/noneReady 192.168.0.5:unhealthy 192.168.0.6:unready 192.168.0.7:unready",
            "service foo/lastIsGoing 192.168.0.5:withdrawn 192.168.0.6:unready",
            "service foo/empty",
            "service foo/bridged bridge 172.17.0.2 172.17.0.3@2",
            "service foo/hosted host 192.0.2.1 192.0.2.2@2",
            "external foo/externalName google.com",
            "external foo/externalIps 10.1.1.1 10.1.1.2",
            "external foo/externalSix 2001:db8::1 10.1.1.3",
            "external foo/off inactive 10.1.1.1",
        ]);
        check(
            &facts,
            &[
                (STRANGER, "regularsvc.foo.{s}", "192.168.1.1"),
                (STRANGER, "regularsvc.foo.{s}.", "192.168.1.1"),
                (STRANGER, "RegularSvc.FOO.Rancher.Internal", "192.168.1.1"),
                (STRANGER, "allstopped.foo.{s}", "no such name"),
                (STRANGER, "allwithdrawn.foo.{s}", "no such name"),
                (STRANGER, "onestopped.foo.{s}", "192.168.1.2"),
                (STRANGER, "oneunhealthy.foo.{s}", "192.168.0.3"),
                (STRANGER, "onewithdrawn.foo.{s}", "192.168.0.3"),
                (STRANGER, "someunready.foo.{s}", "192.168.0.34"),
                (STRANGER, "noneready.foo.{s}", "192.168.0.6"),
                (STRANGER, "lastisgoing.foo.{s}", "192.168.0.6"),
                (STRANGER, "empty.foo.{s}", "no such name"),
                (STRANGER, "empty.foo", "no such name"),
                (STRANGER, "bridged.foo.{s}", "172.17.0.2"),
                (STRANGER, "hosted.foo.{s}", "192.0.2.1 192.0.2.2"),
                (
                    STRANGER,
                    "externalname.foo.{s}",
                    "google.com. ask 8.8.8.8,8.8.4.4 for google.com.",
                ),
                (STRANGER, "externalname.foo.{s} CNAME", "google.com."),
                (STRANGER, "externalips.foo.{s}", "10.1.1.1 10.1.1.2"),
                (STRANGER, "externalsix.foo.{s}", "10.1.1.3"),
                (STRANGER, "externalsix.foo.{s} AAAA", "2001:db8::1"),
                (STRANGER, "externalips.foo.{s} AAAA", "nothing"),
                (STRANGER, "off.foo.{s}", "no such name"),
                (STRANGER, "rancher-metadata.{s}", "169.254.169.250"),
                (STRANGER, "rancher-metadata", "169.254.169.250"),
                (STRANGER, "foo.{s}", "no such name"),
                (STRANGER, "x.{s}", "no such name"),
                (STRANGER, "{s}", "nothing"),
                (STRANGER, "{s} SOA", "rancher.internal. nobody.rancher.internal. 1 60 60 60 1"),
                (STRANGER, "regularsvc.foo.{s} AAAA", "nothing"),
                (STRANGER, "regularsvc.foo AAAA", "nothing"),
                (STRANGER, "regularsvc.foo.{s} TXT", "nothing"),
                (STRANGER, "www.example.com", "ask 8.8.8.8,8.8.4.4 for www.example.com"),
                (STRANGER, "notrancher.internal", "ask 8.8.8.8,8.8.4.4 for notrancher.internal"),
            ],
        );
    }

    #[test]
    fn aliases_are_the_union_of_what_they_lead_to() {
        let facts = facts(&[
            "service foo/one 10.0.0.1 10.0.0.2:unready",
            "service foo/two 10.0.0.3:unhealthy",
            "service bar/three 10.0.0.5",
            "alias foo/single >foo/one",
            "alias foo/both >foo/one >x=bar/three",
            "alias foo/twice >foo/both >foo/one",
            "alias foo/unready >foo/two",
            "alias foo/halfready >foo/two >bar/three",
            "alias foo/itself >foo/itself >foo/other",
            "alias foo/other >foo/itself >bar/three",
            "alias foo/loop >foo/pool",
            "alias foo/pool >foo/loop",
            "external foo/out out.example.com",
            "alias foo/outside >foo/out",
            "alias foo/mixed >foo/out >foo/one",
        ]);
        check(
            &facts,
            &[
                (STRANGER, "single.foo.{s}", "10.0.0.1"),
                (STRANGER, "both.foo.{s}", "10.0.0.1 10.0.0.5"),
                (STRANGER, "twice.foo.{s}", "10.0.0.1 10.0.0.5"),
                (STRANGER, "unready.foo.{s}", "10.0.0.3"),
                (STRANGER, "halfready.foo.{s}", "10.0.0.5"),
                (STRANGER, "itself.foo.{s}", "10.0.0.5"),
                (STRANGER, "loop.foo.{s}", "no such name"),
                (
                    STRANGER,
                    "outside.foo.{s}",
                    "out.example.com. ask 8.8.8.8,8.8.4.4 for out.example.com.",
                ),
                (STRANGER, "mixed.foo.{s}", "10.0.0.1"),
            ],
        );
    }

    #[test]
    fn sidekicks_and_containers_have_names() {
        let facts = facts(&[
            "service foo/primary 192.168.0.1 +sidekick=192.168.0.2",
            "service foo/primaryn 192.168.0.11 +sidekickn",
            "service foo/rolling old:10.0.0.1:stopped 10.0.0.2 old:10.0.0.3 10.0.0.4:unready",
            "service foo/gone 10.0.0.9:withdrawn",
            "service foo/foo-primary-1 10.0.0.20",
        ]);
        check(
            &facts,
            &[
                (STRANGER, "primary.foo.{s}", "192.168.0.1"),
                (STRANGER, "sidekick.primary.foo.{s}", "192.168.0.2"),
                (STRANGER, "sidekickn.primaryn.foo.{s}", "192.168.0.11"),
                (STRANGER, "foo-primary-1.{s}", "192.168.0.1"),
                (STRANGER, "foo-primary-1", "192.168.0.1"),
                // A service of that name goes first.
                (STRANGER, "foo-primary-1.foo.{s}", "10.0.0.20"),
                (STRANGER, "foo-primaryn-1.foo.{s}", "192.168.0.11"),
                (STRANGER, "foo-primary-sidekick-1.{s}", "192.168.0.2"),
                (STRANGER, "foo-primaryn-sidekickn-1.foo.{s}", "192.168.0.11"),
                // Of two, the newest that serves.
                (STRANGER, "foo-rolling-1.{s}", "10.0.0.2"),
                (STRANGER, "foo-rolling-2.{s}", "10.0.0.3"),
                (STRANGER, "foo-gone-1.{s}", "no such name"),
                (
                    STRANGER,
                    "2.0.168.192.in-addr.arpa PTR",
                    "foo-primary-sidekick-1.rancher.internal.",
                ),
                (STRANGER, "11.0.168.192.in-addr.arpa PTR", "foo-primaryn-1.rancher.internal."),
                (STRANGER, "11.0.168.192.in-addr.arpa A", "nothing"),
                (
                    STRANGER,
                    "9.0.0.10.in-addr.arpa PTR",
                    "ask 8.8.8.8,8.8.4.4 for 9.0.0.10.in-addr.arpa",
                ),
            ],
        );
    }

    #[test]
    fn links_are_known_to_who_has_them() {
        let facts = facts(&[
            "service foo/regular 192.168.1.1",
            "service bar/other 192.168.2.1 192.168.2.2:unready",
            "external foo/outside google.com",
            "service foo/plain 172.17.0.2",
            "service foo/linked 172.17.0.6 >MyAlias=foo/regular >bar/other >regular=bar/other",
            "service foo/named 172.17.0.66 >myaliascname=foo/outside",
            "service foo/rolling 172.17.0.7 >db=foo/regular >db=bar/other",
            "service foo/far 172.17.0.8@2 >db=foo/regular",
        ]);
        check(
            &facts,
            &[
                ("172.17.0.6", "myalias", "192.168.1.1"),
                ("172.17.0.6", "myalias.{s}", "192.168.1.1"),
                ("172.17.0.6", "myalias.foo.{s}", "192.168.1.1"),
                ("172.17.0.6", "other", "192.168.2.1"),
                ("172.17.0.6", "other.bar", "192.168.2.1"),
                // A name of its own goes before a common one, whatever the suffix.
                ("172.17.0.6", "regular", "192.168.2.1"),
                ("172.17.0.2", "regular", "192.168.1.1"),
                ("172.17.0.2", "myalias", "ask 8.8.8.8,8.8.4.4 for myalias"),
                ("172.17.0.2", "myalias.{s}", "no such name"),
                (STRANGER, "myalias.foo.{s}", "no such name"),
                ("172.17.0.66", "myaliascname", "google.com. ask 8.8.8.8,8.8.4.4 for google.com."),
                // While a rolling upgrade between services has both linked.
                ("172.17.0.7", "db", "192.168.1.1 192.168.2.1"),
                // Other hosts' containers don't ask here.
                ("172.17.0.8", "db.{s}", "no such name"),
            ],
        );
    }

    #[test]
    fn short_names_are_searched() {
        let facts = facts(&[
            "service stack-a/service-foo 10.42.112.91 +sidekick-bar=10.42.209.131",
            "service stack-a/service-baz 10.42.141.123 10.42.195.8",
            "service stack-b/service-bar 10.42.112.11 +sidekick-baz=10.42.209.120",
            "external stack-a/external-alias-foo www.example.com",
            "service stack-a/user 10.42.1.1 search=stack-b.rancher.internal. search=example.com",
        ]);
        let a = "10.42.112.91";
        check(
            &facts,
            &[
                (a, "service-bar.stack-b.{s}", "10.42.112.11"),
                (a, "service-baz", "10.42.141.123 10.42.195.8"),
                (a, "service-bar.stack-b", "10.42.112.11"),
                (a, "stack-a-service-baz-1.{s}", "10.42.141.123"),
                (a, "stack-a-service-baz-1", "10.42.141.123"),
                (a, "sidekick-bar.service-foo.stack-a.{s}", "10.42.209.131"),
                (a, "sidekick-bar", "10.42.209.131"),
                (a, "sidekick-bar.service-foo", "10.42.209.131"),
                (a, "sidekick-baz.service-bar.stack-b", "10.42.209.120"),
                (a, "service-bar", "ask 8.8.8.8,8.8.4.4 for service-bar"),
                (a, "rancher-metadata", "169.254.169.250"),
                (a, "service-foo.stack-a.{s} AAAA", "nothing"),
                (a, "service-foo.stack-a AAAA", "nothing"),
                (a, "x.{s}", "no such name"),
                (
                    a,
                    "external-alias-foo.stack-a.{s}",
                    "www.example.com. ask 8.8.8.8,8.8.4.4 for www.example.com.",
                ),
                // Sidekicks search as their primary does.
                ("10.42.209.131", "service-baz", "10.42.141.123 10.42.195.8"),
                ("10.42.1.1", "service-bar", "10.42.112.11"),
                (STRANGER, "service-baz", "ask 8.8.8.8,8.8.4.4 for service-baz"),
                (STRANGER, "service-baz.stack-a", "10.42.141.123 10.42.195.8"),
            ],
        );
    }

    #[test]
    fn ports_are_found_by_name() {
        let facts = facts(&[
            "service shop/web port=8080:80 expose=53/udp 10.0.0.1 10.0.0.2 10.0.0.3:unready",
            "service shop/user 10.0.0.9 >site=shop/web",
        ]);
        let both = "0 1 80 shop-web-1.rancher.internal. 0 1 80 shop-web-2.rancher.internal.";
        check(
            &facts,
            &[
                (STRANGER, "_80._tcp.web.shop.{s} SRV", both),
                ("10.0.0.9", "_80._tcp.web SRV", both),
                ("10.0.0.9", "_80._tcp.site SRV", both),
                (STRANGER, "_80._tcp.web.shop.{s} A", "nothing"),
                (
                    STRANGER,
                    "_53._udp.web.shop.{s} SRV",
                    "0 1 53 shop-web-1.rancher.internal. 0 1 53 shop-web-2.rancher.internal.",
                ),
                (STRANGER, "_8080._tcp.web.shop.{s} SRV", "no such name"),
                (STRANGER, "web.shop.{s} SRV", "nothing"),
            ],
        );
    }

    #[test]
    fn others_are_asked_in_order() {
        let mut facts = facts(&[
            "service foo/plain 10.0.0.1",
            "service foo/own 10.0.0.2 dns=10.9.9.9 dns=169.254.169.250 dns=127.0.0.1",
        ]);
        facts.recursers = vec!["10.1.1.1".into(), "10.9.9.9".into()];
        check(
            &facts,
            &[
                ("10.0.0.1", "example.com", "ask 10.1.1.1,10.9.9.9 for example.com"),
                ("10.0.0.2", "example.com", "ask 10.9.9.9,10.1.1.1 for example.com"),
            ],
        );
    }

    #[test]
    fn what_is_on_a_silent_host_is_named_only_if_there_is_nothing_else() {
        let mut facts =
            facts(&["service foo/web 10.0.0.1@1 10.0.0.2@2", "service foo/db 10.0.0.3@2"]);
        facts.silent = [drover_core::HostId(2)].into();
        check(
            &facts,
            &[(STRANGER, "web.foo.{s}", "10.0.0.1"), (STRANGER, "db.foo.{s}", "10.0.0.3")],
        );
        facts.silent.clear();
        check(&facts, &[(STRANGER, "web.foo.{s}", "10.0.0.1 10.0.0.2")]);
    }

    #[test]
    fn names_that_lead_in_a_circle_end() {
        let facts = facts(&[
            "external foo/a b.foo.rancher.internal",
            "external foo/b a.foo.rancher.internal",
            "external foo/c web.foo.rancher.internal",
            "external foo/d gone.foo.rancher.internal",
            "service foo/web 10.0.0.1",
        ]);
        let circle = ask(&facts, STRANGER, "a.foo.{s}");
        assert_eq!(circle.split(' ').count(), STEPS, "{circle}");
        check(
            &facts,
            &[
                (STRANGER, "c.foo.{s}", "web.foo.rancher.internal. 10.0.0.1"),
                (STRANGER, "d.foo.{s}", "gone.foo.rancher.internal."),
            ],
        );
    }

    #[test]
    fn every_address_is_the_first_in_turn() {
        let facts = facts(&["service foo/web 10.0.0.1 10.0.0.2 10.0.0.3"]);
        let names = Names::new(&facts, "127.0.0.1:53".parse().unwrap());
        let name = Name::from_ascii("web.foo.rancher.internal.").unwrap();
        let query = Query::query(name, RecordType::A);
        let first = |turn| match answer(&names, STRANGER.parse().unwrap(), &query, turn) {
            Answer::Here { records, .. } if records.len() == 3 => records[0].to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 2, 3].map(first), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    }
}
