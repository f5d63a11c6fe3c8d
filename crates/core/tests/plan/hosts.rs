//! Hosts that are lost, return, are removed.

use drover_core::plan::LOST_AFTER_MS;
use drover_core::{Change, HostId};

use crate::lab::{Lab, image};

const H2: HostId = HostId(102);

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
