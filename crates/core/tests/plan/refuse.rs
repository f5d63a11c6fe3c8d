//! What cannot work is refused before anything moves.

use drover_core::plan::{admit_shift, admit_upgrade};
use drover_core::{ServiceKind, Template, UpgradePhase, Wanted};

use crate::lab::{Lab, image, labelled, with_port};
use crate::shift::pair;

fn refusal(
    lab: &Lab,
    service: drover_core::ServiceId,
    to: drover_core::ContainerSpec,
    first: bool,
) -> String {
    let to = Template { primary: to, ..Template::default() };
    admit_upgrade(&lab.world, service, &to, first)
        .map_or_else(|r| r.to_string(), |()| String::new())
}

#[test]
fn start_first_with_a_fixed_port_needs_a_second_host() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    assert_eq!(
        refusal(&lab, web, with_port("v2", "80:80"), true),
        "web can't be upgraded start-first: its fixed host port 80/tcp is held by blog-web-1 on h1, \
         and no host fits: h1 has port 80/tcp taken by blog-web-1. Either upgrade it stop-first \
         (start_first: false), or give it another host to start on (or no fixed host port, with a \
         balancer in front)"
    );
    assert_eq!(refusal(&lab, web, with_port("v2", "80:80"), false), "");
    lab.add_host(2, &[]);
    assert_eq!(refusal(&lab, web, with_port("v2", "80:80"), true), "");
}

#[test]
fn what_a_rollback_still_takes_down_is_in_nobody_s_way() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    lab.upgrade(web, with_port("v2", "80:80"), 1, true);
    lab.settle();
    lab.phase(web, UpgradePhase::RollingBack);
    for _ in 0..20 {
        if lab.world.upgrade(web).is_none() {
            break;
        }
        lab.obey();
        lab.plan();
    }
    let shown = lab.show(web);
    assert_eq!(shown.len(), 2, "it is through, and the new one not gone yet: {shown:?}");
    assert_eq!(refusal(&lab, web, with_port("v3", "80:80"), true), "", "{shown:?}");
}

#[test]
fn a_label_that_no_host_carries() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    let gpu = labelled(image("v2"), "io.rancher.scheduler.affinity:host_label", "gpu=yes");
    assert_eq!(
        refusal(&lab, web, gpu, false),
        "web can't be upgraded: no host fits: 2 hosts lack label gpu=yes. Nothing was changed"
    );
}

#[test]
fn an_upgrade_between_services_that_cannot_be_is_refused_in_words() {
    let (mut lab, source, target) = pair(1, 0);
    let global = labelled(image("g"), "io.rancher.scheduler.global", "true");
    let global = lab.service("everywhere", 1, global);
    let alias = lab.service("www", 0, image(""));
    lab.edit(alias, |s| s.kind = ServiceKind::Alias);
    let gpu = labelled(image("g"), "io.rancher.scheduler.affinity:host_label", "gpu=y");
    let gpu = lab.service("gpu", 0, gpu);
    let off = lab.service("off", 1, image("o"));
    lab.edit(off, |s| s.wanted = Wanted::Inactive);
    let refusal = |lab: &Lab, from, to| {
        let done = admit_shift(&lab.world, from, to, 2);
        done.map_or_else(|refusal| refusal.to_string(), |()| String::new())
    };
    for (from, to, words) in [
        (source, source, "is the service itself"),
        (source, global, "Upgrade is not supported for global services"),
        (global, source, "Upgrade is not supported for global services"),
        (source, alias, "www has no containers of its own"),
        (source, gpu, "no host fits: 3 hosts lack label gpu=y"),
        (off, target, "off is stopped"),
    ] {
        assert!(refusal(&lab, from, to).contains(words), "{words}: {}", refusal(&lab, from, to));
    }
    assert_eq!(refusal(&lab, source, target), "");
    lab.shift(source, target, 1, 1);
    let third = lab.service("v3", 1, image("v3"));
    for (from, to, words) in [
        (
            source,
            third,
            "the upgrade of v1 to v2 is not over yet: wait for it, cancel it, or roll it back",
        ),
        (
            third,
            source,
            "the upgrade of v1 to v2 is not over yet: wait for it, cancel it, or roll it back",
        ),
        (third, target, "the upgrade of v1 to v2 is not over yet"),
        (target, third, "the upgrade of v1 to v2 is not over yet"),
    ] {
        assert!(refusal(&lab, from, to).contains(words), "{words}: {}", refusal(&lab, from, to));
    }
}

#[test]
fn the_first_unit_must_have_a_place_unless_others_leave_before() {
    let port = || with_port("web", "80:80");
    for (hosts, from, to, is_on, goal, admitted) in [
        (1, 1, 0, true, 1, false),
        (2, 1, 0, true, 1, true),
        // What is switched off holds no place, whatever its scale.
        (1, 1, 1, false, 1, false),
        // More than the goal run: the first step takes some away.
        (3, 2, 1, true, 2, true),
    ] {
        let mut lab = Lab::new(&vec![&[][..]; hosts]);
        let source = lab.service("v1", from, port());
        let target = lab.service("v2", if is_on { to } else { 0 }, port());
        if !is_on {
            lab.edit(target, |s| (s.scale, s.wanted) = (to, Wanted::Inactive));
        }
        lab.settle();
        let done = admit_shift(&lab.world, source, target, goal);
        assert_eq!(done.is_ok(), admitted, "{hosts} hosts, {from} to {to}: {done:?}");
    }
}
