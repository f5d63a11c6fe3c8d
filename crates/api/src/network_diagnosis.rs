//! What the network doctor found, as the API shows it. An addition to Rancher's types, in their style.

use drover_core::HostId;
use drover_core::doctor::{Diagnosis, Finding, HostRow, Severity};
use serde_json::{Value, json};

use crate::ids::Kind;

/// A `networkDiagnosis`.
pub fn network_diagnosis(diagnosis: &Diagnosis) -> Value {
    json!({
        "id": null,
        "type": "networkDiagnosis",
        "links": {},
        "actions": {},
        "healthy": diagnosis.is_healthy(),
        "summary": diagnosis.summary,
        "hosts": diagnosis.hosts.iter().map(host).collect::<Vec<_>>(),
        "findings": diagnosis.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn host(row: &HostRow) -> Value {
    json!({
        "hostId": id(row.host),
        "name": row.name,
        "address": row.address,
        "subnet": row.subnet,
        "examined": row.examined,
        "mtu": row.mtu,
        "otherHosts": row.others,
        "reachedHosts": row.reached,
        "namesAnswered": row.names,
        "addresses": row.addresses,
        "answeringAddresses": row.answering,
    })
}

fn finding(finding: &Finding) -> Value {
    let hosts: Vec<String> = finding.hosts.iter().map(|host| id(*host)).collect();
    json!({
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": finding.code,
        "hostIds": hosts,
        "message": finding.what,
        "advice": finding.advice,
    })
}

fn id(host: HostId) -> String {
    Kind::Host.id(host.0)
}
