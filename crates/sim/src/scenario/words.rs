//! The words of a command, read.

use std::collections::BTreeMap;

use drover_core::{
    Condition, ContainerSpec, FinishPolicy, HealthCheck, OnFailure, ScalePolicy, Template,
    UpgradePolicy, Verify,
};

pub(super) fn template(words: &[&str]) -> Result<(Template, BTreeMap<String, String>), String> {
    let mut primary = ContainerSpec::default();
    let mut options = BTreeMap::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "image" => value.clone_into(&mut primary.image),
            "port" => primary.ports.push(value.parse().map_err(|e| format!("{e}"))?),
            "volume" => primary.volumes.push(value.to_owned()),
            "label" => primary.labels.extend([pair(value)?]),
            "global" => {
                primary.labels.insert(drover_core::label::GLOBAL.to_owned(), "true".to_owned());
            }
            "check" => {
                let check = HealthCheck { port: 80, ..HealthCheck::default() };
                primary.health_check = Some(check);
            }
            "loss" => {
                primary.on_host_loss = Some(value.parse().map_err(|e| format!("{e}"))?);
            }
            "once" => {
                primary.labels.insert(drover_core::label::START_ONCE.to_owned(), "true".to_owned());
            }
            _ => {
                options.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    Ok((Template { primary, ..Template::default() }, options))
}

/// A service, and what must be so of it: `db=healthy`.
pub(super) fn condition(text: &str) -> Result<(String, Condition), String> {
    let (name, word) = pair(text)?;
    let condition = Condition::of(&format!("service_{word}"));
    Ok((name, condition.ok_or_else(|| format!("there is no condition {word}"))?))
}

/// What an upgrade decides by itself.
pub(super) fn policy(options: &BTreeMap<String, String>) -> Result<UpgradePolicy, String> {
    let time = |key: &str| options.get(key).map(|text| milliseconds(text)).transpose();
    let is = |key: &str, word: &str| options.get(key).is_some_and(|said| said == word);
    let on_failure = match options.get("on_failure").map(String::as_str) {
        None | Some("retry") => OnFailure::Retry,
        Some("pause") => OnFailure::Pause,
        Some("rollback") => OnFailure::Rollback,
        Some(other) => return Err(format!("on_failure is {other}, not retry, pause or rollback")),
    };
    Ok(UpgradePolicy {
        on_failure,
        max_failures: option(options, "max_failures", drover_core::MAX_FAILURES).map(Some)?,
        deadline_ms: time("deadline")?,
        verify: Verify {
            for_ms: time("verify")?,
            stop: options.contains_key("try_stop"),
            ..Verify::default()
        },
        finish: if is("finish", "auto") { FinishPolicy::Auto } else { FinishPolicy::Manual },
        ..UpgradePolicy::default()
    })
}

pub(super) fn option<T: std::str::FromStr>(
    options: &BTreeMap<String, String>,
    key: &str,
    default: T,
) -> Result<T, String> {
    match options.get(key) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{key} needs a number, not `{text}`")),
    }
}

/// `1-5/2`: from 1 to 5 by 2.
pub(super) fn policy_of(text: &str) -> Result<ScalePolicy, String> {
    let numbers: Vec<u32> = text.split(['-', '/']).filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [min, max, increment] => Ok(ScalePolicy { min: *min, max: *max, increment: *increment }),
        _ => Err(format!("`{text}` is not MIN-MAX/STEP")),
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `500ms`, `20s`, `3h`.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    let units = [("ms", 1), ("s", 1_000), ("h", 3_600_000)];
    let read = |(unit, worth)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()? * worth);
    units.into_iter().find_map(read).ok_or_else(|| format!("`{text}` is not a time"))
}
