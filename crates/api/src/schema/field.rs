//! One field of a type, written as a chain of constant functions: `Field::cru("name", "string").required()`.
//!
//! What is said of a field here is what schemas show of it and what [`super::accept()`] holds bodies to; nothing else says it
//! again.

use serde_json::{Value, json};

/// What stands in a stack's, a service's or a sidekick's name.
const NAME_CHARS: &str = "a-zA-Z0-9-";
/// Most characters of a name that becomes a part of DNS names.
const LABEL: u32 = 63;
/// Most characters of any other name, as in Rancher.
const NAME: u32 = 255;
/// Most characters of a description, as in Rancher.
const DESCRIPTION: u32 = 1024;

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// `string`, `int`, `boolean`, `date`, `enum`, `json`, `password`, `reference[service]`, `array[string]`,
    /// `map[string]`, or the name of a type.
    pub(crate) kind: &'static str,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) required: bool,
    default: Option<&'static str>,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    /// Of a text, in characters; of a list, in items.
    pub(super) min_length: Option<u32>,
    pub(super) max_length: Option<u32>,
    pub(super) options: &'static [&'static str],
    /// All that may be in a text, written as between the brackets of a regular expression.
    pub(super) valid_chars: &'static str,
    /// What may not be in a text.
    pub(super) invalid_chars: &'static str,
    /// Why it can't be given when something is made, and what to do instead.
    pub(super) instead: &'static str,
    description: &'static str,
}

impl Field {
    const fn new(name: &'static str, kind: &'static str, create: bool, update: bool) -> Self {
        Self {
            name,
            kind,
            create,
            update,
            required: false,
            default: None,
            min: None,
            max: None,
            min_length: None,
            max_length: None,
            options: &[],
            valid_chars: "",
            invalid_chars: "",
            instead: "",
            description: "",
        }
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

    /// What Rancher knew and Drover can't honour, and what to do instead. It is not shown, and refused when it says something:
    /// a container without the limit it was asked to have is worse than none. Defaults that clients send along pass.
    pub(crate) const fn gone(name: &'static str, instead: &'static str) -> Self {
        Self::r(name, "").instead(instead)
    }

    /// The name of a stack, a service or a sidekick: it becomes a part of DNS names.
    pub(crate) const fn label() -> Self {
        Self::cru("name", "string").length(1, LABEL).valid_chars(NAME_CHARS)
    }

    /// The name of anything else.
    pub(crate) const fn name() -> Self {
        Self::cru("name", "string").length(0, NAME)
    }

    /// What people say of a thing.
    pub(crate) const fn described() -> Self {
        Self::cru("description", "string").length(0, DESCRIPTION)
    }

    /// The same field, which can't be given at creation.
    pub(crate) const fn not_created(self) -> Self {
        Self { create: false, ..self }
    }

    /// The same field, which PUT doesn't change.
    pub(crate) const fn not_updated(self) -> Self {
        Self { update: false, ..self }
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

    /// At least so many, and no more than any client's counter holds.
    pub(crate) const fn count(self, min: i64) -> Self {
        self.range(min, i32::MAX as i64)
    }

    /// Least and greatest number of characters, or of items.
    pub(crate) const fn length(self, min: u32, max: u32) -> Self {
        let min_length = if min == 0 { None } else { Some(min) };
        Self { min_length, max_length: Some(max), ..self }
    }

    /// Least number of characters, or of items.
    pub(crate) const fn min_length(self, min: u32) -> Self {
        Self { min_length: Some(min), ..self }
    }

    /// All that may be in a text, such as `a-z0-9`.
    pub(crate) const fn valid_chars(self, valid_chars: &'static str) -> Self {
        Self { valid_chars, ..self }
    }

    /// What may not be in a text.
    pub(crate) const fn invalid_chars(self, invalid_chars: &'static str) -> Self {
        Self { invalid_chars, ..self }
    }

    /// Values of an enum.
    pub(crate) const fn options(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    /// Why it can't be given when something is made, and what to do instead.
    pub(crate) const fn instead(self, instead: &'static str) -> Self {
        Self { instead, ..self }
    }

    /// What its name alone does not say.
    pub(crate) const fn about(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Whether `null` may stand for it. What can only be written is shown as `null`, and clients send back what they were shown.
    pub(crate) fn is_nullable(&self) -> bool {
        !self.required || self.kind == "password"
    }

    /// Whether schemas show it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.kind.is_empty()
    }

    /// As a schema document shows it to one who may make resources of its type, or change them. What is at its default
    /// is left out: documents are fetched with every command.
    pub(crate) fn document(&self, makes: bool, changes: bool) -> Value {
        let mut shown = json!({
            "type": self.kind,
            "create": self.create && makes,
            "update": self.update && changes,
            "required": self.required,
            "nullable": self.is_nullable(),
        });
        // Written in this crate as JSON; a test parses every one of them.
        let default = self.default.map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
        let text = |text: &str| (!text.is_empty()).then(|| json!(text));
        for (name, value) in [
            ("default", default),
            ("min", self.min.map(Value::from)),
            ("max", self.max.map(Value::from)),
            ("minLength", self.min_length.map(Value::from)),
            ("maxLength", self.max_length.map(Value::from)),
            ("options", (!self.options.is_empty()).then(|| json!(self.options))),
            ("validChars", text(self.valid_chars)),
            ("invalidChars", text(self.invalid_chars)),
            ("description", text(self.description)),
        ] {
            if let Some(value) = value {
                shown[name] = value;
            }
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
