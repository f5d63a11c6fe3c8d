//! Which images a host is to hold, from the first digest to the last unit that leaves.

use drover_core::{Change, HostId, REVISIONS_SETTING, RevisionNo, ServiceId, Template, derive};

use crate::lab::{Lab, image};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);

fn pin(lab: &mut Lab, service: ServiceId, revision: u32, image: &str, digest: &str) {
    let (image, digest) = (image.to_owned(), digest.to_owned());
    lab.commit(vec![Change::PinImage { service, revision: RevisionNo(revision), image, digest }]);
}

fn leases(lab: &Lab, host: HostId) -> Vec<String> {
    derive::assignment(&lab.world, host).leases.into_iter().collect()
}

/// Upgrade and confirm.
fn upgrade(lab: &mut Lab, service: ServiceId, to: &str) {
    lab.upgrade(service, image(to), 1, false);
    lab.settle();
    lab.phase(service, drover_core::UpgradePhase::Finishing);
    lab.settle();
}

#[test]
fn what_is_kept_is_held_where_the_service_is() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 1, image("r:5000/web:1"));
    lab.settle();
    let host = lab.world.units_of(web).next().unwrap().host;
    let other = if host == H1 { H2 } else { H1 };
    assert_eq!(leases(&lab, host), [""; 0], "nobody knows yet what the tag means");
    pin(&mut lab, web, 1, "r:5000/web:1", "sha256:a");
    assert_eq!(leases(&lab, host), ["r:5000/web@sha256:a"], "what runs, while it runs");

    upgrade(&mut lab, web, "r:5000/web:2");
    pin(&mut lab, web, 2, "r:5000/web:2", "sha256:b");
    upgrade(&mut lab, web, "r:5000/web@sha256:c");
    let all = ["a", "b", "c"].map(|digest| format!("r:5000/web@sha256:{digest}"));
    assert_eq!(leases(&lab, host), all, "nothing of the older two is left but this");
    assert_eq!(leases(&lab, other), [""; 0], "not where none of it is");

    let (name, value) = (REVISIONS_SETTING.to_owned(), Some("2".to_owned()));
    lab.commit(vec![Change::SetSetting { name, value }]);
    lab.settle();
    assert_eq!(
        leases(&lab, host),
        all[1..],
        "a revision that is dropped is nobody's to go back to"
    );

    lab.edit(web, |service| service.scale = 0);
    lab.settle();
    assert_eq!(leases(&lab, host), [""; 0], "the service has left");
}

#[test]
fn sidekicks_are_held_too_and_what_is_made_anew_is_not() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("web:1"));
    let Change::AddRevision(mut second) = lab.revision(web, 2, image("web:1")) else { panic!() };
    let sidekicks = [("logs".to_owned(), image("logs@sha256:d"))].into();
    second.template = Template { primary: image("web:1"), sidekicks }.into();
    lab.commit(vec![Change::AddRevision(second)]);
    lab.settle();
    for number in [1, 2] {
        pin(&mut lab, web, number, "web:1", "sha256:a");
    }
    assert_eq!(leases(&lab, H1), ["logs@sha256:d", "web@sha256:a"]);

    let lb = lab.service("lb", 1, image("haproxy@sha256:e"));
    lab.balance(lb, web);
    lab.settle();
    assert_eq!(lab.world.units_of(lb).count(), 1);
    assert_eq!(leases(&lab, H1), ["logs@sha256:d", "web@sha256:a"], "a balancer is Drover itself");
}
