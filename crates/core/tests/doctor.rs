//! The network doctor: for every kind of fault, exactly what is said. Faults are put into the answers of hosts that are
//! otherwise well.
#![allow(clippy::unwrap_used)] // what isn't there fails the test

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::doctor::{
    Answers, Deviation, Diagnosis, Endpoint, Examined, Heard, Hindered, NamesFound, Probed, Reach,
    Severity, Way, WrongNeighbour, asked, diagnose, known_name, targets,
};
use drover_core::{
    Change, Desired, Host, HostId, HostSeen, Observed, ObservedContainer, Phase, Project,
    ProjectId, Revision, RevisionNo, ServiceId, Time, Unit, UnitKey, World,
};
use serde_json::json;

const PROJECT: ProjectId = ProjectId(1);
const NOW: Time = Time(10_000_000);

/// Hosts 1 to n, all of them well.
struct Ward {
    world: World,
    answers: BTreeMap<HostId, Answers>,
    hosts: u64,
}

impl Ward {
    fn new(hosts: u64) -> Self {
        let project = Project {
            id: PROJECT,
            name: "Default".into(),
            description: String::new(),
            created_at: Time(0),
            removed_at: None,
        };
        let mut changes = vec![Change::PutProject(project)];
        for n in 1..=hosts {
            let seen = HostSeen { connected: true, ..HostSeen::default() };
            changes.push(Change::PutHost(host(n)));
            changes.push(Change::SeeHost { host: HostId(n), seen: Box::new(seen) });
        }
        let (world, _) = World::new().commit(&changes).unwrap();
        let mut ward = Self { world, answers: BTreeMap::new(), hosts };
        for n in 1..=hosts {
            let answers = ward.well(n);
            ward.answers.insert(HostId(n), answers);
        }
        ward
    }

    /// What host `n` says when all is well.
    fn well(&self, n: u64) -> Answers {
        let container = Endpoint {
            address: format!("10.42.{n}.2"),
            docker_id: format!("id-{n}"),
            container: format!("drover-discovery-{n}"),
            unit: None,
            answers: true,
        };
        let names = NamesFound {
            container: container.container.clone(),
            running: true,
            address: container.address.clone(),
            ..NamesFound::default()
        };
        let examined = Examined {
            network: self.world.host_network(HostId(n)),
            underlay_mtu: 1500,
            mtu: 1450,
            endpoints: vec![container],
            names,
            ..Examined::default()
        };
        let reach = |full| Reach { full, largest: full, said: String::new() };
        let way = Way { underlay: reach(1500), overlay: reach(1450), container: Some(true) };
        let others = (1..=self.hosts).filter(|other| *other != n);
        let probed = Probed {
            ways: others.clone().map(|other| (other, way.clone())).collect(),
            heard: others.map(|other| (other, Heard { underlay: 1500, overlay: 1450 })).collect(),
            ..Probed::default()
        };
        Answers { examined: Some(Ok(examined)), probed: Some(Ok(probed)) }
    }

    fn examined(&mut self, n: u64) -> &mut Examined {
        self.answers.get_mut(&HostId(n)).unwrap().examined.as_mut().unwrap().as_mut().unwrap()
    }

    fn probed(&mut self, n: u64) -> &mut Probed {
        self.answers.get_mut(&HostId(n)).unwrap().probed.as_mut().unwrap().as_mut().unwrap()
    }

    /// From now on, packets in this direction are lost above these sizes: so neither's echoes come back that are larger.
    fn narrow(&mut self, from: u64, to: u64, underlay: u32, overlay: u32) {
        let heard = self.probed(to).heard.get_mut(&from).unwrap();
        heard.underlay = heard.underlay.min(underlay);
        heard.overlay = heard.overlay.min(overlay);
        for (one, other) in [(from, to), (to, from)] {
            let way = self.probed(one).ways.get_mut(&other).unwrap();
            way.underlay.largest = way.underlay.largest.min(underlay);
            way.overlay.largest = way.overlay.largest.min(overlay);
            way.container = Some(way.container == Some(true) && overlay > 0);
        }
    }

