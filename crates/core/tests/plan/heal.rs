//! Units that run and aren't healthy: what is put in their place, when, and what is left alone.

use drover_core::{
    ContainerSpec, Desired, HealthCheck, HealthStrategy, HostId, NetworkMode, ServiceId, UnitKey,
    UpgradePhase,
};

use crate::lab::{Lab, image, with_port};

const H1: HostId = HostId(101);

/// The newest unit of the first slot gets sick.
fn sicken(lab: &mut Lab, service: ServiceId) -> UnitKey {
    let in_first = |u: &&drover_core::Unit| {
        u.desired == Desired::Running && u.key.slot == drover_core::Slot::Number(1)
    };
    let key = lab.world.units_of(service).rfind(in_first).unwrap().key;
    lab.sick.insert(key);
    lab.obey();
    key
}

/// With a check whose strategy is this.
fn checked(spec: ContainerSpec, strategy: HealthStrategy, quorum: Option<u32>) -> ContainerSpec {
    let check = HealthCheck { port: 80, strategy, quorum, ..HealthCheck::default() };
    ContainerSpec { health_check: Some(check), ..spec }
}

#[test]
fn the_old_one_goes_when_the_new_one_serves() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    sicken(&mut lab, web);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.1.2 h1 running", "2.1 h2 running"]);
    assert!(!lab.plan(), "nothing more until it serves");
    let said = lab.said(web).join("; ");
    let both = "blog-web-1 on h1: running, not ready yet; it is being replaced; blog-web-1: waiting for h1";
    assert_eq!(said, both);
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 removed", "1.1.2 h1 running", "2.1 h2 running"]);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1.2 h1 running", "2.1 h2 running"]);
}

#[test]
fn who_gets_well_meanwhile_stays() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    let old = sicken(&mut lab, web);
    lab.plan();
    lab.sick.remove(&old);
    lab.obey_for(web);
    // Both serve: the new one was asked for.
    lab.settle();
    assert_eq!(lab.show(web), ["1.1.2 h1 running"]);
    let old = sicken(&mut lab, web);
    lab.now = lab.now + 20_000;
    lab.broken.insert("v1".into());
    lab.plan();
    lab.sick.remove(&old);
    lab.broken.clear();
    // Only the old one has said anything yet.
    let container = drover_core::ObservedContainer::default();
    lab.see(old, drover_core::Phase::Running, true, container);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1.2 h1 running", "1.1.3 h1 removed"]);
}

#[test]
fn who_follows_and_is_no_better_waits_longer_each_time() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    sicken(&mut lab, web);
    lab.plan();
    let mut waits = Vec::new();
    for _ in 0..4 {
        sicken(&mut lab, web);
        while lab.plan() || lab.obey() {}
        let said = lab.said(web).join("; ");
        assert_eq!(lab.world.units_of(web).count(), 1, "{:?}", lab.show(web));
        let wait = said.split("it is replaced in ").nth(1).unwrap_or_default();
        waits.push(wait.split("; ").next().unwrap().to_owned());
        let seconds: u64 = wait.split(' ').next().unwrap().parse().unwrap();
        lab.now = lab.now + (seconds * 1000 - 1);
        assert!(!lab.plan(), "not before");
        lab.now = lab.now + 1;
        assert!(lab.plan(), "then it is");
    }
    assert_eq!(
        waits,
        [
            "10 s, for the 2nd time in a row",
            "20 s, for the 3rd time in a row",
            "40 s, for the 4th time in a row",
            "80 s, for the 5th time in a row"
        ]
    );
    // One that was well for long begins anew.
    lab.obey();
    lab.now = lab.now + 600_000;
    sicken(&mut lab, web);
    assert!(lab.plan(), "at once");
}

#[test]
fn where_there_is_room_for_one_the_new_one_is_made_first_and_started_after() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    sicken(&mut lab, web);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.1.2 h1 staged"]);
    lab.missing.insert("v1".into());
    let new = lab.world.units_of(web).last().unwrap().key;
    let container = drover_core::ObservedContainer::default();
    lab.see(new, drover_core::Phase::BackOff, false, container);
    assert!(!lab.plan(), "it can't be made: the old one stays, sick as it is");
    lab.missing.clear();
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 removed", "1.1.2 h1 staged"]);
    assert!(lab.said(web).join("; ").contains("blog-web-1: starts when the one before it is gone"));
    lab.settle();
    assert_eq!(lab.show(web), ["1.1.2 h1 running"]);
}

