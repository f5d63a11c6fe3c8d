//! What cannot work is refused before anything moves.

use drover_core::Template;
use drover_core::plan::admit_upgrade;

use crate::lab::{Lab, image, labelled, with_port};

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
