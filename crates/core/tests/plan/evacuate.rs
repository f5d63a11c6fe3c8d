//! Hosts that users want emptied: what is on them is made elsewhere, then goes; never fewer serve because of it.

use drover_core::plan::admit_evacuation;
use drover_core::{
    Change, ContainerSpec, Desired, HostId, OnHostLoss, ServiceId, UnitKey, UpgradePhase,
    VolumeTemplate, VolumeTemplateId, Wanted, derive,
};

use crate::lab::{Lab, PROJECT, STACK, image, labelled, with_port};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);
const H3: HostId = HostId(103);

fn activate(lab: &mut Lab, host: HostId) {
    let host = lab.world.host(host).unwrap().switched(true);
    lab.commit(vec![Change::PutHost(host)]);
}

/// What a host says of its emptying.
pub fn left(lab: &Lab, host: HostId) -> String {
    derive::evacuation(&lab.world, host).unwrap().words(&lab.world)
}

/// Plan and obey until nothing changes, and see at least so many serve all the time.
pub fn settle_with(lab: &mut Lab, service: ServiceId, at_least: usize) {
    for _ in 0..100 {
        let planned = lab.plan();
        assert!(lab.serving(service) >= at_least, "{:?}", lab.show(service));
        let obeyed = lab.obey();
        if !planned && !obeyed {
            return;
        }
    }
    panic!("it never came to rest");
}

#[test]
fn units_leave_one_by_one_and_each_only_when_another_serves() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    lab.evacuate(H2);
    lab.plan();
    assert_eq!(
        lab.show(web),
        [
            "1.1 h1 running",
            "2.1 h2 running",
            "2.1.2 h1 running",
            "3.1 h1 running",
            "4.1 h2 running"
        ],
    );
    assert_eq!(
        left(&lab, H2),
        "0 of 2 units have left; blog-web-2 waits: its replacement does not serve yet"
    );
    assert!(!lab.plan(), "nothing more until the new one serves");
    settle_with(&mut lab, web, 4);
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1.2 h1 running", "3.1 h1 running", "4.1.2 h1 running"]
    );
    assert_eq!(left(&lab, H2), "2 of 2 units have left");
    assert_eq!(lab.world.units_on(H2).count(), 0);
    lab.edit(web, |service| service.scale = 6);
    lab.settle();
    assert_eq!(lab.world.units_on(H2).count(), 0, "it takes no new ones");
}

#[test]
fn a_unit_that_leaves_is_drained() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    assert_eq!(lab.show(lb), ["1.1 h1 running"]);
    lab.evacuate(H2);
    lab.plan();
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 draining", "2.1.2 h1 running"]);
    lab.plan();
    assert!(lab.said(web)[0].contains("blog-lb-1 has not acknowledged"), "{:?}", lab.said(web));
    lab.acknowledge(lb, &[]);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 removed", "2.1.2 h1 running"]);
}

#[test]
fn what_fails_elsewhere_keeps_the_old_ones_and_is_not_tried_with_more() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    lab.missing.insert("v1".into());
    lab.evacuate(H2);
    // Only the new one is made anew; what runs is not pulled again.
    for _ in 0..20 {
        lab.plan();
        let new: Vec<UnitKey> = lab.world.units_of(web).map(|u| u.key).collect();
        for key in new.into_iter().filter(|key| key.incarnation > 1) {
            let container = drover_core::ObservedContainer::default();
            lab.see(key, drover_core::Phase::BackOff, false, container);
        }
    }
    assert_eq!(lab.show(web).len(), 5, "{:?}", lab.show(web));
    assert_eq!(lab.serving(web), 4);
    // Called off, it is as it was.
    activate(&mut lab, H2);
    lab.missing.clear();
    lab.settle();
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1 h2 running", "3.1 h1 running", "4.1 h2 running"]
    );
}

