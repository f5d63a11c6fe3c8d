//! What the tables of fields let through: the one place where a body is held to its schema, before anything reads it.
//!
//! What comes out are the members that the schema shows as given this way, each as it may be; everything else is left out
//! without a word, for clients send whole objects back. What depends on more than one field, or on the snapshot, is not
//! here: whoever reads the members says so.
//!
//! Forgiven is what Rancher's clients do: numbers and truth values as texts, texts as numbers, an empty text for no number at
//! all, `null` among the items of lists and objects.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Field, Schema, all};
use crate::body::{plain_text, truth, whole_number};
use crate::error::{ApiError, Code};
use crate::path::Path;

/// What a body is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// To make a resource.
    Create,
    /// To change one: what isn't named stays.
    Update,
    /// As the input of an action, or as a part of another body: always whole.
    Part,
}

impl Write {
    fn takes(self, field: &Field) -> bool {
        match self {
            Self::Create => field.create,
            Self::Update => field.update,
            Self::Part => field.create || field.update,
        }
    }

    fn makes(self) -> bool {
        self != Self::Update
    }
}

/// The members of a request's body that its schema takes; no body at all is an empty one.
///
/// # Errors
///
/// The body is no object, or the first field, in the order of the schema, that is not as the schema says.
pub(crate) fn accept(schema: &Schema, body: &Value, write: Write) -> Result<Value, ApiError> {
    match body {
        Value::Object(given) => Ok(members(schema, given, write, Path::default())?.into()),
        Value::Null => Ok(members(schema, &Map::new(), write, Path::default())?.into()),
        _ => Err(ApiError::new(Code::InvalidBodyContent, "the body must be a JSON object")),
    }
}

/// The same for a part of a body, of a type that is known by its name.
pub(crate) fn accept_part(kind: &str, value: &Value, at: Path<'_>) -> Result<Value, ApiError> {
    typed(&PLAIN, kind, value, at)
}

fn members(
    schema: &Schema,
    given: &Map<String, Value>,
    write: Write,
    path: Path<'_>,
) -> Result<Map<String, Value>, ApiError> {
    let mut taken = Map::new();
    for field in schema.fields() {
        let (at, value) = (path.member(field.name), given.get(field.name));
        let is_gone = write.makes() && !field.instead.is_empty();
        if is_gone && value.is_some_and(says_something) {
            return Err(bad(Code::InvalidOption, at, format_args!(": {}", field.instead)));
        }
        if !write.takes(field) {
            continue;
        }
        match value {
            Some(value) => {
                taken.insert(field.name.to_owned(), one(field, value, write, at)?);
            }
            None if field.required && write.makes() => return Err(missing(at)),
            None => {}
        }
    }
    Ok(taken)
}

/// The value of a field, or `null` where it says nothing.
fn one(field: &Field, value: &Value, write: Write, at: Path<'_>) -> Result<Value, ApiError> {
    let is_text = matches!(field.kind, "string" | "password");
    let is_blank = !is_text && value.as_str().is_some_and(|text| text.trim().is_empty());
    if value.is_null() && !field.is_nullable() {
        return Err(bad(Code::NotNullable, at, format_args!(" must not be null")));
    }
    if value.is_null() || is_blank {
        return if field.required && write.makes() { Err(missing(at)) } else { Ok(Value::Null) };
    }
    typed(field, field.kind, value, at)
}

/// A value of a type, within what its field says. `null` comes this far only as an item.
fn typed(field: &Field, kind: &str, value: &Value, at: Path<'_>) -> Result<Value, ApiError> {
    let inner = |prefix: &str| kind.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
    if let Some(kind) = inner("array[") {
        let items = value.as_array().ok_or_else(|| format(at, "a list"))?;
        let filled = items.iter().enumerate().filter(|(_, item)| !item.is_null());
        let taken = filled.map(|(n, item)| typed(&PLAIN, kind, item, at.item(n)));
        let taken = taken.collect::<Result<Vec<_>, _>>()?;
        check_length(field, taken.len(), "item", at)?;
        return Ok(taken.into());
    }
    if let Some(kind) = inner("map[") {
        let held = value.as_object().ok_or_else(|| format(at, "an object"))?;
        let filled = held.iter().filter(|(_, item)| !item.is_null());
        let taken =
            filled.map(|(key, item)| Ok((key.clone(), typed(&PLAIN, kind, item, at.key(key))?)));
        return Ok(taken.collect::<Result<Map<_, _>, ApiError>>()?.into());
    }
    if let Some(kind) = inner("reference[") {
        let is_id = plain_text(value).is_some();
        let words = format!("the id of a {kind}");
        return if is_id {
            Ok(value.clone())
        } else {
            Err(must(Code::InvalidReference, at, &words))
        };
    }
    match kind {
        "string" | "password" => {
            let text = plain_text(value).ok_or_else(|| format(at, "a text"))?;
            check_text(field, &text, at)?;
        }
        "int" => {
            let number = whole_number(value).ok_or_else(|| format(at, "a whole number"))?;
            check_limits(field, number, at)?;
        }
        "boolean" => {
            truth(value).ok_or_else(|| format(at, "true or false"))?;
        }
        "date" => {
            let moment = value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
            let words = "a moment such as 2026-01-31T12:00:00Z";
            moment.ok_or_else(|| must(Code::InvalidDateFormat, at, words))?;
        }
        "enum" => check_option(field, value, at)?,
        "json" => {}
        kind => {
            let held = value.as_object().ok_or_else(|| format(at, "an object"))?;
            if let Some(schema) = all().find(|schema| schema.name == kind) {
                return Ok(members(schema, held, Write::Part, at)?.into());
            }
        }
    }
    Ok(value.clone())
}