    /// Both ways.
    fn narrow_both(&mut self, one: u64, other: u64, underlay: u32, overlay: u32) {
        self.narrow(one, other, underlay, overlay);
        self.narrow(other, one, underlay, overlay);
    }

    /// Its agent is gone; what the others see of it.
    fn absent(&mut self, n: u64, way: &Way) {
        self.answers.remove(&HostId(n));
        let seen = HostSeen { connected: false, since: Time(9_000_000), ..HostSeen::default() };
        let change = Change::SeeHost { host: HostId(n), seen: Box::new(seen) };
        self.world = self.world.commit(&[change]).unwrap().0;
        for other in (1..=self.hosts).filter(|other| *other != n) {
            self.probed(other).ways.insert(n, way.clone());
            self.probed(other).heard.remove(&n);
        }
    }

    fn diagnose(&self) -> Diagnosis {
        diagnose((&self.world, &self.world), PROJECT, &self.answers, NOW)
    }

    /// Everything that is said, one finding per line; the code first.
    #[track_caller]
    fn says(&self, want: &[&str]) {
        let diagnosis = self.diagnose();
        let said = diagnosis.findings.iter().map(|finding| {
            let mark = if finding.severity == Severity::Error { "" } else { "(warning) " };
            format!("{mark}{}: {}", finding.code, finding.what)
        });
        assert_eq!(said.collect::<Vec<_>>(), want);
        assert_eq!(diagnosis.is_healthy(), want.iter().all(|line| line.starts_with("(warning)")));
    }
}

fn host(n: u64) -> Host {
    Host {
        id: HostId(n),
        project: PROJECT,
        identity: format!("i{n}"),
        hostname: format!("host{n}"),
        name: String::new(),
        description: String::new(),
        labels: BTreeMap::new(),
        address: format!("10.0.0.{n}"),
        subnet: Some(format!("10.42.{n}.0/24")),
        evacuation: None,
        active: true,
        memory_limit: None,
        milli_cpu_limit: None,
        created_at: Time(0),
        removed_at: None,
    }
}

#[test]
fn where_all_is_well_that_is_said_shortly() {
    let summary = |hosts| {
        let diagnosis = Ward::new(hosts).diagnose();
        assert_eq!((diagnosis.findings.len(), diagnosis.hosts.len() as u64), (0, hosts));
        diagnosis.summary
    };
    assert_eq!(
        summary(3),
        "all 3 hosts reach each other (6 ways, packets of up to 1,450 bytes); names, metadata and addresses are as they \
         should be."
    );
    assert_eq!(
        summary(1),
        "host1: nothing is wrong. It is the only host, so there is no way to another to probe."
    );
    assert_eq!(summary(0), "there is no host in this environment.");
    let row = &Ward::new(3).diagnose().hosts[1];
    assert_eq!((row.reached, row.others, row.names, row.answering), (2, 2, true, 1));
}

#[test]
fn who_is_asked_and_about_whom() {
    let mut ward = Ward::new(3);
    ward.absent(3, &Way::default());
    assert_eq!(asked(&ward.world, PROJECT), [HostId(1), HostId(2)]);
    let told = targets(&ward.world, HostId(1), &ward.answers);
    let told: Vec<_> = told
        .iter()
        .map(|t| (t.host, t.address.as_str(), t.gateway.as_str(), t.container.as_str()))
        .collect();
    assert_eq!(told, [(2, "10.0.0.2", "10.42.2.1", "10.42.2.2"), (3, "10.0.0.3", "10.42.3.1", "")]);
}

