//! `deploy` of version 3, as far as it says what a service here can do.

use super::{Draft, resources};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::{keys, quantity};
use drover_core::label;

/// Read it. Comes after the service's other keys, which win over it.
pub(super) fn read(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    for (key, field) in field.known(keys::DEPLOY, to).unwrap_or_default() {
        match key {
            "mode" => mode(&field, draft, to),
            "replicas" => {
                let replicas = field.whole(to);
                draft.service.scale = draft.service.scale.or(replicas);
            }
            "update_config" => update(&field, draft, to),
            "resources" => limits(&field, draft, to),
            _ => placement(&field, draft, to),
        }
    }
}

fn mode(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    match field.scalar().map(|s| s.text.as_str()) {
        Some("replicated") => {}
        Some("global") => {
            draft.spec.labels.insert(label::GLOBAL.into(), "true".into());
        }
        _ => field.wrong("replicated or global", to),
    }
}

fn update(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let upgrade = &mut draft.service.upgrade;
    for (key, field) in field.known(keys::UPDATE, to).unwrap_or_default() {
        match key {
            "parallelism" => {
                let all_at_once = field.scalar().is_some_and(|s| s.text == "0");
                let number =
                    if all_at_once { Some(u32::MAX) } else { field.within(1, u32::MAX, to) };
                upgrade.batch_size = upgrade.batch_size.or(number);
            }
            "delay" => {
                let span = field.duration_ms(to);
                upgrade.interval_ms = upgrade.interval_ms.or(span);
            }
            _ => {
                let start_first = match field.scalar().map(|s| s.text.as_str()) {
                    Some("start-first") => Some(true),
                    Some("stop-first") => Some(false),
                    _ => field.expected("start-first or stop-first", to),
                };
                upgrade.start_first = upgrade.start_first.or(start_first);
            }
        }
    }
}

fn limits(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let spec = &mut draft.spec;
    for (part, field) in field.known(keys::RESOURCES, to).unwrap_or_default() {
        for (key, field) in field.known(keys::RESOURCE, to).unwrap_or_default() {
            match (part, key) {
                ("limits", "cpus") => resources::cpus(&field, spec, to),
                ("limits", "memory") => spec.memory = field.bytes(to),
                ("limits", _) => spec.pids_limit = field.whole(to),
                (_, "memory") => spec.memory_reservation = field.bytes(to),
                (_, "cpus") => {
                    let milli = field.scalar().and_then(|s| quantity::thousandths(&s.text));
                    spec.milli_cpu_reservation =
                        milli.or_else(|| field.expected("a number of CPUs like 0.5", to));
                }
                _ => drop(field.error(to, "processes can be limited, not reserved")),
            }
        }
    }
}

/// `node.labels.gpu == yes` is a host label.
fn placement(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    for (_, field) in field.known(keys::PLACEMENT, to).unwrap_or_default() {
        for field in field.items(to).unwrap_or_default() {
            let Some(text) = field.text(to) else { continue };
            let parts = text.split_once("==").map(|(name, value)| (name, "", value));
            let parts = parts.or_else(|| text.split_once("!=").map(|(n, v)| (n, "_ne", v)));
            let Some((name, suffix, value)) = parts else {
                field.wrong("node.labels.NAME == VALUE", to);
                continue;
            };
            let Some(name) = name.trim().strip_prefix("node.labels.") else {
                field
                    .error(to, "only labels of hosts can be asked for")
                    .hint("write node.labels.NAME == VALUE and label the host");
                continue;
            };
            let wanted = format!("{name}={}", value.trim());
            let key = format!("{}host_label{suffix}", label::AFFINITY);
            let held = draft.spec.labels.entry(key).or_default();
            if !held.is_empty() {
                held.push(',');
            }
            held.push_str(&wanted);
        }
    }
}
