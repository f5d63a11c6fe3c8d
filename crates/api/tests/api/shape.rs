//! The strictness of typed clients: what a schema says of a field holds for every answer. A number where a text is
//! promised, or a fraction where a whole number is, ends a Go client.

use std::collections::BTreeMap;

use serde_json::Value;

/// Schemas by name.
pub(crate) type Schemas = BTreeMap<String, Value>;

/// Everything in an answer that is not as its schema says, rows of a collection included.
pub(crate) fn wrong(schemas: &Schemas, answer: &Value) -> Vec<String> {
    let kind = answer["type"].as_str().unwrap_or_default();
    if kind == "collection" {
        let rows = answer["data"].as_array().into_iter().flatten();
        return rows.flat_map(|row| wrong(schemas, row)).collect();
    }
    let mut found = Vec::new();
    for member in ["links", "actions"] {
        let texts = answer.get(member).and_then(Value::as_object);
        // What isn't a resource has no id, and needs neither.
        let needed = answer.get("id").is_some();
        if needed && texts.is_none_or(|texts| !texts.values().all(Value::is_string)) {
            found.push(format!("{kind}.{member} is not a map of texts"));
        }
    }
    let Some(schema) = schemas.get(kind) else { return found };
    let fields = schema["resourceFields"].as_object().into_iter().flatten();
    for (name, field) in fields {
        let wanted = field["type"].as_str().unwrap_or_default();
        if let Some(value) = answer.get(name).filter(|value| !fits(value, wanted)) {
            found.push(format!("{kind}.{name} is {value}, not {wanted}"));
        }
    }
    found
}

fn fits(value: &Value, wanted: &str) -> bool {
    if value.is_null() {
        return true;
    }
    let inner = |prefix: &str| {
        wanted.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']')).map(str::to_owned)
    };
    if let Some(item) = inner("array[") {
        return value.as_array().is_some_and(|list| list.iter().all(|one| fits(one, &item)));
    }
    if let Some(item) = inner("map[") {
        return value.as_object().is_some_and(|map| map.values().all(|one| fits(one, &item)));
    }
    match wanted {
        "string" | "date" | "enum" | "password" | "blob" => value.is_string(),
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        "json" => true,
        wanted if wanted.starts_with("reference[") => value.is_string(),
        _ => value.is_object(),
    }
}
