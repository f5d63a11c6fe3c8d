//! The network doctor: for every kind of fault, exactly what is said. Faults are put into the answers of hosts that are
//! otherwise well.
#![allow(clippy::unwrap_used)] // what isn't there fails the test

mod addresses;
mod hosts;
mod ward;
mod ways;

use drover_core::doctor::{Way, asked, diagnose, targets};
use drover_core::{Change, Host, HostId, World};

use crate::ward::{NOW, PROJECT, Ward, host};

#[test]
fn where_all_is_well_that_is_said_shortly() {
    let summary = |hosts| {
        let diagnosis = Ward::new(hosts).diagnose();
        assert_eq!((diagnosis.findings.len(), diagnosis.hosts.len() as u64), (0, hosts));
        diagnosis.summary
    };
    assert_eq!(
        summary(3),
        "all 3 hosts reach each other (6 ways, packets of up to 1,450 bytes); names, metadata and addresses are as they \
         should be."
    );
    assert_eq!(
        summary(1),
        "host1: nothing is wrong. It is the only host, so there is no way to another to probe."
    );
    assert_eq!(summary(0), "there is no host in this environment.");
    let row = &Ward::new(3).diagnose().hosts[1];
    assert_eq!((row.reached, row.others, row.names, row.answering), (2, 2, true, 1));
}

#[test]
fn who_is_asked_and_about_whom() {
    let mut ward = Ward::new(3);
    ward.absent(3, &Way::default());
    assert_eq!(asked(&ward.world, PROJECT), [HostId(1), HostId(2)]);
    let told = targets(&ward.world, HostId(1), &ward.answers);
    let told: Vec<_> = told
        .iter()
        .map(|t| (t.host, t.address.as_str(), t.gateway.as_str(), t.container.as_str()))
        .collect();
    assert_eq!(told, [(2, "10.0.0.2", "10.42.2.1", "10.42.2.2"), (3, "10.0.0.3", "10.42.3.1", "")]);
}

/// Agents may have looked on either side of a change.
#[test]
fn what_changed_while_they_looked_says_nothing() {
    let ward = Ward::new(2);
    let moved = Host { address: "10.0.0.9".into(), ..host(2) };
    let (now, _) = ward.world.commit(&[Change::PutHost(moved)]).unwrap();
    let told = |before: &World| {
        let diagnosis = diagnose((before, &now), PROJECT, &ward.answers, NOW);
        diagnosis.findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(told(&ward.world), [""; 0]);
    assert_eq!(told(&now), ["behind"], "it did not follow, though it had been told");
}
