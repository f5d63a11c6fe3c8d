//! How many units a service runs, and which of them go when there are too many.

use drover_core::plan::admit_shift;
use drover_core::{HostId, ObservedContainer, Phase, ScalePolicy, ServiceId, Slot, UpgradePhase};

use crate::lab::{Lab, image, labelled, with_port};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);

fn scale(lab: &mut Lab, service: ServiceId, scale: u32) {
    lab.edit(service, |service| service.scale = scale);
    lab.settle();
}

fn slots(lab: &Lab, service: ServiceId) -> Vec<Slot> {
    lab.world.units_of(service).map(|unit| unit.key.slot).collect()
}

fn numbers(numbers: &[u32]) -> Vec<Slot> {
    numbers.iter().copied().map(Slot::Number).collect()
}

#[test]
fn what_does_not_serve_goes_first() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    let key = lab.world.units_of(web).nth(1).unwrap().key;
    lab.see(key, Phase::BackOff, false, ObservedContainer::default());
    scale(&mut lab, web, 3);
    assert_eq!(slots(&lab, web), numbers(&[1, 3, 4]));
    assert!(!lab.plan(), "the same stay");
    // What comes next takes the lowest number that is free.
    scale(&mut lab, web, 5);
    assert_eq!(slots(&lab, web), numbers(&[1, 2, 3, 4, 5]));
}

#[test]
fn what_is_on_a_lost_host_goes_first() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, with_port("v1", "80"));
    lab.settle();
    let lost: Vec<Slot> = lab.world.units_on(H1).map(|unit| unit.key.slot).collect();
    lab.connect(H1, false);
    lab.now = lab.now + 61_000;
    lab.edit(web, |service| service.scale = 2);
    lab.settle();
    let running = lab.show(web);
    let running: Vec<_> = running.iter().filter(|line| line.ends_with("h2 running")).collect();
    assert_eq!(running.len(), 2, "{running:?}");
    assert!(
        lost.iter().all(|slot| !running.iter().any(|line| line.starts_with(&format!("{slot}."))))
    );
}

#[test]
fn then_the_most_crowded_host_then_the_highest_number() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    // h1 has 1 and 4.
    scale(&mut lab, web, 3);
    assert_eq!(slots(&lab, web), numbers(&[1, 2, 3]));
    scale(&mut lab, web, 2);
    assert_eq!(slots(&lab, web), numbers(&[1, 2]));
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.add_host(2, &[]);
    scale(&mut lab, web, 3);
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 running", "3.1 h2 running"]);
    scale(&mut lab, web, 2);
    assert_eq!(lab.show(web), ["1.1 h1 running", "3.1 h2 running"]);
}

#[test]
fn what_would_have_to_move_goes_before_what_can_stay() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    // h1 has 1 and 4, which must move; nobody has made room for them elsewhere yet.
    lab.evacuate(H1);
    scale(&mut lab, web, 2);
    assert_eq!(lab.show(web), ["2.1 h2 running", "3.1 h3 running"]);
}

#[test]
fn an_upgrade_and_its_rollback_go_through_the_slots_there_are() {
    for start_first in [false, true] {
        for back in [false, true] {
            let mut lab = Lab::new(&[&[], &[]]);
            let web = lab.service("web", 3, image("v1"));
            lab.settle();
            let key = lab.world.units_of(web).next().unwrap().key;
            lab.see(key, Phase::BackOff, false, ObservedContainer::default());
            scale(&mut lab, web, 2);
            lab.upgrade(web, image("v2"), 1, start_first);
            lab.settle();
            lab.phase(web, if back { UpgradePhase::RollingBack } else { UpgradePhase::Finishing });
            lab.settle();
            let revision = if back { 1 } else { 2 };
            assert_eq!(slots(&lab, web), numbers(&[2, 3]));
            assert!(lab.world.units_of(web).all(|unit| unit.key.revision.0 == revision));
        }
    }
}

#[test]
fn an_upgrade_between_services_gives_back_as_many_as_there_were() {
    let mut lab = Lab::new(&[&[], &[]]);
    let (v1, v2) = (lab.service("v1", 3, image("v1")), lab.service("v2", 3, image("v2")));
    lab.settle();
    let key = lab.world.units_of(v2).next().unwrap().key;
    lab.see(key, Phase::BackOff, false, ObservedContainer::default());
    scale(&mut lab, v2, 2);
    lab.shift(v1, v2, 4, 1);
    lab.settle();
    assert_eq!((lab.serving(v1), lab.serving(v2)), (0, 4));
    lab.phase(v1, UpgradePhase::RollingBack);
    lab.settle();
    assert_eq!((lab.serving(v1), lab.serving(v2)), (3, 2));
}

fn policy(lab: &mut Lab, service: ServiceId, (min, max, increment): (u32, u32, u32)) {
    lab.edit(service, |service| {
        service.scale = min;
        service.scale_policy = Some(ScalePolicy { min, max, increment });
    });
}

