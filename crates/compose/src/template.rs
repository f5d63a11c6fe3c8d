//! Go's text templates, as catalogs write them in compose files: values filled in, parts left out or repeated.
//!
//! `{{ .Values.x }}`, `if`/`else`/`with`/`range`, variables, pipelines, trim markers, and of the functions those that compose
//! files use: Go's own and the part of sprig that needs neither randomness nor the machine it runs on. Not here: `define` and
//! `template`, and what a template could ask of the world.
//!
//! Pure and bounded: a template that never ends, nests too deep or grows too large is an error like any other, with its place.
//! Unlike with Rancher a mistake that shows only in execution is one too; there, what had been written so far was used.

mod action;
mod functions;
mod parse;
mod run;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Larger texts than any compose file.
const LARGEST: usize = 4 << 20;

/// What a template can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `.Values.x`
    pub values: BTreeMap<String, String>,
    /// `.Stack.Name` and `.Release.Name`
    pub stack: String,
    /// `.Stack.Version`: of the catalog's template.
    pub version: String,
    /// `.Stack.PreviousVersion`: the same, before an upgrade.
    pub previous_version: String,
    /// `.Environment.Name`
    pub environment: String,
}

/// What is wrong with a template, and where. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadTemplate {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// What, and what to do.
    pub message: String,
}

/// Whether a text is a template: it has an action, and does not begin with the line that says it is none.
pub fn is_template(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let says_no = first.strip_prefix('#').is_some_and(|rest| rest.trim() == "notemplating");
    text.contains("{{") && !says_no
}

/// The text that a template stands for. One that is no template stands for itself.
///
/// # Errors
///
/// It makes no sense, or has no end.
pub fn render(text: &str, given: &Given) -> Result<String, BadTemplate> {
    if !is_template(text) {
        return Ok(text.to_owned());
    }
    let release = json!({
        "Name": given.stack,
        "Version": given.version,
        "PreviousVersion": given.previous_version,
    });
    let root = json!({
        "Values": given.values,
        "Stack": release,
        "Release": release,
        "Environment": { "Name": given.environment },
    });
    let bad = |wrong: Wrong| wrong.placed(text);
    if text.len() > LARGEST {
        return Err(bad(Wrong::at(0, "the text is larger than 4 MB")));
    }
    let nodes = parse::parse(text).map_err(bad)?;
    run::run(&nodes, &root).map_err(bad)
}

/// What is wrong, at a byte of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    at: usize,
    message: String,
}

impl Wrong {
    fn at(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    fn placed(self, text: &str) -> BadTemplate {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        BadTemplate { line, column, message: self.message }
    }
}

/// A value in words, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Go's truth: what is empty is false.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// As it is written out. What is not there is written as nothing.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Value::Object(members) => {
            let shown = members.iter().map(|(name, value)| format!("{name}:{}", shown(value)));
            format!("map[{}]", shown.collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod tests;