#[test]
fn a_dropped_tunnel_is_told_apart_by_direction() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1500, 0);
    ward.says(&[
        "udp-dropped: UDP 4789 from host1 (10.0.0.1) to host2 (10.0.0.2) is dropped, though the addresses reach each \
         other, while host1 hears host2: containers there don't",
    ]);
    let diagnosis = ward.diagnose();
    assert_eq!(diagnosis.findings[0].hosts, [HostId(1), HostId(2)]);
    assert_eq!(
        diagnosis.findings[0].advice,
        "open UDP 4789 from host1 (10.0.0.1) to host2 (10.0.0.2), in the hosts' own firewalls and in what is between them"
    );
    assert_eq!(diagnosis.summary, "1 thing is wrong.");
    let reached: Vec<_> = diagnosis.hosts.iter().map(|row| row.reached).collect();
    assert_eq!(reached, [1, 1, 2]);

    ward.narrow(2, 1, 1500, 0);
    ward.says(&[
        "udp-dropped: UDP 4789 between host1 (10.0.0.1) and host2 (10.0.0.2) is dropped, both ways, though the addresses \
         reach each other: containers there don't",
    ]);
}

/// Echo is not tried at addresses that are not IPv4.
#[test]
fn what_was_not_tried_is_not_said_to_fail() {
    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 0, 0);
    for (from, to) in [(1, 2), (2, 1)] {
        ward.probed(from).ways.get_mut(&to).unwrap().underlay = Reach::default();
    }
    ward.says(&[
        "udp-dropped: UDP 4789 between host1 (10.0.0.1) and host2 (10.0.0.2) is dropped, both ways: containers there \
         don't reach each other",
    ]);
}

/// Agents may have looked on either side of a change.
#[test]
fn what_changed_while_they_looked_says_nothing() {
    let ward = Ward::new(2);
    let moved = Host { address: "10.0.0.9".into(), ..host(2) };
    let (now, _) = ward.world.commit(&[Change::PutHost(moved)]).unwrap();
    let told = |before: &World| {
        let diagnosis = diagnose((before, &now), PROJECT, &ward.answers, NOW);
        diagnosis.findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(told(&ward.world), [""; 0]);
    assert_eq!(told(&now), ["behind"], "it did not follow, though it had been told");
}

#[test]
fn a_host_in_trouble_with_everyone_is_named_once() {
    let mut ward = Ward::new(4);
    for other in 1..=3 {
        ward.narrow(other, 4, 1500, 0);
    }
    ward.says(&[
        "udp-dropped: UDP 4789 from any other host to host4 (10.0.0.4) is dropped, though the addresses reach each other, \
         while what host4 sends does arrive: containers there don't",
    ]);
    let mut ward = Ward::new(4);
    for other in 1..=3 {
        ward.narrow_both(other, 4, 0, 0);
    }
    ward.says(&[
        "no-way: host4 (10.0.0.4) is cut off from all other hosts: neither ICMP echo nor UDP 4789 passes, either way",
    ]);
    let mut ward = Ward::new(3);
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
        ward.narrow_both(one, other, 0, 0);
    }
    ward.says(&["no-way: nothing arrives between any two hosts, neither ICMP echo nor UDP 4789"]);
    let advice = ward.diagnose().findings[0].advice.clone();
    assert!(advice.contains("an agent's --address sets its own"), "{advice}");
}

#[test]
fn silence_in_one_direction() {
    let mut ward = Ward::new(3);
    ward.narrow(3, 1, 0, 0);
    ward.says(&[
        "no-way: nothing arrives from host3 (10.0.0.3) to host1 (10.0.0.1), neither ICMP echo nor UDP 4789, while host3 \
         hears host1",
    ]);
    let way = ward.probed(3).ways.get_mut(&1).unwrap();
    way.underlay.said = "its own kernel says: Operation not permitted".into();
    let what = ward.diagnose().findings[0].what.clone();
    assert!(
        what.ends_with(" (host3 was told: its own kernel says: Operation not permitted)"),
        "{what}"
    );
}

