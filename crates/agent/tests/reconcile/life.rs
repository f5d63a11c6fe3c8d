//! Made, started, stopped, started again, removed.

use drover_agent::{ContainerState, VolumeCleanup};
use drover_core::{ContainerSpec, Desired, Phase};

use crate::fake::{Host, key, says};

fn start_once() -> ContainerSpec {
    let labels = [(drover_core::label::START_ONCE.to_owned(), "true".to_owned())];
    ContainerSpec { labels: labels.into(), ..ContainerSpec::default() }
}

#[test]
fn a_unit_comes_up_and_stays() {
    let mut host = Host::plain();
    let first = host.look();
    assert_eq!(says(&first.observed[&key(1)]), (Phase::Starting, false, 0, ""));
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    assert_eq!(host.done(), "create primary, start primary");
    assert_eq!(says(&host.after(100_000)), (Phase::Running, true, 0, ""));
    assert_eq!((host.done().as_str(), host.told().len()), ("", 0));
    assert_eq!(host.seen().containers[""].starts, 1);
}

#[test]
fn nothing_is_begun_while_something_is_going_on() {
    let mut host = Host::plain();
    host.view.busy.insert(key(1), Phase::Pulling);
    let result = host.look();
    assert!(result.ops.is_empty());
    assert_eq!(says(&result.observed[&key(1)]), (Phase::Pulling, false, 0, ""));
}

#[test]
fn stopped_keeps_the_container_and_running_starts_it_again() {
    let mut host = Host::plain();
    host.seen();
    host.done();
    host.want(Desired::Stopped);
    let seen = host.seen();
    assert_eq!(says(&seen), (Phase::Stopped, false, 0, ""));
    assert_eq!((seen.generation, seen.containers[""].exit_code), (2, Some(143)));
    host.want(Desired::Running);
    let seen = host.seen();
    assert_eq!(says(&seen), (Phase::Running, true, 0, ""));
    assert_eq!(seen.containers[""].starts, 2);
    assert_eq!(host.done(), "stop primary within 10 s, start primary");
    assert!(host.told().is_empty(), "what was asked for is no event");
}

#[test]
fn a_missing_member_is_not_made_only_to_be_stopped() {
    let mut host = Host::plain();
    host.want(Desired::Stopped);
    assert_eq!(says(&host.seen()), (Phase::Stopped, false, 0, ""));
    assert_eq!(host.done(), "");
}

#[test]
fn draining_runs_on() {
    let mut host = Host::plain();
    host.seen();
    host.want(Desired::Draining);
    assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
    host.end("", 0);
    assert_eq!(host.seen().phase, Phase::Running);
}

#[test]
fn removed_ends_with_gone() {
    for (cleanup, want) in [
        (VolumeCleanup::Unnamed, "stop primary within 10 s, remove primary"),
        (VolumeCleanup::None, "stop primary within 10 s, remove primary without volumes"),
        (VolumeCleanup::All, "stop primary within 10 s, remove primary with all volumes"),
    ] {
        let mut host = Host::plain();
        host.seen();
        host.container("").cleanup = cleanup;
        host.done();
        host.want(Desired::Removed);
        assert_eq!(says(&host.seen()), (Phase::Gone, false, 0, ""));
        assert_eq!(host.done(), want);
        assert!(host.told().is_empty());
    }
}

#[test]
fn what_docker_is_removing_is_left_to_it() {
    let mut host = Host::plain();
    host.seen();
    host.done();
    host.container("").state = ContainerState::Removing;
    assert_eq!(host.seen().phase, Phase::Starting);
    host.want(Desired::Removed);
    assert_eq!(host.seen().phase, Phase::Stopping);
    assert_eq!(host.done(), "");
    host.vanish("");
    assert_eq!(host.seen().phase, Phase::Gone);
}

#[test]
fn a_container_removed_from_outside_is_made_again() {
    let mut host = Host::plain();
    host.seen();
    host.done();
    host.vanish("");
    let seen = host.seen();
    assert_eq!(says(&seen), (Phase::Running, true, 0, ""));
    assert_eq!(host.done(), "create primary, start primary");
    assert_eq!(seen.containers[""].starts, 1, "it is a new container");
    assert_eq!(host.told(), ["app-web-1: its container was removed from outside; made again"]);
}

#[test]
fn what_docker_could_not_remove_is_made_again() {
    let mut host = Host::plain();
    host.put(key(1), "", ContainerState::Dead);
    assert_eq!(host.seen().phase, Phase::Running);
    assert_eq!(host.done(), "remove primary, create primary, start primary");
}

#[test]
fn of_two_containers_the_one_that_runs_is_kept() {
    let mut host = Host::plain();
    let kept = host.put(key(1), "", ContainerState::Running);
    host.now = host.now + 1;
    host.put(key(1), "", ContainerState::Created);
    assert_eq!(host.seen().containers[""].docker_id, kept);
    assert_eq!(host.done(), "stop primary within 10 s, remove primary".split(", ").nth(1).unwrap());
    host.put(key(1), "no-such-sidekick", ContainerState::Running);
    host.seen();
    assert_eq!(host.done(), "stop no-such-sidekick within 10 s, remove no-such-sidekick");
}

#[test]
fn start_once_runs_once() {
    for (code, message) in [(0, ""), (3, "exited with code 3")] {
        let mut host = Host::of(start_once());
        assert_eq!(says(&host.seen()), (Phase::Running, true, 0, ""));
        host.end("", code);
        let seen = host.after(100_000);
        assert_eq!(says(&seen), (Phase::Completed, false, 0, message));
        assert_eq!(seen.containers[""].exit_code, Some(code));
        host.want(Desired::Stopped);
        assert_eq!(host.seen().phase, Phase::Stopped);
        host.want(Desired::Running);
        assert_eq!(host.seen().phase, Phase::Completed, "a restart doesn't run it again");
        assert_eq!(host.done(), "create primary, start primary");
        host.vanish("");
        assert_eq!(host.seen().phase, Phase::Running, "a new container does");
    }
}

#[test]
fn a_frozen_container_is_left_alone_until_it_is_to_end() {
    let mut host = Host::plain();
    host.seen();
    host.done();
    host.container("").state = ContainerState::Paused;
    let want = (Phase::Running, false, 0, "paused by hand; docker unpause lets it go on");
    assert_eq!(says(&host.seen()), want);
    host.want(Desired::Stopped);
    host.seen();
    assert_eq!(host.done(), "thaw and stop primary within 10 s");
}

#[test]
fn a_unit_without_its_configuration_is_left_alone() {
    let mut host = Host::plain();
    host.seen();
    host.done();
    host.assignment.templates.clear();
    let seen = host.seen();
    assert_eq!(seen.phase, Phase::Pending);
    assert!(seen.message.contains("the configuration 7/1"), "{}", seen.message);
    assert_eq!(host.done(), "");
}
