//! Units that several hosts look at: who is replaced, what is left alone, and which way is named.

use std::collections::BTreeMap;

use drover_core::{
    ContainerSpec, Health, HealthCheck, HostId, NetworkMode, Observed, ObservedContainer, Phase,
    ServiceId, UnitKey, Watched, Witnessed, derive,
};

use crate::lab::{Lab, image};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);
const H3: HostId = HostId(103);

/// What a unit's own host finds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Own {
    Well,
    Ill,
    /// Docker's own check fails, inside.
    Docker,
}
use Own::{Docker, Ill, Well};

/// What another host has to say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Passes,
    Fails,
    Silent,
    /// It passed, and its agent is away.
    Away,
    /// It passed, in an earlier run of the container.
    Before,
}
use Other::{Away, Before, Fails, Passes, Silent};

fn checked(network: NetworkMode) -> ContainerSpec {
    let check = HealthCheck { port: 80, ..HealthCheck::default() };
    ContainerSpec { health_check: Some(check), network, ..image("v1") }
}

/// Three hosts, and a unit on the first that is well.
fn stage() -> (Lab, ServiceId, UnitKey) {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 1, checked(NetworkMode::Managed));
    lab.settle();
    let unit = lab.world.units_of(web).next().unwrap();
    assert_eq!(unit.host, H1);
    let key = unit.key;
    own(&mut lab, key, 2, Well);
    (lab, web, key)
}

/// The unit's own host reports.
fn own(lab: &mut Lab, key: UnitKey, address: u8, found: Own) {
    let unit = lab.world.unit(key).unwrap().clone();
    let subnet = lab.world.host(unit.host).unwrap().subnet.clone().unwrap();
    let container = ObservedContainer {
        running: true,
        starts: 1,
        health: if found == Well { Health::Healthy } else { Health::Unhealthy },
        probed: found == Ill,
        address: subnet.replace("0/24", &address.to_string()),
        ..ObservedContainer::default()
    };
    let seen = Observed {
        generation: unit.generation,
        tick: lab.world.observed(key).map_or(0, |seen| seen.tick) + 1_000,
        phase: Phase::Running,
        ready: found == Well,
        message: if found == Well { String::new() } else { "its check was answered 503".into() },
        containers: BTreeMap::from([(String::new(), container)]),
        ..Observed::default()
    };
    lab.world.observe(unit.host, &BTreeMap::from([(key, seen)]), lab.now);
}

/// Another host says what it finds of units.
fn says(lab: &mut Lab, host: HostId, found: &[(UnitKey, Other)]) {
    let watched = derive::assignment(&lab.world, host).watched;
    let verdicts = found.iter().filter(|(_, other)| *other != Silent).map(|(unit, other)| {
        let watched = watched[unit].clone();
        let of = Watched { starts: watched.starts - u32::from(*other == Before), ..watched };
        let down = (*other == Fails).then(|| "its check took longer than 2000 ms".to_owned());
        (*unit, of.verdict(down))
    });
    let tick = lab.world.witnessed.get(&host).map_or(0, |held| held.tick) + 1;
    let found = Witnessed { tick, verdicts: verdicts.collect() };
    lab.world.witness(host, &found);
}

#[test]
fn who_is_replaced_and_what_is_said() {
    let check = |found: Own, others: [Other; 2], replaced: bool, said: &str| {
        let (mut lab, web, key) = stage();
        for (host, other) in [H2, H3].into_iter().zip(others) {
            says(&mut lab, host, &[(key, other)]);
            if other == Away {
                lab.connect(host, false);
            }
        }
        own(&mut lab, key, 2, found);
        lab.plan();
        let case = format!("{found:?} {others:?}");
        assert_eq!(lab.show(web).len() > 1, replaced, "{case}: {:?}", lab.show(web));
        let all = lab.said(web).join("\n");
        assert!(all.contains(said), "{case}: {all}");
        let disputed = all.contains("can't be reached") || all.contains("passes its health check");
        assert_eq!(disputed, !said.is_empty(), "{case}: {all}");
    };
    let nothing = "";
    check(Well, [Passes, Passes], false, nothing);
    check(Well, [Silent, Silent], false, nothing);
    check(
        Well,
        [Fails, Fails],
        false,
        "blog-web-1 on h1 can't be reached from h2 and h3, its own host can: the network between them is at fault; see \
         `drover network doctor` (there its check took longer than 2000 ms)",
    );
    check(Well, [Fails, Passes], false, "can't be reached from h2, its own host and h3 can: ");
    check(Well, [Silent, Fails], false, "can't be reached from h3, its own host can: ");
    check(Well, [Away, Before], false, nothing);
    check(
        Ill,
        [Passes, Passes],
        false,
        "blog-web-1 on h1 passes its health check from h2 and h3, only its own host can't reach it (its check was \
         answered 503): it is not replaced",
    );
    check(Ill, [Fails, Fails], true, nothing);
    check(Ill, [Passes, Fails], true, nothing);
    // One against one, and nobody: its own host decides.
    check(Ill, [Passes, Silent], true, nothing);
    check(Ill, [Silent, Fails], true, nothing);
    check(Ill, [Silent, Silent], true, nothing);
    check(Ill, [Passes, Away], true, nothing);
    check(Ill, [Passes, Before], true, nothing);
    check(Docker, [Passes, Passes], true, nothing);
}

