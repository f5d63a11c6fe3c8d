//! What is foretold of changes is what then happens.

use drover_core::forecast::forecast;
use drover_core::{Change, ContainerSpec, Course, RevisionNo, Scope, Upgrade, UpgradePhase, plan};

use crate::lab::{Lab, image, with_port};

/// The changes of an upgrade of the first service to this.
fn upgrade(
    lab: &Lab,
    service: drover_core::ServiceId,
    to: ContainerSpec,
    first: bool,
) -> Vec<Change> {
    let course = Course::InService { from: RevisionNo(1), to: RevisionNo(2), start_first: first };
    let upgrade = Upgrade { batch_size: 2, ..Upgrade::begin(service, course, lab.now, "test") };
    vec![lab.revision(service, 2, to), Change::StartUpgrade(upgrade)]
}

#[test]
fn an_upgrade_is_foretold_as_it_happens() {
    for (first, least) in [(true, 4), (false, 2)] {
        let mut lab = Lab::new(&[&[], &[]]);
        let web = lab.service("web", 4, image("v1"));
        lab.settle();
        let changes = upgrade(&lab, web, image("v2"), first);
        let told = forecast(&lab.world, &changes, lab.now).unwrap();
        let web_told = &told.services[&web];
        assert_eq!((web_told.serving_now, web_told.serving_then), (4, 4));
        assert_eq!(web_told.serving_least, least, "start_first: {first}");
        assert_eq!((web_told.stopped.len(), web_told.removed.len()), (4, 0));
        assert!(told.obstacles.is_empty(), "{:?}", told.obstacles);
        assert!(told.pulls.values().all(|images| images.iter().all(|image| image == "v2")));
        lab.commit(changes);
        lab.settle();
        assert_eq!(lab.world.upgrade(web).unwrap().phase, UpgradePhase::Upgraded);
        for placed in &web_told.made {
            let mut units = lab.world.units_of(web);
            assert!(units.any(|u| u.key.slot == placed.slot
                && u.key.revision == placed.revision
                && u.host == placed.host));
        }
    }
}

#[test]
fn what_stands_in_the_way_is_foretold() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    let mut scaled = lab.world.service(web).unwrap().clone();
    scaled.scale = 2;
    let changes = [Change::PutService(Box::new(scaled))];
    let told = forecast(&lab.world, &changes, lab.now).unwrap();
    assert_eq!(told.services.get(&web), None, "nothing would change");
    assert!(told.obstacles[0].contains("port 80"), "{:?}", told.obstacles);
}

#[test]
fn nothing_is_foretold_of_nothing_and_the_world_is_left_alone() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    let same = Change::PutService(Box::new(lab.world.service(web).unwrap().clone()));
    let told = forecast(&lab.world, &[same], lab.now).unwrap();
    assert!(told.services.is_empty() && told.pulls.is_empty() && told.obstacles.is_empty());
    assert!(plan::plan(&lab.world, &Scope::everything(), lab.now).changes.is_empty());
}
