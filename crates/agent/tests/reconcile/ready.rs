//! When a unit can take requests.

use drover_core::{ContainerSpec, Health, NetworkMode, Phase};

use crate::fake::{Host, key, says};

#[test]
fn a_port_has_to_answer_first() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80, 81];
    let result = host.settle();
    let probe = &result.probes[0];
    assert_eq!((probe.address.as_str(), &probe.ports), ("10.42.1.1", &vec![80, 81]));
    let message = "waiting for it to accept connections at 10.42.1.1 port 80, 81";
    assert_eq!(says(&result.observed[&key(1)]), (Phase::Running, false, 0, message));
    host.view.accepting.insert(key(1));
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
}

#[test]
fn docker_s_health_check_decides() {
    for (health, ready, message) in [
        (Health::None, true, ""),
        (Health::Starting, false, "its health check has not passed yet"),
        (Health::Healthy, true, ""),
        (Health::Unhealthy, false, "its health check fails"),
    ] {
        let mut host = Host::plain();
        host.seen();
        host.container("").health = health;
        let seen = host.seen();
        assert_eq!(says(&seen), (Phase::Running, ready, 0, message));
        assert_eq!(seen.containers[""].health, health);
    }
}

#[test]
fn where_a_unit_is_asked() {
    let check = |network, want: Option<&str>| {
        let mut host = Host::of(ContainerSpec { network, ..ContainerSpec::default() });
        host.unit_mut().ready_ports = vec![80];
        host.seen();
        if want != Some("10.42.1.1") {
            host.container("").address.clear();
        }
        let probes = host.settle().probes;
        assert_eq!(probes.first().map(|p| p.address.as_str()), want);
    };
    check(NetworkMode::Managed, Some("10.42.1.1"));
    check(NetworkMode::Bridge, Some("10.42.1.1"));
    check(NetworkMode::Host, Some("127.0.0.1"));
    check(NetworkMode::None, None);
}

#[test]
fn a_unit_without_network_says_why_it_is_not_ready() {
    let spec = ContainerSpec { network: NetworkMode::None, ..ContainerSpec::default() };
    let mut host = Host::of(spec);
    host.unit_mut().ready_ports = vec![80];
    host.seen();
    host.container("").address.clear();
    assert_eq!(
        says(&host.seen()).3,
        "it has no network of its own, so its port 80 can't be reached"
    );
}