#[test]
fn nothing_that_serves_moves_while_a_batch_of_others_is_down() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    let down = lab.world.units_of(web).next().unwrap().key;
    lab.see(down, drover_core::Phase::BackOff, false, drover_core::ObservedContainer::default());
    lab.evacuate(H2);
    lab.plan();
    assert_eq!(lab.show(web).len(), 4);
    let said = lab.said(web).join("; ");
    assert!(
        said.contains("blog-web-2 is to leave h2: others of its service don't serve"),
        "{said}"
    );
    lab.settle();
    assert_eq!(lab.world.units_on(H2).count(), 0, "it goes on by itself");
}

#[test]
fn called_off_what_has_left_has_left_and_the_rest_stays() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    lab.evacuate(H2);
    lab.plan();
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web).last().unwrap(), "4.1.2 h1 running", "the second is on its way");
    activate(&mut lab, H2);
    settle_with(&mut lab, web, 4);
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1.2 h1 running", "3.1 h1 running", "4.1 h2 running"]
    );
    assert!(derive::evacuation(&lab.world, H2).is_none());
}

#[test]
fn a_fixed_port_without_another_host_stays_in_words_and_leaves_when_there_is_one() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, with_port("v1", "80:80"));
    let other = lab.service("other", 1, image("o"));
    lab.settle();
    let host = lab.world.units_of(other).next().unwrap().host;
    let name = lab.world.host(host).unwrap().hostname.clone();
    let (free, slot) = if host == H1 { ("h2", 1) } else { ("h1", 2) };
    lab.evacuate(host);
    settle_with(&mut lab, web, 2);
    assert_eq!(lab.show(other), [format!("1.1.2 {free} running")]);
    let words = left(&lab, host);
    assert!(
        words.contains(&format!("blog-web-{slot} stays: no host fits:"))
            && words.contains(&format!("{free} has port 80/tcp taken by blog-web-")),
        "{words}"
    );
    assert!(derive::evacuation(&lab.world, host).unwrap().is_held());
    assert!(lab.said(web).iter().any(|note| note.contains("is to leave")), "{:?}", lab.said(web));
    lab.add_host(3, &[]);
    settle_with(&mut lab, web, 2);
    assert_eq!(lab.world.units_on(host).count(), 0, "{name} is empty");
}

#[test]
fn what_could_not_leave_at_all_is_refused() {
    let mut lab = Lab::new(&[&[]]);
    lab.service("web", 2, image("v1"));
    lab.settle();
    let refused = admit_evacuation(&lab.world, lab.world.host(H1).unwrap(), lab.now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "h1 can't be emptied: blog-web-1 stays: no host fits: h1 is deactivated; blog-web-2 stays: no host fits: \
         h1 is deactivated. Nothing was changed; make room first, or deactivate it to give it no new units"
    );
}

pub(crate) fn data_volume(lab: &Lab) -> VolumeTemplate {
    VolumeTemplate {
        id: VolumeTemplateId(90),
        project: PROJECT,
        stack: STACK,
        name: "data".into(),
        driver: String::new(),
        driver_options: std::collections::BTreeMap::new(),
        external: false,
        per_container: false,
        inactive: false,
        created_at: lab.now,
        removed_at: None,
    }
}

