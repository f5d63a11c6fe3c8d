//! The kinds of fields, in JSON Schema's words.

use serde_json::{Value, json};

/// A field of a schema document.
pub(super) fn property(field: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    let mut shown = of(field["type"].as_str().unwrap_or_default(), field, known);
    if field["nullable"] == true {
        shown = or_null(shown);
    }
    for name in ["description", "default"] {
        if let (Some(held), Value::Object(members)) = (field.get(name), &mut shown) {
            members.insert(name.to_owned(), held.clone());
        }
    }
    let is_given = field["create"] == true || field["update"] == true;
    if let (false, Value::Object(members)) = (is_given, &mut shown) {
        members.insert("readOnly".to_owned(), json!(true));
    }
    shown
}

/// A type of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn of(kind: &str, field: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    let inner = |prefix: &str| kind.strip_prefix(prefix)?.strip_suffix(']');
    if let Some(of_what) = inner("array[") {
        let list = json!({ "type": "array", "items": of(of_what, &Value::Null, known) });
        return bounded(list, field, [("minItems", "minLength"), ("maxItems", "maxLength")]);
    }
    if let Some(of_what) = inner("map[") {
        let values = of(of_what, &Value::Null, known);
        return json!({ "type": "object", "additionalProperties": values });
    }
    if inner("reference[").is_some() {
        return json!({ "type": "string" });
    }
    match kind {
        "string" => text(field),
        "password" => {
            let mut shown = text(field);
            shown["writeOnly"] = json!(true);
            shown
        }
        "int" => bounded(json!({ "type": "integer" }), field, LIMITS),
        "float" => bounded(json!({ "type": "number" }), field, LIMITS),
        "boolean" => json!({ "type": "boolean" }),
        "date" => json!({ "type": "string", "format": "date-time" }),
        "enum" => json!({ "type": "string", "enum": field["options"] }),
        name if known(name) => reference(name),
        // Whatever JSON there is.
        _ => json!({}),
    }
}

const LIMITS: [(&str, &str); 2] = [("minimum", "min"), ("maximum", "max")];

/// With what the field says of it, in JSON Schema's words.
fn bounded(mut shown: Value, field: &Value, bounds: [(&str, &str); 2]) -> Value {
    for (name, bound) in bounds {
        if let Some(bound) = field.get(bound) {
            shown[name] = bound.clone();
        }
    }
    shown
}

fn text(field: &Value) -> Value {
    let lengths = [("minLength", "minLength"), ("maxLength", "maxLength")];
    let mut shown = bounded(json!({ "type": "string" }), field, lengths);
    if let Some(set) = field["validChars"].as_str() {
        shown["pattern"] = json!(format!("^[{set}]*$"));
    } else if let Some(set) = field["invalidChars"].as_str() {
        shown["pattern"] = json!(format!("^[^{set}]*$"));
    }
    shown
}

fn or_null(mut shown: Value) -> Value {
    match shown.get("type").cloned() {
        Some(Value::String(kind)) => {
            shown["type"] = json!([kind, "null"]);
            if let Some(Value::Array(options)) = shown.get_mut("enum") {
                options.push(Value::Null);
            }
            shown
        }
        _ if shown.get("$ref").is_some() => json!({ "anyOf": [shown, { "type": "null" }] }),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_fields() {
        let known = |name: &str| name == "portRule";
        let check = |kind: &str, want: Value| {
            assert_eq!(property(&json!({ "type": kind, "create": true }), &known), want, "{kind}");
        };
        check("string", json!({ "type": "string" }));
        check("reference[host]", json!({ "type": "string" }));
        check("array[portRule]", json!({ "type": "array", "items": reference("portRule") }));
        check(
            "map[int]",
            json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
        );
        check("json", json!({}));
        check("unheardOf", json!({}));
        check("date", json!({ "type": "string", "format": "date-time" }));
        let field = json!({ "type": "enum", "options": ["a"], "nullable": true, "update": true,
            "default": "a", "description": "why" });
        let want = json!({ "type": ["string", "null"], "enum": ["a", null], "description": "why", "default": "a" });
        assert_eq!(property(&field, &known), want);
        let field = json!({ "type": "portRule", "nullable": true });
        let want =
            json!({ "anyOf": [reference("portRule"), { "type": "null" }], "readOnly": true });
        assert_eq!(property(&field, &known), want);
        let field = json!({ "type": "string", "minLength": 1, "maxLength": 63, "validChars": "a-z-", "update": true });
        let want =
            json!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z-]*$" });
        assert_eq!(property(&field, &known), want);
        let field = json!({ "type": "array[string]", "minLength": 1, "create": true });
        let want = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
        assert_eq!(property(&field, &known), want);
        let field = json!({ "type": "int", "min": 1, "max": 5, "create": true });
        assert_eq!(
            property(&field, &known),
            json!({ "type": "integer", "minimum": 1, "maximum": 5 })
        );
    }
}
