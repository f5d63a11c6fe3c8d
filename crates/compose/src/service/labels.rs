//! Labels: kept as they are; those that steer the platform are looked at, and slips in their names told.

use drover_core::label;

use super::{Draft, environment};
use crate::diagnostic::Report;
use crate::field::{Field, Named};
use crate::suggest::nearest;

/// Label that links the services whose labels match.
const SELECTOR_LINK: &str = "io.rancher.service.selector.link";
/// Label that adopts the containers whose labels match.
const SELECTOR_CONTAINER: &str = "io.rancher.service.selector.container";

/// Names of the platform's labels, without `io.rancher.`.
const KNOWN: &[&str] = &[
    "sidekicks",
    "scheduler.global",
    "scheduler.ips",
    "scheduler.require_any",
    "container.pull_image",
    "container.start_once",
    "container.hostname_override",
    "container.requested_ip",
    "container.network",
    "container.dns",
    "container.dns.priority",
    "container.create_agent",
    "container.agent.role",
    "container.agent_id",
    "container.volume_cleanup_strategy",
    "container.uuid",
    "container.name",
    "container.ip",
    "container.mac_address",
    "container.system",
    "container.display_name",
    "service.selector.link",
    "service.selector.container",
    "service.hash",
    "service.deployment.unit",
    "service.launch.config",
    "service.requested.host.id",
    "service.external_dns",
    "stack.name",
    "stack_service.name",
    "project.name",
    "project_service.name",
    "environment.uuid",
    "loadbalancer.ssl.ports",
    "loadbalancer.proxy-protocol.ports",
    "lb_service.target",
    "lb_service.cert_dir",
    "lb_service.default_cert_dir",
    "lb_service.skip_target_lb_rules",
];

/// Beginnings of families of labels that this program doesn't read.
const FAMILIES: &[&str] = &[
    "container.agent_service.",
    "service.ui_link.",
    "service.allocate.",
    "websocket.proxy.",
    "loadbalancer.target.",
    "cni.",
    "k8s.",
    "network.",
    "internal.",
    "host.",
    "agent.",
];

/// What an affinity can compare.
const AFFINITIES: &[&str] = &[
    "host_label",
    "host_label_ne",
    "host_label_soft",
    "host_label_soft_ne",
    "container_label",
    "container_label_ne",
    "container_label_soft",
    "container_label_soft_ne",
    "container",
    "container_ne",
    "container_soft",
    "container_soft_ne",
];

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, to: &mut Report) -> bool {
    if key != "labels" {
        return false;
    }
    for pair in field.pairs(to).unwrap_or_default() {
        let value = pair.value.as_ref();
        let value = value.map(|v| environment::plain_text(v, &pair.field, to)).unwrap_or_default();
        if pair.key.to_ascii_lowercase().starts_with(PREFIX) {
            check_name(&pair.key, &pair.field, to);
            let named = pair.field.as_named(value.clone());
            draft.platform_labels.insert(pair.key.clone(), named);
        }
        draft.spec.labels.insert(pair.key, value);
    }
    true
}

const PREFIX: &str = "io.rancher.";

/// What the labels together say about the service.
pub(super) fn judge(draft: &mut Draft, to: &mut Report) {
    let spec = &draft.spec;
    draft.service.selector_link = spec.label(SELECTOR_LINK).map(str::to_owned);
    draft.service.selector_container = spec.label(SELECTOR_CONTAINER).map(str::to_owned);
    let sidekicks = find(draft, label::SIDEKICKS).cloned();
    let Some(list) = sidekicks else { return };
    for name in list.name.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let shown = if list.shown == list.name { name.to_owned() } else { list.shown.clone() };
        if draft.sidekicks.iter().any(|held| held.name.eq_ignore_ascii_case(name)) {
            to.error(&list.at, &list.path, format!("the sidekick `{shown}` is listed twice"));
            continue;
        }
        draft.sidekicks.push(Named { name: name.to_owned(), shown, ..list.clone() });
    }
}

/// Where a platform label stands; its name matches in any case.
fn find<'d>(draft: &'d Draft, key: &str) -> Option<&'d Named> {
    let mut labels = draft.platform_labels.iter();
    labels.find(|(held, _)| held.eq_ignore_ascii_case(key)).map(|(_, named)| named)
}

fn check_name(key: &str, field: &Field<'_>, to: &mut Report) {
    let lower = key.to_ascii_lowercase();
    let name = &lower[PREFIX.len()..];
    if let Some(affinity) = name.strip_prefix("scheduler.affinity:") {
        check_affinity(affinity, field, to);
    } else if !KNOWN.contains(&name)
        && !FAMILIES.iter().any(|family| name.starts_with(family))
        && let Some(meant) = nearest(name, KNOWN.iter().copied())
    {
        field
            .warn(to, "no label of this name has an effect")
            .hint(format!("did you mean `{PREFIX}{meant}`?"));
    }
}

fn check_affinity(name: &str, field: &Field<'_>, to: &mut Report) {
    if AFFINITIES.contains(&name) {
        return;
    }
    // Seen in real files, and meant is always the same.
    let negated = name.strip_prefix("not_").map(|name| format!("{name}_ne"));
    let meant = negated
        .filter(|name| AFFINITIES.contains(&name.as_str()))
        .or_else(|| nearest(name, AFFINITIES.iter().copied()).map(str::to_owned));
    let said = field.warn(to, "no affinity of this name has an effect");
    match meant {
        Some(meant) => said.hint(format!("did you mean `{}{meant}`?", label::AFFINITY)),
        None => said.hint(format!("known are {}", AFFINITIES.join(", "))),
    }
}