#[test]
fn data_stays_and_so_do_jobs_until_they_end() {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.commit(vec![Change::PutVolumeTemplate(data_volume(&lab))]);
    let mut spec = image("db");
    spec.volumes = vec!["data:/data".into()];
    let db = lab.service("db", 1, spec);
    lab.settle();
    let web = lab.service("web", 2, image("v1"));
    let job =
        lab.service("job", 1, labelled(image("j"), "io.rancher.container.start_once", "true"));
    lab.settle();
    let host = lab.world.units_of(db).next().unwrap().host;
    lab.evacuate(host);
    lab.settle();
    let words = left(&lab, host);
    assert!(words.contains("blog-db-1 stays: its data, volume data, lies there"), "{words}");
    assert_eq!(lab.serving(db), 1);
    assert_eq!(lab.serving(web), 2);
    assert!(lab.world.units_of(web).all(|unit| unit.host != host));
    // A job is left to end; one that has ended is not run again elsewhere.
    let unit = lab.world.units_of(job).next().unwrap().clone();
    lab.evacuate(unit.host);
    lab.settle();
    assert_eq!(lab.world.units_of(job).next().unwrap().key, unit.key);
    let ended = drover_core::ObservedContainer { exit_code: Some(0), ..Default::default() };
    lab.see(unit.key, drover_core::Phase::Completed, false, ended);
    lab.plan();
    assert_eq!(lab.world.units_of(job).next().unwrap().key, unit.key);
    let left = derive::evacuation(&lab.world, unit.host).unwrap().left;
    assert!(left.iter().all(|left| left.unit != unit.key), "{left:?}");
}

#[test]
fn global_services_leave_last() {
    let mut lab = Lab::new(&[&[], &[]]);
    let logs = lab.service("logs", 1, labelled(image("l"), "io.rancher.scheduler.global", "true"));
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.evacuate(H2);
    lab.plan();
    assert_eq!(lab.show(logs).len(), 2);
    assert!(
        left(&lab, H2).contains("it goes last, and blog-web-2 is still there"),
        "{}",
        left(&lab, H2)
    );
    lab.settle();
    assert_eq!(lab.world.units_on(H2).count(), 0);
    assert_eq!((lab.show(logs).len(), lab.serving(web)), (1, 2));
    activate(&mut lab, H2);
    lab.settle();
    assert_eq!(lab.show(logs).len(), 2);
}

#[test]
fn an_upgrade_goes_on_and_makes_its_units_elsewhere() {
    for start_first in [false, true] {
        let mut lab = Lab::new(&[&[], &[]]);
        let web = lab.service("web", 4, image("v1"));
        lab.settle();
        lab.upgrade(web, image("v2"), 1, start_first);
        lab.plan();
        lab.obey();
        lab.plan();
        lab.evacuate(H2);
        lab.settle();
        assert_eq!(lab.world.upgrade(web).unwrap().phase, UpgradePhase::Upgraded);
        assert_eq!(lab.world.units_on(H2).count(), 0, "what is kept stopped has left too");
        assert_eq!(lab.serving(web), 4);
        // A rollback makes what has left anew, at its revision.
        lab.phase(web, UpgradePhase::RollingBack);
        lab.settle();
        assert!(lab.world.upgrade(web).is_none());
        assert_eq!(lab.serving(web), 4);
        assert!(lab.world.units_of(web).all(|u| u.host == H1 && u.key.revision.0 == 1));
    }
}

#[test]
fn an_upgrade_that_stands_is_said_to_be_in_the_way_and_every_way_out_goes_on() {
    for start_first in [false, true] {
        for way_out in [UpgradePhase::RollingBack, UpgradePhase::Canceling] {
            let mut lab = Lab::new(&[&[], &[]]);
            let web = lab.service("web", 2, image("v1"));
            lab.settle();
            lab.missing.insert("v2".into());
            lab.upgrade(web, image("v2"), 1, start_first);
            lab.settle();
            lab.evacuate(H2);
            lab.settle();
            assert_eq!(lab.serving(web), 2);
            let words = left(&lab, H2);
            assert!(
                words.contains("web is being upgraded; finish that, cancel it or roll it"),
                "{words}"
            );
            lab.phase(web, way_out);
            settle_with(&mut lab, web, 2);
            assert_eq!(lab.serving(web), 2, "{way_out:?}");
            assert_eq!(
                lab.world.units_on(H2).count(),
                0,
                "{start_first} {way_out:?} {:?}",
                lab.show(web)
            );
        }
    }
}