#[test]
fn small_packets_pass_and_large_ones_do_not() {
    let mut ward = Ward::new(3);
    ward.narrow_both(2, 3, 1400, 1350);
    ward.says(&[
        "small-mtu: between host2 (10.0.0.2) and host3 (10.0.0.3), packets of 1,350 bytes pass, 1,450 don't: something on \
         the way takes no more than 1,400 bytes, where hosts send 1,500. Connections open and then hang",
    ]);
    assert_eq!(
        ward.diagnose().findings[0].advice,
        "raise the MTU on the way to 1,500, or lower that of the hosts' devices to 1,400: agents follow within 15 s"
    );
    ward.examined(3).underlay_mtu = 1400;
    ward.examined(3).mtu = 1350;
    let what = ward.diagnose().findings[0].what.clone();
    assert!(what.contains("the devices of host2 take 1,500 bytes, those of host3 1,400"), "{what}");
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1400, 1350);
    ward.says(&[
        "small-mtu: from host1 (10.0.0.1) to host2 (10.0.0.2), packets of 1,350 bytes pass, 1,450 don't: something on the \
         way takes no more than 1,400 bytes, where hosts send 1,500. Connections open and then hang",
    ]);
}

#[test]
fn a_host_that_forwards_nothing() {
    let mut ward = Ward::new(3);
    for other in [1, 2] {
        ward.probed(other).ways.get_mut(&3).unwrap().container = Some(false);
    }
    ward.says(&[
        "not-forwarded: from any other host to host3 (10.0.0.3), gateways are reached, but no container behind them: it \
         is not forwarded",
    ]);
    let row = &ward.diagnose().hosts[2];
    assert_eq!((row.reached, row.others), (0, 2));
}

#[test]
fn blocked_echo_alone_is_a_warning() {
    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 0, 1450);
    ward.says(&[
        "(warning) no-echo: ICMP echo between host1 (10.0.0.1) and host2 (10.0.0.2) is not answered at host addresses; \
         through the network everything passes",
    ]);
    let summary = ward.diagnose().summary;
    assert!(summary.ends_with("as they should be; 1 warning."), "{summary}");
}

#[test]
fn an_answered_echo_counts_even_if_the_other_heard_nothing() {
    // Its agent was asked too late to hear it.
    let mut ward = Ward::new(2);
    ward.probed(2).heard.clear();
    ward.says(&[]);
}

#[test]
fn absent_hosts() {
    let reach = |largest| Reach { full: 1500, largest, said: String::new() };
    let check = |underlay, overlay, want: &str| {
        let mut ward = Ward::new(3);
        let way = Way { underlay: reach(underlay), overlay: reach(overlay), container: None };
        ward.absent(3, &way);
        ward.says(&[want]);
    };
    check(
        1500,
        1450,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; other hosts reach it and its \
         containers go on at 10.0.0.3",
    );
    check(
        0,
        0,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; no other host reaches it at \
         10.0.0.3 either: it is off or cut off",
    );
    check(
        1500,
        0,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; it is on, but of the other \
         hosts none reach it through the network",
    );
    let mut ward = Ward::new(2);
    ward.answers.get_mut(&HostId(2)).unwrap().probed = Some(Err("no answer within 10 s".into()));
    ward.says(&[
        "no-answer: host2 was asked to probe the others, and did not: no answer within 10 s; other hosts reach it and its \
         containers go on at 10.0.0.2",
    ]);
    let mut ward = Ward::new(2);
    ward.probed(2).problem = "it can't open a socket".into();
    ward.says(&["no-answer: host2 can't probe the others: it can't open a socket"]);
}

#[test]
fn what_is_wrong_with_a_host_itself_explains_its_ways() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1500, 0);
    let hinders = Hindered::Subnet("10.42.2.0/24".into());
    let to_do = "route 10.42.2.0/24 through 10.42.2.1".to_owned();
    ward.examined(1).deviations = vec![Deviation { hinders, to_do }];
    ward.says(&[
        "kernel: something changed the network of host1 behind the agent's back; to put it right, it has to route \
         10.42.2.0/24 through 10.42.2.1 (host2)",
    ]);
    // What hinders nobody explains nothing.
    let to_do = "forget the neighbour 10.42.1.77".to_owned();
    ward.examined(1).deviations = vec![Deviation { hinders: Hindered::Nobody, to_do }];
    let codes: Vec<_> = ward.diagnose().findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["kernel", "udp-dropped"]);

    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 1500, 0);
    ward.examined(2).problem = "can't make the VXLAN device drover-vx".into();
    ward.says(&[
        "not-set-up: the network of host2 is not as it should be: can't make the VXLAN device drover-vx",
    ]);
}

