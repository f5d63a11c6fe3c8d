//! Free data of the user's: YAML into JSON.

use serde_json::{Map, Number, Value as Json};

use crate::yaml::{Node, Scalar, Value};

/// A value as JSON. Quoted text and text with variables in it stay text.
pub(crate) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => scalar_to_json(scalar),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => {
            let entries = entries.iter().map(|e| (e.key.clone(), to_json(&e.value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn scalar_to_json(scalar: &Scalar) -> Json {
    let text = || Json::String(scalar.text.clone());
    if !scalar.plain || scalar.source.is_some() {
        return text();
    }
    if let Some(value) = scalar.boolean() {
        return Json::Bool(value);
    }
    number(&scalar.text).map_or_else(text, Json::Number)
}

/// A number in the form that JSON has too; `0777`, `1_000`, `.inf` and the like stay text.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit())
        || (digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."))
    {
        return None;
    }
    let number: Number = serde_json::from_str(text).ok()?;
    if !number.is_f64() {
        return Some(number);
    }
    // Its own reading of fractions is off by the last bit at times.
    Number::from_f64(text.parse().ok()?)
}
