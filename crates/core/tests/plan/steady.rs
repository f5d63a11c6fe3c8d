//! Coming up, scaling, resting, going away.

use drover_core::{ObservedContainer, Phase, Restart, Wanted};

use crate::lab::{Lab, image, labelled, with_port};

#[test]
fn a_service_comes_up_spread_over_its_hosts_and_settles() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 4, image("v1"));
    lab.plan();
    assert_eq!(lab.world.service(web).unwrap().settled, None, "it is on its way");
    lab.settle();
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1 h2 running", "3.1 h3 running", "4.1 h1 running"]
    );
    assert_eq!(lab.world.service(web).unwrap().settled, Some(Wanted::Active));
    assert!(!lab.plan(), "a service at rest needs nothing");
    assert_eq!(lab.said(web), [""; 0]);
}

#[test]
fn scale_goes_up_at_the_lowest_free_slot_and_down_from_the_top() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 3, image("v1"));
    lab.settle();
    lab.edit(web, |s| s.scale = 1);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running"]);
    lab.edit(web, |s| s.scale = 2);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 running"]);
}

#[test]
fn inactive_keeps_the_same_units_and_starts_them_again() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.edit(web, |s| s.wanted = Wanted::Inactive);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 stopped", "2.1 h2 stopped"]);
    assert_eq!(lab.world.service(web).unwrap().settled, Some(Wanted::Inactive));
    lab.edit(web, |s| s.wanted = Wanted::Active);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"]);
}

#[test]
fn a_removed_service_leaves_nothing() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.edit(web, |s| s.wanted = Wanted::Removed);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 removed", "2.1 h1 removed"], "until their agent confirms");
    lab.settle();
    assert_eq!(lab.show(web), [""; 0]);
    assert_eq!(lab.world.service(web).unwrap().settled, Some(Wanted::Removed));
}

#[test]
fn a_global_service_follows_hosts_and_their_labels() {
    let mut lab = Lab::new(&[&[("disk", "ssd")], &[], &[("disk", "ssd")]]);
    let spec = labelled(image("v1"), "io.rancher.scheduler.global", "true");
    let spec = labelled(spec, "io.rancher.scheduler.affinity:host_label", "disk=ssd");
    let logs = lab.service("logs", 1, spec);
    lab.settle();
    assert_eq!(lab.show(logs), ["h101.1 h1 running", "h103.1 h3 running"]);
    lab.add_host(4, &[("disk", "SSD")]);
    lab.settle();
    assert_eq!(lab.show(logs).len(), 3);
}

#[test]
fn unmet_needs_are_told_and_met_when_they_can_be() {
    let mut lab = Lab::new(&[&[], &[]]);
    let spec = with_port("v1", "80:80");
    let web = lab.service("web", 3, spec.clone());
    lab.settle();
    assert_eq!(lab.serving(web), 2);
    assert_eq!(
        lab.said(web),
        ["! blog-web-3: no host fits: h1 has port 80/tcp taken by blog-web-1, h2 has port 80/tcp \
          taken by blog-web-2"]
    );
    lab.add_host(3, &[]);
    lab.settle();
    assert_eq!(lab.serving(web), 3);

    let gpu = lab.service(
        "gpu",
        1,
        labelled(image("v1"), "io.rancher.scheduler.affinity:host_label", "gpu=yes"),
    );
    lab.settle();
    assert_eq!(lab.said(gpu), ["! blog-gpu-1: no host fits: 3 hosts lack label gpu=yes"]);
}

#[test]
fn anti_affinity_spreads_and_the_last_one_waits() {
    let mut lab = Lab::new(&[&[], &[]]);
    let spec = labelled(
        image("v1"),
        "io.rancher.scheduler.affinity:container_label_ne",
        "io.rancher.stack_service.name=$${stack_name}/$${service_name}".replace("$$", "$").as_str(),
    );
    let web = lab.service("web", 3, spec);
    lab.settle();
    assert_eq!(lab.serving(web), 2);
    assert!(lab.said(web)[0].contains("blog/web, which is excluded"), "{:?}", lab.said(web));
}

#[test]
fn start_once_ends_well_or_says_how_it_ended() {
    let mut lab = Lab::new(&[&[]]);
    let spec = labelled(image("job"), "io.rancher.container.start_once", "true");
    for (exit_code, settled) in [(0, Some(Wanted::Active)), (3, None)] {
        let job = lab.service(&format!("job{exit_code}"), 1, spec.clone());
        lab.plan();
        let key = lab.world.units_of(job).next().unwrap().key;
        let ended = ObservedContainer { exit_code: Some(exit_code), ..Default::default() };
        lab.see(key, Phase::Completed, false, ended);
        lab.plan();
        assert_eq!(lab.world.service(job).unwrap().settled, settled, "exit {exit_code}");
    }
}

#[test]
fn a_restart_goes_through_the_same_units_a_batch_at_a_time() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 3, image("v1"));
    lab.settle();
    let before: Vec<_> = lab.world.units_of(web).map(|u| (u.key, u.generation)).collect();
    lab.edit(web, |s| s.restart = Some(Restart { run: 1, batch_size: 1, interval_ms: 500 }));
    let mut fewest = 3;
    while lab.world.service(web).unwrap().restart.is_some() {
        lab.plan();
        lab.obey();
        fewest = fewest.min(lab.serving(web));
        lab.now = lab.now + 500;
    }
    assert_eq!(fewest, 2, "one at a time");
    let after: Vec<_> = lab.world.units_of(web).map(|u| (u.key, u.generation)).collect();
    assert!(before.iter().zip(&after).all(|(b, a)| b.0 == a.0 && b.1 < a.1));
}
