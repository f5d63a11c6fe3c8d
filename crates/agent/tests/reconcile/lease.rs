//! What must never run twice runs only while a server acknowledges its host.

use drover_agent::{DockerOp, Lease};
use drover_core::{ContainerSpec, OnHostLoss, Phase, Template};

use crate::fake::{Host, key, says};

fn single() -> Host {
    let on_host_loss = Some(OnHostLoss::Fence);
    Host::of(ContainerSpec { on_host_loss, stop_grace_s: Some(60), ..ContainerSpec::default() })
}

#[test]
fn it_ends_with_its_lease_and_starts_with_the_next() {
    let mut host = single();
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    host.view.lease = Lease::Over;
    let halted = host.look();
    let [DockerOp::Stop { grace_s, .. }] = &halted.ops[0].ops[..] else { panic!("{halted:?}") };
    assert!(*grace_s <= 1, "another may start it in a moment");
    let why = "stopped, for no server acknowledges this host, and another may run it instead";
    assert_eq!(says(&host.seen()), (Phase::Starting, false, 0, why));
    let told = host.told();
    assert!(told.iter().all(|event| event.ends_with(why)) && !told.is_empty(), "{told:?}");
    assert_eq!(says(&host.after(60_000)), (Phase::Starting, false, 0, why), "nor is it tried");
    host.view.lease = Lease::Held;
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
}

#[test]
fn what_must_not_run_twice_ends_before_what_only_serves_it() {
    let on_host_loss = Some(OnHostLoss::Fence);
    let sidekicks = [("log".to_owned(), ContainerSpec::default())].into();
    let primary = ContainerSpec { on_host_loss, ..ContainerSpec::default() };
    let mut host = Host::with(Template { primary, sidekicks });
    host.seen();
    host.view.lease = Lease::Over;
    let halted = host.look();
    let order: Vec<&str> = halted.ops[0].ops.iter().map(DockerOp::member).collect();
    assert_eq!(order, ["", "log"]);
}

#[test]
fn an_agent_that_just_started_starts_none_and_stops_none() {
    let mut host = single();
    host.seen();
    host.view.lease = Lease::Unproven;
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    host.end("", 1);
    host.now = host.now + 60_000;
    assert!(host.look().ops.is_empty(), "whether it is still to run here is not known yet");
    host.view.lease = Lease::Held;
    assert_eq!(host.seen().phase, Phase::Running);
}

#[test]
fn what_may_run_twice_goes_on() {
    let mut host = Host::plain();
    host.seen();
    for lease in [Lease::Unproven, Lease::Over] {
        host.view.lease = lease;
        assert_eq!(says(&host.look().observed[&key(1)]).0, Phase::Running);
        host.end("", 1);
        host.now = host.now + 60_000;
        assert_eq!(host.seen().phase, Phase::Running, "{lease:?}");
    }
}
