//! When a unit can take requests.

use drover_agent::Question;
use drover_core::{
    ContainerSpec, Health, HealthCheck, HealthStrategy, NetworkMode, Phase, Template,
};

use crate::fake::{Host, key, says};

#[test]
fn a_port_has_to_answer_first() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80, 81];
    let result = host.settle();
    let probe = &result.probes[0];
    let question = Question::Ports(vec![80, 81]);
    assert_eq!((probe.address.as_str(), &probe.question), ("10.42.1.1", &question));
    let message = "waiting for it to accept connections at 10.42.1.1 port 80, 81";
    assert_eq!(says(&result.observed[&key(1)]), (Phase::Running, false, 0, message));
    host.accept();
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    // What was found out about one run says nothing of the next.
    host.end("", 1);
    assert_eq!(says(&host.seen()), (Phase::Running, false, 1, message));
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

/// A unit with a check that has ten seconds for the first pass, and five after a restart.
fn checked() -> Host {
    let check = HealthCheck {
        port: 80,
        initializing_timeout_ms: Some(10_000),
        reinitializing_timeout_ms: Some(5_000),
        ..HealthCheck::default()
    };
    Host::of(ContainerSpec { health_check: Some(check), ..ContainerSpec::default() })
}

fn health(host: &mut Host) -> (Health, bool, String) {
    let seen = host.seen();
    (seen.containers[""].health, seen.ready, seen.message)
}

#[test]
fn a_service_s_health_check_decides() {
    let mut host = checked();
    let result = host.settle();
    assert!(matches!(&result.probes[0].question, Question::Health(check) if check.port == 80));
    assert_eq!(result.probes[0].address, "10.42.1.1");
    let not_yet = "its health check has not passed yet".to_owned();
    assert_eq!(health(&mut host), (Health::Starting, false, not_yet));
    host.check(false, Some("refused"));
    assert_eq!(health(&mut host), (Health::Starting, false, "refused".to_owned()));
    host.check(true, None);
    assert_eq!(health(&mut host), (Health::Healthy, true, String::new()));
    host.check(true, Some("answered 503"));
    assert_eq!(health(&mut host), (Health::Unhealthy, false, "answered 503".to_owned()));
}

#[test]
fn what_others_can_judge_as_well_is_told_apart_from_what_docker_finds() {
    let check = |docker, down: Option<&str>, want: (Health, bool)| {
        let mut host = checked();
        host.seen();
        host.check(true, down);
        host.container("").health = docker;
        let seen = host.seen().containers[""].clone();
        assert_eq!((seen.health, seen.probed), want, "{docker:?} {down:?}");
    };
    check(Health::None, None, (Health::Healthy, false));
    check(Health::None, Some("refused"), (Health::Unhealthy, true));
    check(Health::Healthy, Some("refused"), (Health::Unhealthy, true));
    check(Health::Unhealthy, None, (Health::Unhealthy, false));
    check(Health::Unhealthy, Some("refused"), (Health::Unhealthy, false));
}

#[test]
fn who_never_gets_healthy_in_its_time_is_not() {
    let mut host = checked();
    host.seen();
    host.check(false, Some("refused"));
    assert_eq!(host.after(9_999).containers[""].health, Health::Starting);
    host.after(1);
    let late = "it was not healthy within 10 s of its start: refused".to_owned();
    assert_eq!(health(&mut host), (Health::Unhealthy, false, late));
    host.check(true, None);
    assert_eq!(health(&mut host).0, Health::Healthy, "better late than never");
    host.end("", 1);
    host.seen();
    host.after(5_000);
    assert_eq!(health(&mut host).0, Health::Starting, "it was not asked yet");
    host.check(false, Some("refused"));
    let late = "it was not healthy within 5 s of its start: refused".to_owned();
    assert_eq!(health(&mut host), (Health::Unhealthy, false, late));
}

#[test]
fn an_agent_that_starts_again_believes_who_was_well() {
    let mut host = checked();
    host.seen();
    host.check(true, None);
    host.after(60_000);
    host.view.checked.clear(); // as in another process
    let result = host.settle();
    assert!(result.probes[0].was_well);
    assert_eq!(health(&mut host), (Health::Healthy, true, String::new()));
    host.check(true, Some("answered 503"));
    assert_eq!(health(&mut host).0, Health::Unhealthy);
    // The next run begins anew.
    host.view.checked.clear();
    host.end("", 1);
    assert_eq!(health(&mut host).0, Health::Starting);
}

#[test]
fn without_a_server_who_is_not_healthy_is_started_again() {
    for (strategy, again) in [
        (HealthStrategy::Recreate, true),
        (HealthStrategy::None, false),
        (HealthStrategy::RecreateOnQuorum, false),
    ] {
        let check = HealthCheck { port: 80, strategy, ..HealthCheck::default() };
        let mut host =
            Host::of(ContainerSpec { health_check: Some(check), ..ContainerSpec::default() });
        host.seen();
        host.check(true, Some("answered 503"));
        host.done();
        host.seen();
        assert_eq!(host.done(), "", "a server decides");
        host.view.alone = true;
        host.seen();
        let done = if again { "stop primary within 10 s, start primary" } else { "" };
        assert_eq!(host.done(), done, "{strategy:?}");
        let told = "app-web-1: answered 503, and there is no server to ask; started again";
        assert_eq!(host.told().iter().any(|text| text == told), again);
        assert_eq!(health(&mut host).0 == Health::Starting, again);
        assert_eq!(host.seen().attempt, u32::from(again), "so that it is tried ever more slowly");
    }
}

#[test]
fn a_sidekick_s_check_counts_for_its_unit() {
    let check = HealthCheck { port: 81, ..HealthCheck::default() };
    let sidekick = ContainerSpec { health_check: Some(check), ..ContainerSpec::default() };
    let template = Template {
        primary: ContainerSpec::default(),
        sidekicks: [("log".to_owned(), sidekick)].into(),
    };
    let mut host = Host::with(template);
    let message = "sidekick log: its health check has not passed yet";
    assert_eq!(says(&host.seen()), (Phase::Running, false, 0, message));
}
