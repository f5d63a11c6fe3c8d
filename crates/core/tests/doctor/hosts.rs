//! What is said of a host by itself.

use drover_core::HostId;
use drover_core::doctor::{Deviation, Hindered, NamesFound, Reach, Way};

use crate::ward::Ward;

#[test]
fn absent_hosts() {
    let reach = |largest| Reach { full: 1500, largest, said: String::new() };
    let check = |underlay, overlay, want: &str| {
        let mut ward = Ward::new(3);
        let way = Way { underlay: reach(underlay), overlay: reach(overlay), container: None };
        ward.absent(3, &way);
        ward.says(&[want]);
    };
    check(
        1500,
        1450,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; other hosts reach it and its \
         containers go on at 10.0.0.3",
    );
    check(
        0,
        0,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; no other host reaches it at \
         10.0.0.3 either: it is off or cut off",
    );
    check(
        1500,
        0,
        "not-connected: the agent of host3 is not connected for 16 min, so it was not asked; it is on, but of the other \
         hosts none reach it through the network",
    );
    let mut ward = Ward::new(2);
    ward.answers.get_mut(&HostId(2)).unwrap().probed = Some(Err("no answer within 10 s".into()));
    ward.says(&[
        "no-answer: host2 was asked to probe the others, and did not: no answer within 10 s; other hosts reach it and its \
         containers go on at 10.0.0.2",
    ]);
    let mut ward = Ward::new(2);
    ward.probed(2).problem = "it can't open a socket".into();
    ward.says(&["no-answer: host2 can't probe the others: it can't open a socket"]);
}

#[test]
fn what_is_wrong_with_a_host_itself_explains_its_ways() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1500, 0);
    let hinders = Hindered::Subnet("10.42.2.0/24".into());
    let to_do = "route 10.42.2.0/24 through 10.42.2.1".to_owned();
    ward.examined(1).deviations = vec![Deviation { hinders, to_do }];
    ward.says(&[
        "kernel: something changed the network of host1 behind the agent's back; to put it right, it has to route \
         10.42.2.0/24 through 10.42.2.1 (host2)",
    ]);
    // What hinders nobody explains nothing.
    let to_do = "forget the neighbour 10.42.1.77".to_owned();
    ward.examined(1).deviations = vec![Deviation { hinders: Hindered::Nobody, to_do }];
    let codes: Vec<_> = ward.diagnose().findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["kernel", "udp-dropped"]);

    // Nothing is sent to any container of it: those have nothing wrong with them.
    let mut ward = Ward::new(2);
    let deviates = |hinders, to_do: &str| vec![Deviation { hinders, to_do: to_do.to_owned() }];
    let own = Hindered::Subnet("10.42.1.0/24".into());
    ward.examined(1).deviations = deviates(own, "route 10.42.1.0/24 to drover0");
    ward.examined(1).endpoints.iter_mut().for_each(|endpoint| endpoint.answers = false);
    ward.says(&[
        "kernel: something changed the network of host1 behind the agent's back; to put it right, it has to route \
         10.42.1.0/24 to drover0",
    ]);
    // What keeps only the others from them explains nothing of that.
    ward.examined(1).deviations = deviates(Hindered::Everyone, "attach drover-vx to drover0");
    let codes: Vec<_> = ward.diagnose().findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"container-silent"), "{codes:?}");

    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 1500, 0);
    ward.examined(2).problem = "can't make the VXLAN device drover-vx".into();
    ward.says(&[
        "not-set-up: the network of host2 is not as it should be: can't make the VXLAN device drover-vx",
    ]);
}

#[test]
fn agents_that_follow_an_older_assignment() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 3, 1500, 0);
    let peers = &mut ward.examined(1).network.as_mut().unwrap().peers;
    peers.retain(|peer| peer.host != 3);
    peers[0].address = "10.0.0.99".into();
    ward.says(&[
        "behind: host1 follows an older assignment: it looks for host2 at 10.0.0.99, which is at 10.0.0.2; it doesn't know \
         host3",
    ]);
    let mut ward = Ward::new(1);
    ward.examined(1).network = None;
    ward.says(&["behind: host1 has not heard of its part of the network yet"]);
}

#[test]
fn name_services() {
    let check = |spoil: fn(&mut NamesFound), want: &str| {
        let mut ward = Ward::new(2);
        spoil(&mut ward.examined(2).names);
        ward.says(&[want]);
        assert!(!ward.diagnose().hosts[1].names);
    };
    check(
        |names| names.running = false,
        "names: the name service of host2 does not run: its container drover-discovery-2 is stopped",
    );
    check(
        |names| *names = NamesFound { dns: "port 53 is taken".into(), ..NamesFound::default() },
        "names: the name service of host2 does not run: port 53 is taken",
    );
    check(
        |names| *names = NamesFound::default(),
        "names: the name service of host2 is not there: no container of it exists",
    );
    check(
        |names| {
            names.dns = "no answer within 2 s".into();
            names.metadata = "Connection refused".into();
        },
        "names: the name service of host2 doesn't answer at 169.254.169.250, neither for names nor for metadata: no answer \
         within 2 s",
    );
    check(
        |names| names.dns = "no answer within 2 s".into(),
        "names: the name service of host2 doesn't answer for names at 169.254.169.250: no answer within 2 s",
    );
    check(
        |names| names.metadata = "it answers HTTP/1.1 503".into(),
        "names: the name service of host2 gives no metadata at 169.254.169.250: it answers HTTP/1.1 503",
    );
    check(
        |names| names.name = "it doesn't know the name web.shop.rancher.internal".into(),
        "names: the name service of host2 answers wrongly: it doesn't know the name web.shop.rancher.internal",
    );
}
