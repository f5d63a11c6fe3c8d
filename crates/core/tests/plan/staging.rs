//! New units are made before old ones are stopped: what can't be made takes nothing down.

use drover_core::{Desired, UpgradePhase};

use crate::lab::{Lab, image};

#[test]
fn a_missing_image_takes_nothing_down_and_every_way_out_works() {
    for (batch, start_first) in [(1, false), (2, false), (1, true)] {
        for way_out in [UpgradePhase::RollingBack, UpgradePhase::Canceling] {
            let mut lab = Lab::new(&[&[], &[]]);
            lab.missing.insert("gone".into());
            let web = lab.service("web", 2, image("v1"));
            lab.settle();
            lab.upgrade(web, image("gone"), batch, start_first);
            lab.settle();
            assert_eq!(lab.serving(web), 2, "batch {batch} start_first {start_first}");
            assert!(
                lab.said(web).iter().any(|note| note.contains("failed")),
                "{:?}",
                lab.said(web)
            );

            lab.phase(web, way_out);
            lab.settle();
            assert_eq!(lab.serving(web), 2, "{way_out:?}");
            if way_out == UpgradePhase::Canceling {
                lab.phase(web, UpgradePhase::RollingBack);
                lab.settle();
            }
            assert_eq!(lab.world.upgrade(web), None);
            assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"]);
        }
    }
}

#[test]
fn an_image_that_comes_late_lets_the_upgrade_go_on() {
    let mut lab = Lab::new(&[&[]]);
    lab.missing.insert("v2".into());
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, false);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.2 h1 staged"]);
    lab.missing.clear();
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 stopped", "1.2 h1 running"]);
}

#[test]
fn a_unit_staged_on_a_lost_host_is_made_elsewhere() {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.missing.insert("v2".into());
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, false);
    lab.settle();
    let staged = lab.world.units_of(web).find(|u| u.desired == Desired::Staged).unwrap().host;
    lab.missing.clear();
    lab.connect(staged, false);
    lab.now = lab.now + 61_000;
    lab.settle();
    let units: Vec<_> = lab.world.units_of(web).filter(|u| u.desired == Desired::Running).collect();
    assert_eq!(units.len(), 1, "{:?}", lab.show(web));
    assert_ne!(units[0].host, staged);
    assert_eq!(lab.serving(web), 1);
}
