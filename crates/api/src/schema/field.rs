//! One field of a type, written as a chain of constant functions: `Field::cru("name", "string").required()`.

use serde_json::{Value, json};

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// `string`, `int`, `boolean`, `date`, `enum`, `json`, `password`, `reference[service]`, `array[string]`,
    /// `map[string]`, or the name of a type.
    pub(crate) kind: &'static str,
    create: bool,
    update: bool,
    required: bool,
    default: Option<&'static str>,
    min: Option<i64>,
    max: Option<i64>,
    options: &'static [&'static str],
    description: &'static str,
}

impl Field {
    const fn new(name: &'static str, kind: &'static str, create: bool, update: bool) -> Self {
        let (required, default, min, max) = (false, None, None, None);
        let (options, description): (&[&str], _) = (&[], "");
        Self { name, kind, create, update, required, default, min, max, options, description }
    }

    /// Only in answers.
    pub(crate) const fn r(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, kind, false, false)
    }

    /// Given at creation.
    pub(crate) const fn cr(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, kind, true, false)
    }

    /// Given at creation and changed by PUT.
    pub(crate) const fn cru(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, kind, true, true)
    }

    /// Changed by PUT only.
    pub(crate) const fn ru(name: &'static str, kind: &'static str) -> Self {
        Self::new(name, kind, false, true)
    }

    /// Must be given.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// JSON text of the value when it isn't given.
    pub(crate) const fn default(self, json: &'static str) -> Self {
        Self { default: Some(json), ..self }
    }

    /// Least number.
    pub(crate) const fn min(self, min: i64) -> Self {
        Self { min: Some(min), ..self }
    }

    /// Least and greatest number.
    pub(crate) const fn range(self, min: i64, max: i64) -> Self {
        Self { min: Some(min), max: Some(max), ..self }
    }

    /// Values of an enum.
    pub(crate) const fn options(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    /// What its name alone does not say.
    pub(crate) const fn about(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// As a schema document shows it to one who may make resources of its type, or change them. What is at its default
    /// is left out: documents are fetched with every command.
    pub(crate) fn document(&self, makes: bool, changes: bool) -> Value {
        let mut shown = json!({
            "type": self.kind,
            "create": self.create && makes,
            "update": self.update && changes,
            "required": self.required,
            "nullable": !self.required,
        });
        if let Some(default) = self.default {
            // Written in this crate as JSON; a test parses every one of them.
            shown["default"] = serde_json::from_str(default).unwrap_or(Value::Null);
        }
        if let Some(min) = self.min {
            shown["min"] = json!(min);
        }
        if let Some(max) = self.max {
            shown["max"] = json!(max);
        }
        if !self.options.is_empty() {
            shown["options"] = json!(self.options);
        }
        if !self.description.is_empty() {
            shown["description"] = json!(self.description);
        }
        shown
    }

    /// Which comparisons a list can be filtered by; none for what isn't a plain value.
    pub(crate) fn modifiers(&self) -> &'static [&'static str] {
        match self.kind {
            "string" => &["eq", "ne", "prefix", "like", "notlike", "null", "notnull"],
            "int" | "float" | "date" => &["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"],
            "boolean" | "enum" => &["eq", "ne", "null", "notnull"],
            kind if kind.starts_with("reference[") => &["eq", "ne", "null", "notnull"],
            _ => &[],
        }
    }

    /// The default, for the test that they all parse.
    #[cfg(test)]
    pub(crate) fn default_text(&self) -> Option<&'static str> {
        self.default
    }
}

/// Fields that nearly every type has.
pub(crate) const COMMON: &[Field] = &[
    Field::r("id", "string"),
    Field::r("state", "string"),
    Field::r("kind", "string"),
    Field::r("uuid", "string"),
    Field::r("accountId", "reference[project]"),
    Field::r("created", "date"),
    Field::r("removed", "date"),
    Field::r("removeTime", "date"),
    Field::r("transitioning", "enum").options(&["yes", "no", "error"]),
    Field::r("transitioningMessage", "string"),
    Field::r("transitioningProgress", "int"),
];