#[test]
fn agents_that_follow_an_older_assignment() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 3, 1500, 0);
    let peers = &mut ward.examined(1).network.as_mut().unwrap().peers;
    peers.retain(|peer| peer.host != 3);
    peers[0].address = "10.0.0.99".into();
    ward.says(&[
        "behind: host1 follows an older assignment: it looks for host2 at 10.0.0.99, which is at 10.0.0.2; it doesn't know \
         host3",
    ]);
    let mut ward = Ward::new(1);
    ward.examined(1).network = None;
    ward.says(&["behind: host1 has not heard of its part of the network yet"]);
}

#[test]
fn name_services() {
    let check = |spoil: fn(&mut NamesFound), want: &str| {
        let mut ward = Ward::new(2);
        spoil(&mut ward.examined(2).names);
        ward.says(&[want]);
        assert!(!ward.diagnose().hosts[1].names);
    };
    check(
        |names| names.running = false,
        "names: the name service of host2 does not run: its container drover-discovery-2 is stopped",
    );
    check(
        |names| *names = NamesFound::default(),
        "names: the name service of host2 is not there: no container of it exists",
    );
    check(
        |names| {
            names.dns = "no answer within 2 s".into();
            names.metadata = "Connection refused".into();
        },
        "names: the name service of host2 doesn't answer at 169.254.169.250, neither for names nor for metadata: no answer \
         within 2 s",
    );
    check(
        |names| names.dns = "no answer within 2 s".into(),
        "names: the name service of host2 doesn't answer for names at 169.254.169.250: no answer within 2 s",
    );
    check(
        |names| names.metadata = "it answers HTTP/1.1 503".into(),
        "names: the name service of host2 gives no metadata at 169.254.169.250: it answers HTTP/1.1 503",
    );
    check(
        |names| names.name = "it doesn't know the name web.shop.rancher.internal".into(),
        "names: the name service of host2 answers wrongly: it doesn't know the name web.shop.rancher.internal",
    );
}

#[test]
fn addresses() {
    let mut ward = Ward::new(2);
    let endpoint = |address: &str, container: &str, answers| Endpoint {
        address: address.into(),
        docker_id: "0123456789abcdef".into(),
        container: container.into(),
        unit: None,
        answers,
    };
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "", false));
    ward.says(&[
        "address-unused: 10.42.1.7 is allocated on host1, but no container has it: Docker holds it for 0123456789ab",
    ]);
    let mut ward = Ward::new(2);
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "r-shop-web-1-9", true));
    ward.examined(2).endpoints.push(endpoint("10.42.1.7", "r-shop-db-1-8", true));
    ward.says(&[
        "address-twice: two containers have 10.42.1.7: r-shop-web-1-9 on host1 and r-shop-db-1-8 on host2",
    ]);
    let mut ward = Ward::new(2);
    ward.examined(1).endpoints.push(endpoint("10.42.1.7", "r-shop-web-1-9", false));
    ward.says(&[
        "container-silent: r-shop-web-1-9 (10.42.1.7) on host1 runs, but doesn't even answer ICMP echo of its own host",
    ]);
    ward.examined(1).neighbours.push(WrongNeighbour {
        address: "10.42.1.7".into(),
        held: "02:00:00:00:00:01".into(),
        right: "02:42:0a:2a:01:07".into(),
        container: "r-shop-web-1-9".into(),
        permanent: true,
    });
    ward.says(&[
        "stale-neighbour: host1 takes 02:00:00:00:00:01 for the neighbour 10.42.1.7, but r-shop-web-1-9 has that address, \
         with 02:42:0a:2a:01:07: what other hosts send there is lost",
    ]);
}

