//! `deploy` of version 3, as far as it says what a service here can do.

use super::upgrade::{MOST, one_of};
use super::{Draft, resources};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::{keys, quantity};
use drover_core::{OnFailure, Pace, label};

/// Read it. Comes after the service's other keys, which win over it.
pub(super) fn read(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let mut update = None;
    for (key, field) in field.known(keys::DEPLOY, to).unwrap_or_default() {
        match key {
            "mode" => mode(&field, draft, to),
            "replicas" => {
                let replicas = field.whole(to);
                draft.service.scale = draft.service.scale.or(replicas);
            }
            "update_config" => update = Some(field),
            "rollback_config" => rollback(&field, draft, to),
            "resources" => limits(&field, draft, to),
            _ => placement(&field, draft, to),
        }
    }
    // Shares in it are of the number of units.
    if let Some(field) = update {
        self::update(&field, draft, to);
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

/// The pace. What is looked at besides is only told of here, and judged as `upgrade_strategy` has it.
fn update(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let upgrade = &mut draft.service.upgrade;
    let (mut pace, mut ratio) = (Pace::default(), None);
    for (key, field) in field.known(keys::UPDATE, to).unwrap_or_default() {
        let policy = &mut upgrade.policy;
        match key {
            "failure_action" if draft.on_failure.is_none() => {
                let words = [
                    ("continue", OnFailure::Retry),
                    ("pause", OnFailure::Pause),
                    ("rollback", OnFailure::Rollback),
                ];
                policy.on_failure = one_of(&field, &words, to).unwrap_or_default();
            }
            "failure_action" => {}
            "monitor" => {
                draft.verified.get_or_insert_with(|| field.as_named("monitor"));
                policy.verify.for_ms = policy.verify.for_ms.or(field.span_ms(0, to));
            }
            "max_failure_ratio" => {
                let share = field.scalar().and_then(|s| quantity::thousandths(&s.text));
                let share = share.filter(|share| (0..=1000).contains(share));
                ratio = share.or_else(|| field.expected("a share from 0 to 1", to));
            }
            _ => self::pace(key, &field, &mut pace, to),
        }
    }
    upgrade.batch_size = upgrade.batch_size.or(pace.batch_size);
    upgrade.interval_ms = upgrade.interval_ms.or(pace.interval_ms);
    upgrade.start_first = upgrade.start_first.or(pace.start_first);
    let units = i64::from(draft.service.scale.unwrap_or(1));
    let tolerated = ratio.and_then(|ratio| u32::try_from(ratio * units / 1000).ok());
    upgrade.policy.max_failures = upgrade.policy.max_failures.or(tolerated);
}

fn rollback(field: &Field<'_>, draft: &mut Draft, to: &mut Report) {
    let mut back = Pace::default();
    for (key, field) in field.known(keys::ROLLBACK, to).unwrap_or_default() {
        pace(key, &field, &mut back, to);
    }
    let held = &mut draft.service.upgrade.policy.back;
    held.batch_size = held.batch_size.or(back.batch_size);
    held.interval_ms = held.interval_ms.or(back.interval_ms);
    held.start_first = held.start_first.or(back.start_first);
}

fn pace(key: &str, field: &Field<'_>, pace: &mut Pace, to: &mut Report) {
    match key {
        "parallelism" => {
            let all_at_once = field.scalar().is_some_and(|s| s.text == "0");
            pace.batch_size = if all_at_once { Some(MOST) } else { field.within(1, MOST, to) };
        }
        "delay" => pace.interval_ms = field.span_ms(0, to),
        _ => pace.start_first = one_of(field, &[("start-first", true), ("stop-first", false)], to),
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