#[test]
fn a_paused_upgrade_keeps_what_serves_until_its_replacement_does() {
    let ssd = [("disk", "ssd")];
    let mut lab = Lab::new(&[&[], &ssd, &ssd]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    let key = "io.rancher.scheduler.affinity:host_label";
    lab.upgrade(web, labelled(image("v2"), key, "disk=ssd"), 1, true);
    lab.settle_now();
    let half = ["1.1 h1 stopped", "1.2 h3 running", "2.1 h2 running"];
    assert_eq!(lab.show(web), half, "between two batches");
    let (phase, at) = (UpgradePhase::Canceling, lab.now);
    let verdict = Some("nothing moved for 30 s".into());
    lab.commit(vec![Change::SetUpgradePhase { service: web, phase, at, verdict }]);
    lab.evacuate(H3);
    assert!(lab.plan(), "its replacement begins");
    assert!(!lab.plan(), "nothing more until that serves: {:?}", lab.show(web));
    settle_with(&mut lab, web, 2);
    assert_eq!(lab.show(web), ["1.1 h1 stopped", "1.2.2 h2 running", "2.1 h2 running"]);
}

#[test]
fn a_restart_makes_its_units_elsewhere() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.settle();
    let run = lab.world.revision + 1;
    lab.edit(web, |service| {
        service.restart = Some(drover_core::Restart { run, batch_size: 1, interval_ms: 0 });
    });
    lab.evacuate(H2);
    settle_with(&mut lab, web, 3);
    assert!(lab.world.service(web).unwrap().restart.is_none());
    assert_eq!((lab.world.units_on(H2).count(), lab.serving(web)), (0, 4));
}

#[test]
fn a_restart_leaves_alone_what_moves_until_it_has_moved() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 1, image("v1"));
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    let old = lab.world.units_of(web).next().unwrap().clone();
    lab.evacuate(old.host);
    lab.plan();
    let new = lab.world.units_of(web).map(|unit| unit.key).max().unwrap();
    lab.see(new, drover_core::Phase::Starting, false, drover_core::ObservedContainer::default());
    let run = lab.world.revision + 1;
    lab.edit(web, |service| {
        service.restart = Some(drover_core::Restart { run, batch_size: 1, interval_ms: 0 });
    });
    lab.plan();
    assert!(!lab.plan(), "{:?}", lab.show(web));
    assert_eq!(lab.serving(web), 1);
    let words = left(&lab, old.host);
    assert!(words.contains("its replacement does not serve yet"), "{words}");
    lab.obey();
    for _ in 0..100 {
        lab.plan();
        lab.obey();
        lab.acknowledge(lb, &[]);
    }
    assert!(lab.world.service(web).unwrap().restart.is_none());
    assert_eq!((lab.world.units_on(old.host).count(), lab.serving(web)), (0, 1));
}

#[test]
fn what_is_kept_stopped_leaves_unless_its_data_holds_it() {
    let global = ("io.rancher.scheduler.global", "true");
    let job = ("io.rancher.container.start_once", "true");
    for (key, value) in [global, job] {
        let mut lab = Lab::new(&[&[], &[]]);
        let service = lab.service("off", 2, labelled(image("v1"), key, value));
        lab.settle();
        lab.edit(service, |service| service.wanted = Wanted::Inactive);
        lab.settle();
        lab.evacuate(H2);
        lab.settle();
        assert_eq!(lab.world.units_on(H2).count(), 0, "{key}");
    }
    let mut lab = Lab::new(&[&[], &[]]);
    let mut spec = image("db");
    spec.volumes = vec!["data:/data".into()];
    lab.commit(vec![Change::PutVolumeTemplate(data_volume(&lab))]);
    let db = lab.service("db", 1, spec);
    lab.settle();
    lab.edit(db, |service| service.wanted = Wanted::Inactive);
    lab.settle();
    let host = lab.world.units_of(db).next().unwrap().host;
    let refused = admit_evacuation(&lab.world, lab.world.host(host).unwrap(), lab.now).unwrap_err();
    let words = "blog-db-1 stays: its data, volume data, lies there";
    assert!(refused.to_string().contains(words), "{refused}");
}

