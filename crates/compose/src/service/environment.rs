//! Environment variables: written in the file, taken from the surroundings, read from other files.

use std::collections::BTreeMap;

use drover_core::ContainerSpec;

use super::Surroundings;
use crate::diagnostic::{Place, Report};
use crate::env_file;
use crate::field::Field;
use crate::yaml::{Scalar, Value};

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    around: Surroundings<'_>,
    spec: &mut ContainerSpec,
    to: &mut Report,
) -> bool {
    match key {
        "environment" => written(field, around, &mut spec.environment, to),
        "env_file" => {
            // What is written in the compose file wins, in whichever order the two keys stand.
            for (name, value) in from_files(field, around, to) {
                spec.environment.entry(name).or_insert(value);
            }
        }
        _ => return false,
    }
    true
}

fn written(
    field: &Field<'_>,
    around: Surroundings<'_>,
    environment: &mut BTreeMap<String, String>,
    to: &mut Report,
) {
    for pair in field.pairs(to).unwrap_or_default() {
        let value = match &pair.value {
            Some(scalar) => Some(plain_text(scalar, &pair.field, to)),
            None => (around.lookup)(&pair.key),
        };
        if let Some(value) = value {
            environment.insert(pair.key, value);
        } else {
            let text = format!("{} is not set here, so containers don't get it", pair.key);
            pair.field.note(to, text);
        }
    }
}

/// The text a scalar becomes as a variable or a label. A plain YAML boolean becomes `true` or `false`, as it
/// did in Rancher; a number stays as it is written.
pub(super) fn plain_text(scalar: &Scalar, field: &Field<'_>, to: &mut Report) -> String {
    if !scalar.plain || scalar.source.is_some() {
        return scalar.text.clone();
    }
    if let Some(value) = scalar.boolean() {
        let value = value.to_string();
        if value != scalar.text {
            let text = format!("`{}` is a YAML boolean and becomes `{value}`", scalar.text);
            field.warn(to, text).hint("quote it if you mean the word");
        }
        return value;
    }
    if let Some(other) = other_reading(&scalar.text) {
        let text = format!("passed as it is written, `{}`; Rancher passed `{other}`", scalar.text);
        field.warn(to, text).hint("quote the one you mean");
    }
    scalar.text.clone()
}

/// What a number without quotes turned into on its way through Rancher, if that is another text.
fn other_reading(text: &str) -> Option<String> {
    let other = match text.split_once('.') {
        None if text.len() > 1 && text.starts_with('0') => {
            i64::from_str_radix(text, 8).ok()?.to_string()
        }
        Some((whole, fraction)) if is_number(whole) && is_number(fraction) && text.len() < 16 => {
            text.parse::<f64>().ok()?.to_string()
        }
        None | Some(_) => return None,
    };
    (other != text).then_some(other)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn from_files(
    field: &Field<'_>,
    around: Surroundings<'_>,
    to: &mut Report,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let files = match &field.node.value {
        Value::Map(_) | Value::Null => {
            return field.expected("a path or a list of paths", to).unwrap_or_default();
        }
        Value::Scalar(_) | Value::List(_) => field.one_or_more(to).unwrap_or_default(),
    };
    for file in files {
        let Some(name) = file.word(to) else { continue };
        let path = crate::beside(&file.at().file, &name);
        let text = match (around.read)(&path) {
            Ok(text) => text,
            Err(why) => {
                file.error(to, format!("cannot read {}: {why}", file.node.found()));
                continue;
            }
        };
        match env_file::parse(&text) {
            Ok(variables) => {
                for env_file::Variable { name, value, .. } in variables {
                    if let Some(value) = value.or_else(|| (around.lookup)(&name)) {
                        all.insert(name, value);
                    }
                }
            }
            Err(bad) => {
                let at = Place { file: path.into(), line: bad.line, column: 1 };
                to.error(&at, "", bad.to_string());
            }
        }
    }
    all
}
