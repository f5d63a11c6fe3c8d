//! The forms metadata comes in: text (one level at a time, for shells), JSON and YAML.

use serde_json::{Map, Number, Value};

use super::lookup::escape;

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Yaml,
}

impl Form {
    /// What an `Accept` header asks for; text unless it says otherwise.
    pub(super) fn asked(accept: &str) -> Self {
        let mut kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or("").trim());
        let form = kinds.find_map(|kind| match kind {
            "application/json" | "text/json" => Some(Self::Json),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "x-yaml" => {
                Some(Self::Yaml)
            }
            "text/plain" | "text/html" => Some(Self::Text),
            _ => None,
        });
        form.unwrap_or(Self::Text)
    }

    /// For the `Content-Type` header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }

    /// Write a value.
    pub(super) fn write(self, value: &Value) -> String {
        match self {
            Self::Text => text(value),
            Self::Json => value.to_string(),
            Self::Yaml => {
                let mut written = String::new();
                yaml(&mut written, value, 0);
                written
            }
        }
    }
}

/// A single value raw, without a newline; of everything else the keys, a line each.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => plain(number),
        Value::String(text) => text.clone(),
        Value::Object(fields) => keys(fields),
        Value::Array(items) => items.iter().enumerate().map(|(n, item)| line(n, item)).collect(),
    }
}

fn keys(fields: &Map<String, Value>) -> String {
    let mut lines: Vec<String> = fields
        .iter()
        .map(|(key, value)| {
            let slash = if value.is_object() || value.is_array() { "/" } else { "" };
            format!("{}{slash}\n", escape(key))
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn line(number: usize, item: &Value) -> String {
    let called = |key: &str| item.get(key).and_then(Value::as_str).filter(|name| !name.is_empty());
    match (item, called("name").or_else(|| called("uuid"))) {
        (Value::Object(_), Some(name)) => format!("{number}={}\n", escape(name)),
        (Value::Object(_) | Value::Array(_), _) => format!("{number}/\n"),
        _ => format!("{number}\n"),
    }
}

/// Whole numbers without decimals, however they are held.
fn plain(number: &Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// In blocks; strings as JSON has them, which is YAML too.
fn yaml(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                out.extend([&indent, &Value::from(key.as_str()).to_string(), ":"]);
                nested(out, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.extend([&indent, "-"]);
                nested(out, item, depth);
            }
        }
        single => out.extend([&single.to_string(), "\n"]),
    }
}

fn nested(out: &mut String, value: &Value, depth: usize) {
    let is_block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        yaml(out, value, depth + 1);
    } else {
        out.extend([" ", &value.to_string(), "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_one_level() {
        let check = |value: Value, want: &str| assert_eq!(text(&value), want, "{value}");
        check(json!(null), "");
        check(json!(2.0), "2");
        check(json!(2.5), "2.5");
        check(json!(true), "true");
        check(json!({ "b": 1, "a b": {}, "c": [] }), "a+b/\nb\nc/\n");
        check(
            json!([{ "name": "x y" }, { "uuid": "u" }, {}, [1], 5, "s"]),
            "0=x+y\n1=u\n2/\n3/\n4\n5\n",
        );
        check(json!({}), "");
    }

    #[test]
    fn yaml_is_in_blocks() {
        let value = json!({ "a": [1, { "b": "x: y", "c": [] }], "d": {}, "e": { "f": null } });
        assert_eq!(
            Form::Yaml.write(&value),
            "\"a\":\n  - 1\n  -\n    \"b\": \"x: y\"\n    \"c\": []\n\"d\": {}\n\"e\":\n  \"f\": null\n"
        );
        assert_eq!(Form::Yaml.write(&json!("x")), "\"x\"\n");
    }

    #[test]
    fn the_form_is_what_is_accepted() {
        for (accept, form) in [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("application/json", Form::Json),
            ("text/x-yaml;q=1", Form::Yaml),
            ("application/yaml, application/json", Form::Yaml),
            ("text/html,application/json", Form::Text),
        ] {
            assert_eq!(Form::asked(accept), form, "{accept}");
        }
    }
}