#[test]
fn a_stopped_service_leaves_too_and_starts_elsewhere() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.edit(web, |service| service.wanted = Wanted::Inactive);
    lab.settle();
    lab.evacuate(H2);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 stopped"]);
    lab.edit(web, |service| service.wanted = Wanted::Active);
    lab.settle();
    assert_eq!(lab.show(web).len(), 2);
    assert!(lab.world.units_of(web).all(|unit| unit.host == H1));
}

#[test]
fn the_host_it_moves_to_may_go_too() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 3, image("v1"));
    lab.settle();
    lab.evacuate(H2);
    lab.plan();
    let new = lab.world.units_of(web).find(|unit| unit.key.incarnation == 2).unwrap().host;
    // Lost before it served.
    lab.connect(new, false);
    lab.now = lab.now + drover_core::plan::LOST_AFTER_MS;
    lab.settle();
    let running = lab.world.units_of(web).filter(|unit| unit.desired == Desired::Running);
    let hosts: Vec<HostId> = running.map(|unit| unit.host).collect();
    assert!(hosts.len() == 3 && hosts.iter().all(|host| *host != new && *host != H2), "{hosts:?}");
    lab.connect(new, true);
    lab.settle();
    // To be emptied as well.
    let last = if new == H1 { H3 } else { H1 };
    lab.evacuate(last);
    lab.settle();
    assert!(lab.world.units_of(web).all(|unit| unit.host == new));
    assert_eq!(lab.serving(web), 3);
}

/// The upgrade takes the place of what was made in the unit's stead and ends before it took the unit itself down.
#[test]
fn a_unit_leaves_also_after_an_upgrade_that_was_taken_back_before_it_began_to_stop() {
    for single in [false, true] {
        let mut lab = Lab::new(&[&[], &[]]);
        let on_host_loss = single.then_some(OnHostLoss::Fence);
        let version = |name| ContainerSpec { on_host_loss, ..with_port(name, "8080:80") };
        let web = lab.service("web", 1, version("v1"));
        lab.settle();
        let host = lab.world.units_of(web).next().unwrap().host;
        lab.evacuate(host);
        lab.plan();
        lab.upgrade(web, version("v2"), 1, false);
        lab.plan();
        lab.phase(web, UpgradePhase::Canceling);
        lab.plan();
        lab.phase(web, UpgradePhase::RollingBack);
        lab.settle();
        assert!(lab.world.upgrade(web).is_none(), "single {single}: {:?}", lab.said(web));
        assert_eq!(left(&lab, host), "1 of 1 unit has left", "{:?}", lab.show(web));
        assert_eq!(lab.serving(web), 1);
    }
}

/// One left its host, and its replacement was led away by an upgrade before anybody had let go of the first; the upgrade was
/// called off half-way.
#[test]
fn it_has_left_also_where_an_upgrade_leads_its_replacement_away() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 1, image("v1"));
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    lab.evacuate(H1);
    lab.settle_now();
    assert_eq!(lab.show(web), ["1.1 h1 draining", "1.1.2 h3 running"]);
    lab.upgrade(web, image("v2"), 1, true);
    lab.settle_now();
    assert_eq!(lab.show(web), ["1.1 h1 draining", "1.1.2 h3 draining", "1.2 h3 running"]);
    lab.phase(web, UpgradePhase::Canceling);
    lab.settle_now();
    lab.acknowledge(lb, &[]);
    lab.settle();
    assert_eq!(left(&lab, H1), "1 of 1 unit has left");
    // Nothing is under way any more that would keep another from being healed.
    let sick = lab.world.units_of(web).find(|unit| unit.desired == Desired::Running).unwrap().key;
    lab.sick.insert(sick);
    lab.settle();
    let shown = lab.show(web);
    assert!(shown.iter().any(|line| line.starts_with("1.2.2 ")), "{shown:?}");
}
