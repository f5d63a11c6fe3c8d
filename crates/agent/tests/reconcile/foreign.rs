//! Containers that belong to no assigned unit.

use drover_agent::ContainerState;
use drover_core::HostAssignment;

use crate::fake::{Host, key};

#[test]
fn a_unit_that_was_replaced_elsewhere_is_removed() {
    let mut host = Host::plain();
    host.seen();
    host.put(key(2), "", ContainerState::Running);
    host.put(key(2), "side", ContainerState::Exited);
    host.done();
    let result = host.settle();
    assert_eq!(host.done(), "stop primary within 10 s, remove primary, remove side");
    assert!(!result.observed.contains_key(&key(2)), "it is nobody's to hear of");
}

#[test]
fn without_an_assignment_nothing_is_touched() {
    let mut host = Host::plain();
    host.assignment = HostAssignment { cluster: "c".into(), ..HostAssignment::default() };
    host.put(key(2), "", ContainerState::Running);
    host.settle();
    assert_eq!(host.done(), "");
    host.assignment.host = 3;
    host.settle();
    assert_eq!(host.done(), "", "generation 0: nothing was ever assigned");
    host.assignment.generation = 1;
    host.settle();
    assert_eq!(host.done(), "stop primary within 10 s, remove primary");
}

#[test]
fn a_refused_removal_waits() {
    let mut host = Host::plain();
    host.assignment.units.clear();
    host.put(key(2), "", ContainerState::Running);
    host.refuses.insert(String::new(), "device is busy".into());
    let result = host.settle();
    assert_eq!(result.wake_at, Some(host.now + 1_000));
    host.refuses.clear();
    host.now = host.now + 1_000;
    host.settle();
    assert!(host.view.containers.is_empty());
    host.look();
    assert_eq!(host.attempts.units().count(), 0, "what is gone is forgotten");
}