#[test]
fn two_never_share_a_host_s_network_or_files() {
    let on_host = ContainerSpec { network: NetworkMode::Host, ..image("v1") };
    let bind = ContainerSpec { volumes: vec!["/srv:/data".into()], ..image("v1") };
    let read =
        ContainerSpec { volumes: vec!["/etc/localtime:/etc/localtime:ro".into()], ..image("v1") };
    for (spec, desired) in [(on_host, "staged"), (bind, "staged"), (read, "running")] {
        let mut lab = Lab::new(&[&[]]);
        let web = lab.service("web", 1, spec);
        lab.settle();
        sicken(&mut lab, web);
        lab.plan();
        assert_eq!(lab.show(web)[1], format!("1.1.2 h1 {desired}"));
        lab.obey();
        lab.plan();
        while lab.plan() {} // the old one goes, and its agent has not said yet that it is gone
        assert_eq!(lab.show(web), ["1.1 h1 removed", &format!("1.1.2 h1 {desired}")]);
        lab.settle();
        assert_eq!(lab.show(web), ["1.1.2 h1 running"]);
    }
}

#[test]
fn an_upgrade_replaces_what_it_leaves_by_itself() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    sicken(&mut lab, web);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.1.2 h1 staged"]);
    lab.upgrade(web, with_port("v2", "80:80"), 1, false);
    lab.missing.insert("v2".into());
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.2 h1 staged"]);
    lab.phase(web, UpgradePhase::RollingBack);
    lab.settle();
    assert_eq!(lab.serving(web), 1, "{:?} {:?}", lab.show(web), lab.said(web));
    assert!(lab.world.upgrades.is_empty());
}

#[test]
fn nothing_is_healed_of_the_version_an_upgrade_leaves() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    lab.missing.insert("v2".into());
    lab.upgrade(web, image("v2"), 1, false);
    lab.settle();
    sicken(&mut lab, web);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.2 h1 staged"]);
}

#[test]
fn a_service_that_is_stopped_meanwhile_keeps_one_of_them() {
    for obeys in [false, true] {
        let mut lab = Lab::new(&[&[]]);
        let web = lab.service("web", 1, with_port("v1", "80:80"));
        lab.settle();
        sicken(&mut lab, web);
        lab.plan();
        if obeys {
            lab.obey(); // the new one is made, so that the old one goes
            lab.plan();
        }
        lab.edit(web, |service| service.wanted = drover_core::Wanted::Inactive);
        lab.settle();
        let kept = if obeys { "1.1.2 h1 stopped" } else { "1.1 h1 stopped" };
        assert_eq!(lab.show(web), [kept]);
    }
}

#[test]
fn a_service_that_wants_to_keep_them_keeps_them() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, checked(image("v1"), HealthStrategy::None, None));
    lab.settle();
    sicken(&mut lab, web);
    assert!(!lab.plan());
    let kept = "! blog-web-1 is not healthy: its health check fails; it stays, as its health check's strategy \
                is none";
    assert!(lab.said(web).contains(&kept.to_owned()), "{:?}", lab.said(web));
}

#[test]
fn a_quorum_of_others_has_to_be_healthy() {
    let mut lab = Lab::new(&[&[]]);
    let spec = checked(image("v1"), HealthStrategy::RecreateOnQuorum, Some(2));
    let web = lab.service("web", 3, spec);
    lab.settle();
    let second = lab.world.units_of(web).nth(1).unwrap().key;
    lab.sick.insert(second);
    sicken(&mut lab, web);
    assert!(!lab.plan());
    let said = lab.said(web).join("; ");
    assert!(said.contains("it is replaced when 2 others are healthy; 1 are now"), "{said}");
    lab.sick.remove(&second);
    lab.obey();
    lab.settle();
    assert_eq!(lab.show(web), ["1.1.2 h1 running", "2.1 h1 running", "3.1 h1 running"]);
}

#[test]
fn on_a_host_that_is_to_be_emptied_it_leaves_as_any_other() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.evacuate(H1);
    sicken(&mut lab, web);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.1.2 h2 running", "2.1 h2 running"]);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1.2 h2 running", "2.1 h2 running"]);
}

#[test]
fn on_a_host_that_is_to_be_emptied_it_is_said_when_it_has_no_other_place() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, with_port("v1", "80:80"));
    // Somebody who can leave: a host that nothing can leave is not emptied at all.
    lab.service("other", 2, image("o"));
    lab.settle();
    lab.evacuate(H1);
    sicken(&mut lab, web);
    lab.plan();
    let stuck = lab.notes[&web].iter().find(|note| note.stuck);
    let stuck = stuck.unwrap_or_else(|| panic!("{:?}", lab.said(web)));
    assert!(
        stuck.text.starts_with("blog-web-1 is not healthy: ")
            && stuck.text.contains("; it is to leave h1: no host fits"),
        "{}",
        stuck.text
    );
}

/// It got sick, its replacement was made for its port, it got well again, and meanwhile its host is to be emptied.
#[test]
fn what_was_made_for_the_place_of_one_that_is_well_again_goes() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, with_port("v1", "80:80"));
    lab.service("other", 2, image("o"));
    lab.settle();
    let sick = sicken(&mut lab, web);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.1.2 h1 staged", "2.1 h2 running"]);
    lab.evacuate(H1);
    lab.sick.remove(&sick);
    lab.obey();
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"]);
}
