//! What is said of the ways between hosts.

use drover_core::HostId;
use drover_core::doctor::Reach;

use crate::ward::Ward;

#[test]
fn a_dropped_tunnel_is_told_apart_by_direction() {
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1500, 0);
    ward.says(&[
        "udp-dropped: UDP 4789 from host1 (10.0.0.1) to host2 (10.0.0.2) is dropped, though the addresses reach each \
         other, while host1 hears host2: containers there don't",
    ]);
    let diagnosis = ward.diagnose();
    assert_eq!(diagnosis.findings[0].hosts, [HostId(1), HostId(2)]);
    assert_eq!(
        diagnosis.findings[0].advice,
        "open UDP 4789 from host1 (10.0.0.1) to host2 (10.0.0.2), in the hosts' own firewalls and in what is between them"
    );
    assert_eq!(diagnosis.summary, "1 thing is wrong.");
    let reached: Vec<_> = diagnosis.hosts.iter().map(|row| row.reached).collect();
    assert_eq!(reached, [1, 1, 2]);

    ward.narrow(2, 1, 1500, 0);
    ward.says(&[
        "udp-dropped: UDP 4789 between host1 (10.0.0.1) and host2 (10.0.0.2) is dropped, both ways, though the addresses \
         reach each other: containers there don't",
    ]);
}

/// Echo is not tried at addresses that are not IPv4.
#[test]
fn what_was_not_tried_is_not_said_to_fail() {
    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 0, 0);
    for (from, to) in [(1, 2), (2, 1)] {
        ward.probed(from).ways.get_mut(&to).unwrap().underlay = Reach::default();
    }
    ward.says(&[
        "udp-dropped: UDP 4789 between host1 (10.0.0.1) and host2 (10.0.0.2) is dropped, both ways: containers there \
         don't reach each other",
    ]);
}

#[test]
fn a_host_in_trouble_with_everyone_is_named_once() {
    let mut ward = Ward::new(4);
    for other in 1..=3 {
        ward.narrow(other, 4, 1500, 0);
    }
    ward.says(&[
        "udp-dropped: UDP 4789 from any other host to host4 (10.0.0.4) is dropped, though the addresses reach each other, \
         while what host4 sends does arrive: containers there don't",
    ]);
    let mut ward = Ward::new(4);
    for other in 1..=3 {
        ward.narrow_both(other, 4, 0, 0);
    }
    ward.says(&[
        "no-way: host4 (10.0.0.4) is cut off from all other hosts: neither ICMP echo nor UDP 4789 passes, either way",
    ]);
    let mut ward = Ward::new(3);
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
        ward.narrow_both(one, other, 0, 0);
    }
    ward.says(&["no-way: nothing arrives between any two hosts, neither ICMP echo nor UDP 4789"]);
    let advice = ward.diagnose().findings[0].advice.clone();
    assert!(advice.contains("an agent's --address sets its own"), "{advice}");
}

#[test]
fn silence_in_one_direction() {
    let mut ward = Ward::new(3);
    ward.narrow(3, 1, 0, 0);
    ward.says(&[
        "no-way: nothing arrives from host3 (10.0.0.3) to host1 (10.0.0.1), neither ICMP echo nor UDP 4789, while host3 \
         hears host1",
    ]);
    let way = ward.probed(3).ways.get_mut(&1).unwrap();
    way.underlay.said = "its own kernel says: Operation not permitted".into();
    let what = ward.diagnose().findings[0].what.clone();
    assert!(
        what.ends_with(" (host3 was told: its own kernel says: Operation not permitted)"),
        "{what}"
    );
}

#[test]
fn small_packets_pass_and_large_ones_do_not() {
    let mut ward = Ward::new(3);
    ward.narrow_both(2, 3, 1400, 1350);
    ward.says(&[
        "small-mtu: between host2 (10.0.0.2) and host3 (10.0.0.3), packets of 1,350 bytes pass, 1,450 don't: something on \
         the way takes no more than 1,400 bytes, where hosts send 1,500. Connections open and then hang",
    ]);
    assert_eq!(
        ward.diagnose().findings[0].advice,
        "raise the MTU on the way to 1,500, or lower that of the hosts' devices to 1,400: agents follow within 15 s"
    );
    ward.examined(3).underlay_mtu = 1400;
    ward.examined(3).mtu = 1350;
    let what = ward.diagnose().findings[0].what.clone();
    assert!(what.contains("the devices of host2 take 1,500 bytes, those of host3 1,400"), "{what}");
    let mut ward = Ward::new(3);
    ward.narrow(1, 2, 1400, 1350);
    ward.says(&[
        "small-mtu: from host1 (10.0.0.1) to host2 (10.0.0.2), packets of 1,350 bytes pass, 1,450 don't: something on the \
         way takes no more than 1,400 bytes, where hosts send 1,500. Connections open and then hang",
    ]);
}

#[test]
fn a_host_that_forwards_nothing() {
    let mut ward = Ward::new(3);
    for other in [1, 2] {
        ward.probed(other).ways.get_mut(&3).unwrap().container = Some(false);
    }
    ward.says(&[
        "not-forwarded: from any other host to host3 (10.0.0.3), gateways are reached, but no container behind them: it \
         is not forwarded",
    ]);
    let row = &ward.diagnose().hosts[2];
    assert_eq!((row.reached, row.others), (0, 2));
}

#[test]
fn blocked_echo_alone_is_a_warning() {
    let mut ward = Ward::new(2);
    ward.narrow_both(1, 2, 0, 1450);
    ward.says(&[
        "(warning) no-echo: ICMP echo between host1 (10.0.0.1) and host2 (10.0.0.2) is not answered at host addresses; \
         through the network everything passes",
    ]);
    let summary = ward.diagnose().summary;
    assert!(summary.ends_with("as they should be; 1 warning."), "{summary}");
}

#[test]
fn an_answered_echo_counts_even_if_the_other_heard_nothing() {
    // Its agent was asked too late to hear it.
    let mut ward = Ward::new(2);
    ward.probed(2).heard.clear();
    ward.says(&[]);
}