#[test]
fn who_is_outvoted_is_replaced_once_another_agrees_with_its_host() {
    let (mut lab, web, key) = stage();
    for host in [H2, H3] {
        says(&mut lab, host, &[(key, Passes)]);
    }
    own(&mut lab, key, 2, Ill);
    assert!(!lab.plan());
    says(&mut lab, H3, &[(key, Fails)]);
    assert!(lab.plan());
    assert_eq!(lab.show(web).len(), 2, "{:?}", lab.show(web));
    // The other one gets through again before the new one serves: nothing was wrong with it.
    says(&mut lab, H3, &[(key, Passes)]);
    lab.plan();
    assert_eq!(lab.show(web)[0], "1.1 h1 running");
    assert!(lab.show(web)[1].ends_with("removed"), "{:?}", lab.show(web));
}

#[test]
fn what_is_at_fault_is_said_as_far_as_it_is_known() {
    let check = |heard: bool, silent: bool, others_pass: bool, said: &str| {
        let (mut lab, web, key) = stage();
        let second = lab.service("api", 3, checked(NetworkMode::Managed));
        lab.settle();
        let beside = lab.world.units_of(second).find(|unit| unit.host == H1).unwrap().key;
        own(&mut lab, key, 2, Well);
        own(&mut lab, beside, 3, Well);
        for host in [H2, H3] {
            if heard {
                lab.hear(host, &[H1], &[]);
            } else if silent {
                lab.hear(host, &[], &[(H1, 0)]);
            }
            let of_beside = if others_pass { Passes } else { Fails };
            says(&mut lab, host, &[(key, Fails), (beside, of_beside)]);
        }
        lab.plan();
        let all = lab.said(web).join("\n");
        assert!(all.contains(&format!("from h2 and h3, its own host can: {said}")), "{all}");
    };
    check(false, false, false, "the network between them is at fault; see");
    check(
        true,
        false,
        false,
        "the network between them is at fault, though h1 itself answers; see",
    );
    check(
        false,
        true,
        false,
        "the network between them is at fault, h1 itself does not answer either; see",
    );
    check(true, false, true, "they do reach others on h1, so that the network between them works");
}

#[test]
fn what_others_probe_is_what_runs_where_they_can_reach_it() {
    let watched = |lab: &Lab| {
        let of = |host| derive::assignment(&lab.world, host).watched;
        [H1, H2, H3].map(|host| of(host).into_values().map(|w| w.address).collect::<Vec<_>>())
    };
    let (mut lab, web, key) = stage();
    let both = [Vec::<String>::new(), vec!["10.42.1.2".to_owned()], vec!["10.42.1.2".to_owned()]];
    assert_eq!(watched(&lab), both);
    own(&mut lab, key, 9, Ill);
    assert_eq!(watched(&lab)[1], ["10.42.1.9"], "also what is ill");
    lab.edit(web, |service| service.scale = 0);
    lab.plan();
    assert_eq!(watched(&lab), [const { Vec::<String>::new() }; 3], "not what goes");

    for network in [NetworkMode::Host, NetworkMode::Bridge, NetworkMode::None] {
        let mut lab = Lab::new(&[&[], &[], &[]]);
        let web = lab.service("web", 1, checked(network));
        lab.settle();
        let key = lab.world.units_of(web).next().unwrap().key;
        own(&mut lab, key, 2, Well);
        assert_eq!(watched(&lab), [const { Vec::<String>::new() }; 3]);
    }
}

#[test]
fn what_comes_late_is_passed_over() {
    let (mut lab, _, key) = stage();
    let verdict = derive::assignment(&lab.world, H2).watched[&key].verdict(None);
    let new = Witnessed { tick: 5, verdicts: BTreeMap::from([(key, verdict)]) };
    let (rows, scope) = lab.world.witness(H2, &new);
    assert_eq!((rows.len(), scope.services.contains(&key.service)), (2, true));
    let before = lab.world.clone();
    for tick in [4, 5] {
        let (rows, scope) = lab.world.witness(H2, &Witnessed { tick, ..Witnessed::default() });
        assert!(rows.is_empty() && scope.is_empty());
    }
    lab.world.witness(HostId(999), &Witnessed { tick: 9, ..Witnessed::default() });
    assert_eq!(lab.world, before);
    assert_eq!(drover_core::World::load(before.all_rows()).unwrap(), before);
}
