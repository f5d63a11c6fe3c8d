//! Whether an answer has the fields that clients were given, each of the kind it had.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

type Fields = BTreeMap<String, String>;

/// By type: each field of it, and of which kind it was. `(is)` names fields that it has too.
static SHAPES: LazyLock<BTreeMap<String, Fields>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../recorded/shapes.json")).unwrap());

/// What clients can't bear to be null.
const NEVER_NULL: [&str; 7] = ["id", "type", "links", "actions", "data", "launchConfig", "labels"];

/// What is wrong with an answer and what it holds.
pub(super) fn wrong(answer: &Value, base: &str) -> Vec<String> {
    let mut found = Vec::new();
    let name = answer["type"].as_str().unwrap_or("an answer without a type");
    // Of some types nobody ever got any.
    if let Some(fields) = SHAPES.get(name) {
        check(answer, name, fields, &mut found);
    }
    for urls in ["links", "actions"] {
        let urls = answer[urls].as_object().into_iter().flatten();
        let relative =
            urls.filter(|(_, url)| !url.as_str().is_some_and(|url| url.starts_with(base)));
        found.extend(relative.map(|(link, url)| format!("{name}: {link} leads to {url}")));
    }
    let rows = answer["data"].as_array().into_iter().flatten();
    found.extend(rows.flat_map(|row| wrong(row, base)));
    found.sort_unstable();
    found.dedup();
    found
}

fn check(answer: &Value, name: &str, fields: &Fields, found: &mut Vec<String>) {
    for (field, kind) in fields {
        if field == "(is)" {
            check(answer, name, &SHAPES[kind], found);
            continue;
        }
        let Some(value) = answer.get(field) else {
            found.push(format!("{name} has no {field}"));
            continue;
        };
        let is_null = value.is_null() && !(NEVER_NULL.contains(&field.as_str()) && kind != "any");
        if !is_null && !is(value, kind) {
            found.push(format!("{name}.{field} is {value} and no {kind}"));
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "any" => true,
        "boolean" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => {
            let of = kind.trim_start_matches("array[").trim_end_matches(']');
            value.as_array().is_some_and(|items| items.iter().all(|item| is(item, of)))
        }
    }
}
