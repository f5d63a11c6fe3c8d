//! A tree as YAML text.
//!
//! Texts that any YAML reader might take for something else are quoted; dollar signs in values are doubled,
//! because a compose file's values are searched for variables. Keys are not.

use std::fmt::Write;

use serde_json::{Map, Value};

/// A whole file.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, 0, &mut out);
    out
}

/// After a key's colon: on the same line, or below it.
fn write_value(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            if depth > 0 {
                out.push('\n');
            }
            write_map(map, depth, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                indent(depth, out);
                out.push('-');
                write_item(item, depth, out);
            }
        }
        _ => {
            out.push(' ');
            write_scalar(value, depth, out);
            out.push('\n');
        }
    }
}

/// After an item's dash.
fn write_item(item: &Value, depth: usize, out: &mut String) {
    match item {
        Value::Object(map) if !map.is_empty() => {
            let mut inner = String::new();
            write_map(map, depth + 1, &mut inner);
            // The first key stands behind the dash.
            out.push(' ');
            out.push_str(inner.trim_start_matches(' '));
        }
        _ => write_value(item, depth + 1, out),
    }
}

fn write_map(map: &Map<String, Value>, depth: usize, out: &mut String) {
    for (key, value) in map {
        indent(depth, out);
        write_text(key, out);
        out.push(':');
        write_value(value, depth + 1, out);
    }
}

fn write_scalar(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::String(text) => {
            let text = text.replace('$', "$$");
            if reads_well_as_block(&text) {
                write_block(&text, depth, out);
            } else {
                write_text(&text, out);
            }
        }
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => drop(write!(out, "\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Letters first, nothing with a meaning to YAML after, and no word that is a boolean or null to someone.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-'))
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// What may stand in a YAML file as it is.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Several lines, none of which needs an escape.
fn reads_well_as_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && text.lines().all(|line| !line.ends_with(' '))
}

fn write_block(text: &str, depth: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            indent(depth, out);
            out.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree() {
        let tree = serde_json::json!({
            "version": "2",
            "services": {
                "web": { "image": "a/b:1", "tty": true, "command": ["sh", "-c", "echo $HOME"], "scale": 3 },
                "yes": {},
                "lb": { "rules": [{ "port": 80, "to": ["a", "b"] }, [], ["x"]], "text": "one\n  two\nthree\n" },
            },
            "odd key": "tab\there \u{7f}",
        });
        insta::assert_snapshot!(yaml(&tree), @r#"
        version: "2"
        services:
          web:
            image: "a/b:1"
            tty: true
            command:
              - sh
              - "-c"
              - "echo $$HOME"
            scale: 3
          "yes": {}
          lb:
            rules:
              - port: 80
                to:
                  - a
                  - b
              - []
              -
                - x
            text: |
              one
                two
              three
        "odd key": "tab\there \U0000007f"
        "#);
    }
}
