//! Hosts that are lost, return, are removed.

use drover_core::plan::{LOST_AFTER_MS, SILENT_LOST_AFTER_MS, UNATTENDED_LOST_AFTER_MS};
use drover_core::{Change, FENCED_AFTER_MS, HostId, LEASE_MS, OnHostLoss, ServiceId, UpgradePhase};

use crate::evacuate::data_volume;
use crate::lab::{Lab, image};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);
const H3: HostId = HostId(103);

#[test]
fn a_lost_host_is_replaced_after_its_time_and_not_before() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.connect(H2, false);
    lab.now = lab.now + LOST_AFTER_MS / 2;
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"], "a blip moves nothing");
    lab.now = lab.now + LOST_AFTER_MS;
    lab.settle();
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1 h2 removed", "2.1.2 h1 running"],
        "replaced; the old one is remembered until its host confirms"
    );
    lab.connect(H2, true);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1.2 h1 running"]);
}

/// Three hosts with a container each, of which the second is away.
fn two_of_three() -> (Lab, ServiceId) {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 3, image("v1"));
    lab.settle();
    lab.connect(H2, false);
    (lab, web)
}

fn is_replaced(lab: &mut Lab, web: ServiceId, after_ms: u64) -> bool {
    lab.now = lab.now + after_ms;
    lab.settle_now();
    lab.show(web).iter().any(|unit| unit.starts_with("2.1.2 "))
}

#[test]
fn a_host_that_nobody_hears_any_more_is_replaced_within_seconds() {
    let (mut lab, web) = two_of_three();
    lab.hear(H1, &[H3], &[(H2, 200)]);
    lab.hear(H3, &[H1], &[(H2, 500)]);
    assert!(!is_replaced(&mut lab, web, SILENT_LOST_AFTER_MS - 1), "not before its time");
    assert!(is_replaced(&mut lab, web, 1));
}

#[test]
fn the_last_that_heard_it_counts() {
    let (mut lab, web) = two_of_three();
    lab.hear(H1, &[], &[(H2, 0)]);
    lab.now = lab.now + 3_000;
    lab.hear(H3, &[], &[(H2, 1_000)]);
    assert!(!is_replaced(&mut lab, web, SILENT_LOST_AFTER_MS - 1_001));
    assert!(is_replaced(&mut lab, web, 1));
}

#[test]
fn a_blip_of_five_seconds_moves_nothing() {
    let (mut lab, web) = two_of_three();
    lab.hear(H1, &[], &[(H2, 1_000)]);
    lab.hear(H3, &[], &[(H2, 1_000)]);
    assert!(!is_replaced(&mut lab, web, 4_300));
    lab.hear(H1, &[H2], &[]);
    assert!(!is_replaced(&mut lab, web, 20_000), "one that hears it is enough");
    lab.connect(H2, true);
    assert!(!is_replaced(&mut lab, web, LOST_AFTER_MS));
}

#[test]
fn a_host_whose_agent_alone_is_away_keeps_what_it_runs_for_minutes() {
    let (mut lab, web) = two_of_three();
    lab.hear(H1, &[H2], &[]);
    lab.hear(H3, &[], &[(H2, 0)]);
    assert!(!is_replaced(&mut lab, web, UNATTENDED_LOST_AFTER_MS - 1));
    assert!(is_replaced(&mut lab, web, 1));
}

#[test]
fn hosts_that_are_away_themselves_have_no_say() {
    let (mut lab, web) = two_of_three();
    lab.hear(H3, &[H2], &[]);
    lab.connect(H3, false);
    lab.connect(H3, true); // with nothing heard of anybody yet
    lab.hear(H1, &[H3], &[(H2, 0)]);
    assert!(is_replaced(&mut lab, web, SILENT_LOST_AFTER_MS));
}

#[test]
fn a_server_that_is_cut_off_with_the_fewer_hosts_moves_nothing_within_seconds() {
    let (mut lab, web) = two_of_three();
    lab.connect(H3, false);
    lab.hear(H1, &[], &[(H2, 0), (H3, 0)]);
    assert!(!is_replaced(&mut lab, web, LOST_AFTER_MS - 1));
    assert!(is_replaced(&mut lab, web, 1));
}

/// A service of one, on the second host, of which this becomes when that is lost.
fn one_that(on_host_loss: OnHostLoss) -> (Lab, ServiceId) {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let mut web = image("v1");
    web.on_host_loss = Some(on_host_loss);
    let full = lab.service("full", 1, image("other"));
    lab.settle();
    let web = lab.service("web", 1, web);
    lab.settle();
    assert_eq!(
        (lab.show(full), lab.show(web)),
        (vec!["1.1 h1 running".to_owned()], vec!["1.1 h2 running".to_owned()])
    );
    lab.connect(H2, false);
    (lab, web)
}

fn runs_elsewhere(lab: &mut Lab, web: ServiceId, after_ms: u64) -> bool {
    lab.now = lab.now + after_ms;
    lab.settle_now();
    lab.show(web).iter().any(|unit| unit.starts_with("1.1.2 ") && unit.ends_with("running"))
}

