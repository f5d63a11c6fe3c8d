//! Reading a request body, member by member, forgiving what Rancher's clients do: numbers as text, `null` for
//! absent.
//!
//! Requests have been held to their schemas by the time they are read ([`crate::schema::accept()`]), so that nothing here
//! asks for limits, lengths or characters. What is of another kind than a reader takes is refused all the same: the same
//! readers read what other servers answer.

mod nested;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{ApiError, Code};
use crate::path::Path;

/// A body, or one of its members that is an object. A member that is `null` counts as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    members: &'a Map<String, Value>,
    path: Path<'a>,
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Body<'a> {
    /// The body of a request; none at all is an empty one.
    pub(crate) fn of(value: &'a Value) -> Result<Self, ApiError> {
        let path = Path::default();
        match value {
            Value::Object(members) => Ok(Self { members, path }),
            Value::Null => Ok(Self { members: &NOTHING, path }),
            _ => Err(ApiError::new(Code::InvalidBodyContent, "the body must be a JSON object")),
        }
    }

    /// A member that is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Whether the body names the member at all, `null` included: a PUT clears it then.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A text; numbers and booleans are taken as written.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        plain_text(value).map(Some).ok_or_else(|| self.bad(name, "a text"))
    }

    /// A whole number; text and `2.0` are taken for one.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        whole_number(value).map(Some).ok_or_else(|| self.bad(name, "a whole number"))
    }

    /// A truth value; `"true"` and `"false"` are taken for one.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        truth(value).map(Some).ok_or_else(|| self.bad(name, "true or false"))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| self.bad(name, "a list of texts"))?;
        let texts = items.iter().map(plain_text);
        texts.collect::<Option<_>>().map(Some).ok_or_else(|| self.bad(name, "a list of texts"))
    }

    /// Texts by name. Keys whose value is `null` are dropped: some clients send them.
    pub(crate) fn map(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let members = value.as_object().ok_or_else(|| self.bad(name, "an object of texts"))?;
        let texts = members
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| plain_text(v).map(|text| (k.clone(), text)));
        texts.collect::<Option<_>>().map(Some).ok_or_else(|| self.bad(name, "an object of texts"))
    }

    /// An object of anything.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_object().map(Some).ok_or_else(|| self.bad(name, "an object"))
    }

    /// A list of anything.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.bad(name, "a list")),
        }
    }

    /// An object to read further in.
    pub(crate) fn inner(&self, name: &'a str) -> Result<Option<Body<'a>>, ApiError> {
        let path = self.path.member(name);
        Ok(self.object(name)?.map(|members| Body { members, path }))
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.lacks(name))
    }

    /// Where a member stands, in full.
    fn shown(&self, name: &str) -> String {
        self.path.member(name).to_string()
    }

    fn bad(&self, name: &str, wanted: &str) -> ApiError {
        let why = format!("`{}` must be {wanted}", self.shown(name));
        ApiError::on(Code::InvalidFormat, name, why)
    }
}

/// A text, and what is as good as one.
pub(crate) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The word that stands for something, from a table as [`Body::choice`] reads it.
pub(crate) fn word_of<T: PartialEq>(
    words: &[(&'static str, T)],
    meant: &T,
) -> Option<&'static str> {
    words.iter().find(|(_, held)| held == meant).map(|(word, _)| *word)
}

/// A whole number, and what is as good as one.
pub(crate) fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text.trim()),
        _ => None,
    }
}

/// A truth value, and what is as good as one.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// `2`, `2.0` and `2.` are two; `2.5` is no whole number.
fn whole(text: &str) -> Option<i64> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().all(|b| b == b'0') { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_in_many_coats() {
        let value = json!({"a": 2, "b": "2", "c": 2.0, "d": 2.5, "e": "x", "f": null, "g": -1});
        let body = Body::of(&value).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(body.int(name), Ok(Some(2)), "{name}");
        }
        for name in ["d", "e"] {
            assert_eq!(body.int(name).unwrap_err().code, Code::InvalidFormat, "{name}");
        }
        assert_eq!(body.int("f"), Ok(None));
        assert_eq!(body.number::<u32>("g").unwrap_err().code, Code::InvalidFormat);
    }

    #[test]
    fn null_values_of_a_map_are_dropped() {
        let value = json!({"labels": {"a": "1", "b": null, "c": 3}});
        let labels = Body::of(&value).unwrap().map("labels").unwrap().unwrap();
        assert_eq!(labels, BTreeMap::from([("a".into(), "1".into()), ("c".into(), "3".into())]));
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(Body::of(&Value::Null).is_ok());
        assert_eq!(Body::of(&json!([1])).unwrap_err().status(), 400);
    }
}