/// A ward of two, on whose host 1 the unit `web` 1 runs, known at this address.
fn with_web(known: &str) -> (Ward, UnitKey) {
    let mut ward = Ward::new(2);
    let stack = json!({ "id": 2, "project": 1, "name": "shop", "created_at": 0 });
    let service = json!({
        "id": 12, "project": 1, "stack": 2, "name": "web", "kind": "containers", "scale": 1, "wanted": "active",
        "current": 1, "created_at": 0,
    });
    let revision = Revision {
        service: ServiceId(12),
        number: RevisionNo(1),
        template: Arc::default(),
        pins: BTreeMap::new(),
        by: String::new(),
        created_at: Time(0),
    };
    let key: UnitKey = "12/1/1/1".parse().unwrap();
    let unit = Unit {
        key,
        host: HostId(1),
        desired: Desired::Running,
        generation: 1,
        drain_until: None,
        run: 0,
        serial: 0, // the next one
        created_at: Time(0),
    };
    let changes = [
        Change::PutStack(serde_json::from_value(stack).unwrap()),
        Change::PutService(serde_json::from_value(service).unwrap()),
        Change::AddRevision(Box::new(revision)),
    ];
    ward.world = ward.world.commit(&changes).unwrap().0;
    let unit = Unit { serial: ward.world.next_id, ..unit };
    ward.world = ward.world.commit(&[Change::CreateUnit(unit)]).unwrap().0;
    let generation = ward.world.unit(key).unwrap().generation;
    let container = ObservedContainer {
        docker_id: "abc".into(),
        running: true,
        address: known.into(),
        ..ObservedContainer::default()
    };
    let seen = Observed {
        generation,
        tick: 1,
        phase: Phase::Running,
        ready: true,
        attempt: 0,
        message: String::new(),
        containers: BTreeMap::from([(String::new(), container)]),
        since: Time(0),
    };
    ward.world.observe(HostId(1), &BTreeMap::from([(key, seen)]), NOW);
    (ward, key)
}

#[test]
fn names_that_lead_to_an_address_of_nobody() {
    let web = |address: &str, unit| Endpoint {
        address: address.into(),
        docker_id: "abc".into(),
        container: "r-shop-web-1-9".into(),
        unit: Some(unit),
        answers: true,
    };
    let (mut ward, unit) = with_web("10.42.1.7");
    assert_eq!(known_name(&ward.world, PROJECT).unwrap(), "web.shop.rancher.internal");
    ward.examined(1).endpoints.push(web("10.42.1.7", unit));
    ward.says(&[]);
    ward.examined(1).endpoints.pop();
    ward.says(&[
        "address-unknown: 10.42.1.7 on host1 is where names and balancers lead for shop-web-1, but no container has it (its \
         address now: none)",
    ]);
    ward.examined(1).endpoints.push(web("10.42.1.9", unit));
    ward.says(&[
        "address-unknown: 10.42.1.7 on host1 is where names and balancers lead for shop-web-1, but no container has it (its \
         address now: 10.42.1.9)",
    ]);
    // A container on Docker's own network is none of ours to judge.
    with_web("172.17.0.2").0.says(&[]);
}

#[test]
fn a_kept_address_that_another_has() {
    let (mut ward, unit) = with_web("10.42.1.130");
    ward.examined(1).kept.insert("12/1".into(), "10.42.1.130".into());
    let mut holder = Endpoint {
        address: "10.42.1.130".into(),
        docker_id: "abc".into(),
        container: "r-shop-web-1-9".into(),
        unit: Some(unit),
        answers: true,
    };
    ward.examined(1).endpoints.push(holder.clone());
    ward.says(&[]);
    (holder.container, holder.unit) = ("r-shop-db-1-8".into(), None);
    *ward.examined(1).endpoints.last_mut().unwrap() = holder;
    ward.says(&[
        "(warning) address-kept: 10.42.1.130 on host1 is kept for web (slot 1, retain_ip), but r-shop-db-1-8 has it: the \
         next container of that slot gets another",
    ]);
}