/// Wants a host for each.
fn apart(lab: &mut Lab, (min, max, increment): (u32, u32, u32)) -> ServiceId {
    let label = "io.rancher.scheduler.affinity:container_label_ne";
    let spec = labelled(image("db"), label, "io.rancher.stack_service.name=blog/db");
    let db = lab.service("db", min, spec);
    policy(lab, db, (min, max, increment));
    db
}

fn scale_of(lab: &Lab, service: ServiceId) -> u32 {
    lab.world.service(service).unwrap().scale
}

#[test]
fn it_grows_step_by_step_each_when_what_there_is_runs() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    policy(&mut lab, web, (1, 5, 2));
    let mut seen = vec![];
    for _ in 0..20 {
        lab.plan();
        seen.push(scale_of(&lab, web));
        assert_eq!(lab.show(web).len(), *seen.last().unwrap() as usize);
        assert!(!lab.plan(), "nothing more until they serve");
        lab.obey();
    }
    seen.dedup();
    assert_eq!(seen, [1, 3, 5]);
    assert_eq!(lab.said(web), [""; 0]);
    // What never runs is not added to.
    let mut lab = Lab::new(&[&[]]);
    lab.broken.insert("v1".into());
    let web = lab.service("web", 1, image("v1"));
    policy(&mut lab, web, (1, 5, 2));
    lab.settle();
    assert_eq!(scale_of(&lab, web), 1);
}

#[test]
fn it_settles_at_what_fits_grows_with_hosts_and_shrinks_without() {
    let mut lab = Lab::new(&[&[], &[]]);
    let db = apart(&mut lab, (1, 5, 2));
    lab.settle();
    assert_eq!(scale_of(&lab, db), 1);
    let said = lab.said(db).join("; ");
    assert!(said.contains("it runs at 1 of at most 5, and not at 3: no host fits"), "{said}");
    lab.add_host(3, &[]);
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (3, 3));
    lab.add_host(4, &[]);
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (3, 3), "by twos");
    lab.add_host(5, &[]);
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (5, 5));
    let kept: Vec<_> = lab.show(db).into_iter().filter(|line| !line.contains(" h2 ")).collect();
    lab.connect(H2, false);
    lab.now = lab.now + 61_000;
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (3, 3));
    let now = lab.show(db);
    let running: Vec<_> = now.iter().filter(|line| line.ends_with("running")).collect();
    assert!(running.iter().all(|line| kept.contains(line)), "nothing that served moved: {now:?}");
    lab.connect(H2, true);
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (5, 5));
}

#[test]
fn below_the_least_it_is_said() {
    let mut lab = Lab::new(&[&[], &[]]);
    let db = apart(&mut lab, (3, 5, 1));
    lab.settle();
    assert_eq!((scale_of(&lab, db), lab.serving(db)), (3, 2));
    let said = lab.said(db).join("; ");
    assert!(said.contains("! blog-db-3: no host fits"), "{said}");
}

#[test]
fn a_policy_that_changes_is_followed_and_one_that_goes_leaves_the_scale() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    policy(&mut lab, web, (1, 5, 1));
    lab.settle();
    assert_eq!(lab.serving(web), 5);
    lab.edit(web, |service| {
        service.scale_policy = Some(ScalePolicy { min: 1, max: 2, increment: 1 });
    });
    lab.settle();
    assert_eq!(lab.serving(web), 2);
    lab.edit(web, |service| service.scale = 4);
    lab.settle();
    assert_eq!(lab.serving(web), 2, "it is not users' to set");
    lab.edit(web, |service| {
        service.scale_policy = None;
        service.scale = 4;
    });
    lab.settle();
    assert_eq!(lab.serving(web), 4);
}

#[test]
fn what_an_upgrade_between_services_leads_to_is_within_the_policy() {
    let mut lab = Lab::new(&[&[], &[]]);
    let (v1, v2) = (lab.service("v1", 3, image("v1")), lab.service("v2", 1, image("v2")));
    policy(&mut lab, v2, (1, 3, 1));
    lab.broken.insert("v2".into());
    lab.settle();
    let refused = admit_shift(&lab.world, v1, v2, 4).unwrap_err().to_string();
    assert!(refused.contains("v2 has a scale policy of at most 3, and would run 4"), "{refused}");
    assert!(admit_shift(&lab.world, v1, v2, 3).is_ok());
    // Until it is over its own goal counts.
    lab.broken.clear();
    lab.shift(v1, v2, 2, 1);
    lab.settle();
    assert_eq!((lab.serving(v1), lab.serving(v2)), (0, 2));
    lab.phase(v1, UpgradePhase::Finishing);
    lab.settle();
    assert_eq!((lab.serving(v1), lab.serving(v2)), (0, 3));
}

#[test]
fn an_upgrade_holds_the_scale() {
    let mut lab = Lab::new(&[&[]]);
    let db = apart(&mut lab, (1, 3, 1));
    lab.settle();
    lab.missing.insert("v2".into());
    lab.upgrade(db, image("v2"), 1, false);
    lab.add_host(2, &[]);
    lab.settle();
    assert_eq!(scale_of(&lab, db), 1);
    lab.phase(db, UpgradePhase::RollingBack);
    lab.settle();
    assert_eq!(scale_of(&lab, db), 2);
}