/// What is said of the items of a list: nothing.
const PLAIN: Field = Field::cr("", "");

fn check_text(field: &Field, text: &str, at: Path<'_>) -> Result<(), ApiError> {
    check_length(field, text.chars().count(), "character", at)?;
    let is_in = |set: &str, c: char| ranges(set).any(|(first, last)| (first..=last).contains(&c));
    let Field { valid_chars, invalid_chars, .. } = field;
    if let Some(other) = text.chars().find(|c| !valid_chars.is_empty() && !is_in(valid_chars, *c)) {
        let words = format_args!(" may hold `{valid_chars}` only, not `{other}`");
        return Err(bad(Code::InvalidCharacters, at, words));
    }
    if let Some(held) = text.chars().find(|c| is_in(invalid_chars, *c)) {
        return Err(bad(Code::InvalidCharacters, at, format_args!(" must not hold `{held}`")));
    }
    Ok(())
}

/// The characters of a set as it stands between brackets: `a-z` and single ones. A dash at its end is one of them.
fn ranges(set: &str) -> impl Iterator<Item = (char, char)> + '_ {
    let mut rest = set.chars();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        let mut after = rest.clone();
        match (after.next(), after.next()) {
            (Some('-'), Some(last)) => {
                rest = after;
                Some((first, last))
            }
            _ => Some((first, first)),
        }
    })
}

fn check_length(field: &Field, has: usize, what: &str, at: Path<'_>) -> Result<(), ApiError> {
    let has = u32::try_from(has).unwrap_or(u32::MAX);
    let many = if has == 1 { "" } else { "s" };
    match (field.min_length, field.max_length) {
        (Some(min), _) if has < min => {
            let words = format_args!(" has {has} {what}{many}, but at least {min} is needed");
            Err(bad(Code::MinLengthExceeded, at, words))
        }
        (_, Some(max)) if has > max => {
            let words = format_args!(" has {has} {what}{many}, but at most {max} are possible");
            Err(bad(Code::MaxLengthExceeded, at, words))
        }
        _ => Ok(()),
    }
}

fn check_limits(field: &Field, number: i64, at: Path<'_>) -> Result<(), ApiError> {
    match (field.min, field.max) {
        (Some(min), _) if number < min => {
            let words = format_args!(" is {number}, but at least {min} is needed");
            Err(bad(Code::MinLimitExceeded, at, words))
        }
        (_, Some(max)) if number > max => {
            let words = format_args!(" is {number}, but at most {max} is possible");
            Err(bad(Code::MaxLimitExceeded, at, words))
        }
        _ => Ok(()),
    }
}

fn check_option(field: &Field, value: &Value, at: Path<'_>) -> Result<(), ApiError> {
    let given = plain_text(value).ok_or_else(|| format(at, "a text"))?;
    if field.options.contains(&given.as_str()) {
        return Ok(());
    }
    let words = format_args!(": `{given}` is none of {}", field.options.join(", "));
    Err(bad(Code::InvalidOption, at, words))
}

/// Whether a member says anything: not null, false, zero, or empty.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn missing(at: Path<'_>) -> ApiError {
    bad(Code::MissingRequired, at, format_args!(" is required"))
}

fn format(at: Path<'_>, wanted: &str) -> ApiError {
    must(Code::InvalidFormat, at, wanted)
}

fn must(code: Code, at: Path<'_>, wanted: &str) -> ApiError {
    bad(code, at, format_args!(" must be {wanted}"))
}

fn bad(code: Code, at: Path<'_>, words: std::fmt::Arguments<'_>) -> ApiError {
    ApiError::on(code, at.field(), format!("`{at}`{words}"))
}

#[cfg(test)]
mod tests;
