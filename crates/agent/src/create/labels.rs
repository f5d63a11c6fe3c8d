//! Labels: the user's, Rancher's set ones (scripts and log shippers read them), and those by which the agent knows
//! its own.

use std::collections::HashMap;

use drover_core::{Slot, label, uuid};

use super::Making;

/// Value of the launch-config label of a primary.
const PRIMARY: &str = "io.rancher.service.primary.launch.config";

pub(super) fn labels(making: &Making<'_>) -> HashMap<String, String> {
    let lower = |key: &String| match key.to_ascii_lowercase() {
        folded if folded.starts_with("io.rancher") => folded,
        _ => key.clone(),
    };
    let given = making.spec.labels.iter().map(|(k, v)| (lower(k), v.clone()));
    let set = rancher(making).into_iter().chain(drover(making));
    given.chain(set.map(|(k, v)| (k.to_owned(), v))).collect()
}

fn rancher(making: &Making<'_>) -> Vec<(&'static str, String)> {
    let Making { unit, member, .. } = making;
    let name = unit.display_name(member);
    let service = if member.is_empty() {
        format!("{}/{}", unit.stack, unit.service)
    } else {
        format!("{}/{}/{member}", unit.stack, unit.service)
    };
    let launch_config = if member.is_empty() { PRIMARY.to_owned() } else { (*member).to_owned() };
    let mut set = vec![
        (label::STACK, unit.stack.clone()),
        (label::STACK_SERVICE, service.clone()),
        ("io.rancher.project.name", unit.stack.clone()),
        ("io.rancher.project_service.name", service),
        ("io.rancher.container.name", name.clone()),
        ("io.rancher.container.display_name", name),
        ("io.rancher.container.uuid", uuid(making.cluster, &format!("1i{}", number(making)))),
        (
            "io.rancher.service.deployment.unit",
            uuid(making.cluster, &format!("unit/{}", making.key)),
        ),
        ("io.rancher.service.launch.config", launch_config),
    ];
    if let Slot::Host(host) = making.key.slot {
        set.push((label::REQUESTED_HOST, host.to_string()));
    }
    set
}

fn drover(making: &Making<'_>) -> Vec<(&'static str, String)> {
    vec![
        (label::CLUSTER, making.cluster.to_owned()),
        (label::UNIT, making.key.to_string()),
        (label::MEMBER, making.member.to_owned()),
        (label::GENERATION, making.unit.generation.to_string()),
    ]
}

/// Number of the member's container: the primary's, then the sidekicks' in order.
fn number(making: &Making<'_>) -> u64 {
    let mut members = making.template.template.members().map(|(name, _)| name);
    let place = members.position(|name| name == making.member).unwrap_or_default();
    making.unit.serial + u64::try_from(place).unwrap_or_default()
}
