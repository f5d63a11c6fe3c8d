//! Rancher's own keys: scale, upgrades, metadata and the like.

use drover_core::{Driver, ScalePolicy};
use serde_json::{Map, Value};

use super::{Draft, metadata, upgrade};
use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, to: &mut Report) -> bool {
    let service = &mut draft.service;
    match key {
        "scale" => service.scale = scale(field, to),
        "start_on_create" => service.start_on_create = field.boolean(to).unwrap_or(true),
        "retain_ip" => service.retain_ip = field.boolean(to).unwrap_or_default(),
        "drain_timeout_ms" => draft.spec.drain_timeout_ms = field.whole(to),
        "on_host_loss" => draft.spec.on_host_loss = parsed(field, to),
        "upgrade_strategy" => upgrade::read(field, draft, to),
        "scale_policy" => service.scale_policy = scale_policy(field, to),
        "metadata" => service.metadata.extend(free(field, to)),
        "storage_driver" => service.driver = storage_driver(field, to).map(Driver::Storage),
        "extends" => {} // Resolved before; what is left of it says nothing.
        _ => return false,
    }
    true
}

/// Free data.
fn free(field: &Field<'_>, to: &mut Report) -> Map<String, Value> {
    let entries = field.entries(to).unwrap_or_default().into_iter();
    entries.map(|(entry, field)| (entry.key.clone(), metadata::to_json(field.node))).collect()
}

/// What is said of a driver of volumes, spelled as the API does.
fn storage_driver(field: &Field<'_>, to: &mut Report) -> Option<Map<String, Value>> {
    let said = field.known(keys::STORAGE_DRIVER, to)?.into_iter();
    Some(said.map(|(key, field)| (camel(key), metadata::to_json(field.node))).collect())
}

fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        all.push_str(&head.to_ascii_uppercase());
        all.push_str(tail);
        all
    })
}

/// A text that means something in the model.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &Field<'_>,
    to: &mut Report,
) -> Option<T> {
    let text = field.text(to)?;
    match text.parse() {
        Ok(read) => Some(read),
        Err(why) => {
            field.error(to, T::Err::to_string(&why));
            None
        }
    }
}

fn scale(field: &Field<'_>, to: &mut Report) -> Option<u32> {
    match field.whole::<u32>(to)? {
        0 => {
            field
                .warn(to, "0 is read as 1, as Rancher does")
                .hint("to make a service without starting it, say `start_on_create: false`");
            Some(1)
        }
        scale => Some(scale),
    }
}

fn scale_policy(field: &Field<'_>, to: &mut Report) -> Option<ScalePolicy> {
    let mut policy = ScalePolicy { min: 1, max: 0, increment: 1 };
    let keys = field.known(keys::SCALE_POLICY, to)?;
    if keys.is_empty() {
        return None;
    }
    for (key, field) in keys {
        let number = field.within(1, u32::MAX, to)?;
        match key {
            "min" => policy.min = number,
            "max" => policy.max = number,
            _ => policy.increment = number,
        }
    }
    // As in Rancher, where each of them is 1 unless it is said: it must not grow without end.
    if policy.max == 0 {
        policy.max = policy.min;
    }
    if policy.min > policy.max {
        field.error(to, "`min` is greater than `max`");
        return None;
    }
    Some(policy)
}
