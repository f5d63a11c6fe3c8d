//! One `field_modifier=value` of a query, applied to rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::query::Query;
use crate::row::Row;

/// A condition.
pub(super) struct Filter<'a> {
    field: &'a str,
    modifier: &'static str,
    value: &'a str,
}

/// Longest first, so that `x_notnull` isn't read as a field `x_not`.
const MODIFIERS: &[&str] =
    &["notnull", "notlike", "prefix", "null", "like", "lte", "gte", "eq", "ne", "lt", "gt"];

/// Parameters that shape the answer and filter nothing.
const RESERVED: &[&str] = &["limit", "marker", "sort", "order", "include", "action"];

/// The conditions in a query.
pub(super) fn read(query: &Query) -> Vec<Filter<'_>> {
    let conditions = query.pairs().filter(|(name, _)| !RESERVED.contains(name));
    conditions.map(|(name, value)| condition(name, value)).collect()
}

fn condition<'a>(name: &'a str, value: &'a str) -> Filter<'a> {
    for modifier in MODIFIERS {
        let field = name.strip_suffix(modifier).and_then(|rest| rest.strip_suffix('_'));
        if let Some(field) = field.filter(|field| !field.is_empty()) {
            return Filter { field, modifier, value };
        }
    }
    Filter { field: name, modifier: "eq", value }
}

/// As a collection repeats them.
pub(super) fn shown(filters: &[Filter<'_>]) -> Value {
    let mut shown: Map<String, Value> = Map::new();
    for Filter { field, modifier, value } in filters {
        let entry = json!({ "modifier": modifier, "value": value });
        match shown.get_mut(*field).and_then(Value::as_array_mut) {
            Some(list) => list.push(entry),
            None => {
                shown.insert((*field).to_owned(), json!([entry]));
            }
        }
    }
    shown.into()
}

impl Filter<'_> {
    /// Whether it asks for removed rows.
    pub(super) fn wants_removed(&self) -> bool {
        self.field == "removed" && self.modifier == "notnull"
    }

    /// Field and text, if the one has to be the other.
    pub(super) fn is_exactly(&self) -> Option<(&str, &str)> {
        (self.modifier == "eq").then_some((self.field, self.value))
    }

    /// Whether a row passes. A member the row doesn't have, and a modifier its type doesn't have, is no
    /// condition.
    pub(super) fn passes(&self, row: &dyn Row) -> bool {
        let Some(held) = row.get(self.field) else { return true };
        match (self.modifier, &*held) {
            ("null", held) => held.is_null(),
            ("notnull", held) => !held.is_null(),
            ("ne", Value::Null) => true,
            (_, Value::Null) => false,
            (_, Value::String(text)) => self.passes_text(text),
            (_, Value::Number(number)) => self.passes_number(number.as_f64()),
            ("eq", Value::Bool(flag)) => is_true(self.value) == *flag,
            ("ne", Value::Bool(flag)) => is_true(self.value) != *flag,
            (_, Value::Bool(_) | Value::Array(_) | Value::Object(_)) => true,
        }
    }

    fn passes_text(&self, text: &str) -> bool {
        // Rancher's database compared names without case; its clients rely on it.
        let fold = |text| match self.field {
            "name" => Cow::Owned(str::to_lowercase(text)),
            _ => Cow::Borrowed(text),
        };
        let (held, asked) = (fold(text), fold(self.value));
        let is_date = matches!(self.field, "created" | "removed" | "removeTime" | "endTime");
        match self.modifier {
            "eq" => held == asked,
            "ne" => held != asked,
            "prefix" => held.starts_with(&*asked),
            "like" => like(&held, &asked),
            "notlike" => !like(&held, &asked),
            "lt" if is_date => held < asked,
            "lte" if is_date => held <= asked,
            "gt" if is_date => held > asked,
            "gte" if is_date => held >= asked,
            _ => true,
        }
    }

    fn passes_number(&self, held: Option<f64>) -> bool {
        let asked: Option<f64> = self.value.trim().parse().ok();
        // What isn't a number equals none.
        let Some(order) = held.zip(asked).and_then(|(held, asked)| held.partial_cmp(&asked)) else {
            return self.modifier == "ne";
        };
        match self.modifier {
            "eq" => order == Ordering::Equal,
            "ne" => order != Ordering::Equal,
            "lt" => order == Ordering::Less,
            "lte" => order != Ordering::Greater,
            "gt" => order == Ordering::Greater,
            "gte" => order != Ordering::Less,
            _ => true,
        }
    }
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

/// SQL's LIKE with `%` only: the parts between the signs, in order, the ends fixed.
fn like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns() {
        for (text, pattern, want) in [
            ("web", "web", true),
            ("web", "we", false),
            ("web", "w%", true),
            ("web", "%b", true),
            ("web", "%e%", true),
            ("web", "%x%", false),
            ("aba", "a%a", true),
            ("a", "a%a", false),
            ("", "%", true),
            ("", "", true),
        ] {
            assert_eq!(like(text, pattern), want, "{text} like {pattern}");
        }
    }

    #[test]
    fn a_name_is_split_at_its_modifier() {
        for (name, field, modifier) in [
            ("removed_null", "removed", "null"),
            ("removed_notnull", "removed", "notnull"),
            ("name", "name", "eq"),
            ("_ne", "_ne", "eq"),
            ("some_thing", "some_thing", "eq"),
        ] {
            let got = condition(name, "");
            assert_eq!((got.field, got.modifier), (field, modifier), "{name}");
        }
    }
}