#[test]
fn what_waits_for_its_host_is_never_made_elsewhere() {
    let (mut lab, web) = one_that(OnHostLoss::Wait);
    lab.hear(H1, &[H3], &[(H2, 0)]);
    assert!(!runs_elsewhere(&mut lab, web, 100 * LOST_AFTER_MS));
    let said = lab.said(web).concat();
    assert!(said.contains("waiting for host h2, which is not connected"), "{said}");
    lab.connect(H2, true);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h2 running"]);
}

#[test]
fn nobody_is_woken_again_and_again_for_what_has_to_stay() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    lab.commit(vec![Change::PutVolumeTemplate(data_volume(&lab))]);
    let mut spec = image("v1");
    spec.volumes = vec!["data:/data".into()];
    let db = lab.service("db", 1, spec);
    lab.settle();
    let home = lab.world.units_of(db).next().unwrap().host;
    let others: Vec<HostId> = [H1, H2, H3].into_iter().filter(|host| *host != home).collect();
    lab.connect(home, false);
    for other in others {
        lab.hear(other, &[], &[(home, 0)]);
    }
    lab.now = lab.now + SILENT_LOST_AFTER_MS;
    lab.settle_now();
    assert!(lab.world.is_lost(home));
    let again = drover_core::plan::plan(&lab.world, &drover_core::Scope::everything(), lab.now);
    assert!(again.wake_at.is_none_or(|at| at > lab.now), "{:?} at {}", again.wake_at, lab.now);
}

#[test]
fn what_is_moved_after_a_time_is_moved_then() {
    let (mut lab, web) = one_that(OnHostLoss::MoveAfter(30_000));
    lab.hear(H1, &[H3], &[(H2, 0)]);
    assert!(!runs_elsewhere(&mut lab, web, 29_999));
    assert!(runs_elsewhere(&mut lab, web, 1));
}

#[test]
fn what_must_not_run_twice_is_made_elsewhere_once_its_lease_is_over() {
    let (mut lab, web) = one_that(OnHostLoss::Fence);
    lab.hear(H1, &[H3], &[(H2, 0)]);
    assert!(!runs_elsewhere(&mut lab, web, FENCED_AFTER_MS - 1));
    assert!(runs_elsewhere(&mut lab, web, 1));
}

#[test]
fn what_must_not_run_twice_waits_where_its_agent_was_gone_before_its_host() {
    let (mut lab, web) = one_that(OnHostLoss::Fence);
    lab.hear(H1, &[H2], &[]);
    lab.now = lab.now + 2 * LEASE_MS;
    lab.hear(H1, &[], &[(H2, 0)]);
    assert!(!runs_elsewhere(&mut lab, web, 100 * LOST_AFTER_MS), "nobody can have stopped it");
}

#[test]
fn what_must_not_run_twice_waits_where_nobody_can_say_whether_its_host_lives() {
    let (mut lab, web) = one_that(OnHostLoss::Fence);
    assert!(!runs_elsewhere(&mut lab, web, 100 * LOST_AFTER_MS), "its agent alone may be gone");
}

#[test]
fn what_must_not_run_twice_leaves_its_host_one_after_the_other() {
    let (mut lab, web) = one_that(OnHostLoss::Fence);
    lab.connect(H2, true);
    lab.settle();
    lab.evacuate(H2);
    let mut seen = Vec::new();
    for _ in 0..20 {
        lab.plan();
        lab.obey();
        let now = lab.show(web);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    let both =
        seen.iter().filter(|units| units.iter().filter(|u| u.ends_with("running")).count() > 1);
    assert_eq!(both.count(), 0, "{seen:?}");
    assert_eq!(lab.show(web), ["1.1.2 h3 running"], "{seen:?}");
}

/// It has left its balancer's rotation and is about to stop when an upgrade of its service is begun and turned round.
#[test]
fn what_leaves_its_host_does_so_also_while_an_upgrade_goes_back_to_it() {
    let (mut lab, web) = one_that(OnHostLoss::Fence);
    lab.connect(H2, true);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    lab.evacuate(H2);
    let leaves = |lab: &Lab| lab.show(web).contains(&"1.1 h2 draining".to_owned());
    let begun = (0..20).any(|_| {
        lab.plan();
        lab.obey();
        leaves(&lab)
    });
    assert!(begun, "{:?}", lab.show(web));
    lab.upgrade(web, image("v2"), 1, false);
    lab.phase(web, UpgradePhase::RollingBack);
    lab.plan();
    assert!(leaves(&lab), "nobody has acknowledged yet: {:?}", lab.show(web));
    for _ in 0..20 {
        lab.acknowledge(lb, &[]);
        lab.plan();
        lab.obey();
    }
    assert_eq!(lab.show(web), ["1.1.2 h1 running"]);
    assert!(lab.world.upgrade(web).is_none());
}

#[test]
fn a_removed_host_is_forgotten_with_its_units() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.connect(H2, false);
    let mut host = lab.world.host(H2).unwrap().clone();
    host.removed_at = Some(lab.now);
    lab.commit(vec![Change::PutHost(host)]);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 running"]);
    assert_eq!(lab.world.units_on(H2).count(), 0);
}

#[test]
fn no_host_at_all_is_said() {
    let mut lab = Lab::new(&[]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    assert_eq!(
        lab.said(web),
        ["! blog-web-1: no host fits: there is none; register one with `drover agent`"]
    );
}
