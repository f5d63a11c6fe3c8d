//! Reading a request body, member by member, forgiving what Rancher's clients do: numbers as text, `null` for
//! absent, members nobody knows.

mod nested;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{ApiError, Code};

/// A body, or one of its members that is an object. A member that is `null` counts as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    members: &'a Map<String, Value>,
    path: Option<&'a str>,
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Body<'a> {
    /// The body of a request; none at all is an empty one.
    pub(crate) fn of(value: &'a Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, path: None }),
            Value::Null => Ok(Self { members: &NOTHING, path: None }),
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
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(_) => Err(self.bad(name, "a text")),
        }
    }

    /// A whole number; text and `2.0` are taken for one.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let read = match value {
            Value::Number(number) => number.as_i64().or_else(|| whole(&number.to_string())),
            Value::String(text) => whole(text.trim()),
            _ => None,
        };
        read.map(Some).ok_or_else(|| self.bad(name, "a whole number"))
    }

    /// A whole number within limits.
    pub(crate) fn int_in(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, ApiError> {
        match self.int(name)? {
            Some(n) if n < min => {
                let why = format!("`{}` is {n}, but at least {min} is needed", self.shown(name));
                Err(ApiError::on(Code::MinLimitExceeded, name, why))
            }
            Some(n) if n > max => {
                let why = format!("`{}` is {n}, but at most {max} is possible", self.shown(name));
                Err(ApiError::on(Code::MaxLimitExceeded, name, why))
            }
            other => Ok(other),
        }
    }

    /// The same as a `u32`.
    pub(crate) fn count(&self, name: &str, min: u32) -> Result<Option<u32>, ApiError> {
        let read = self.int_in(name, min.into(), i32::MAX.into())?;
        Ok(read.and_then(|n| u32::try_from(n).ok()))
    }

    /// A duration in milliseconds.
    pub(crate) fn millis(&self, name: &str, min: u32) -> Result<Option<u64>, ApiError> {
        Ok(self.count(name, min)?.map(u64::from))
    }

    /// A truth value; `"true"` and `"false"` are taken for one.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(self.bad(name, "true or false")),
        }
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
        Ok(self.object(name)?.map(|members| Body { members, path: Some(name) }))
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&self, name: &str) -> Result<String, ApiError> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.lacks(name)),
        }
    }

    fn shown(&self, name: &str) -> String {
        self.path.map_or_else(|| name.to_owned(), |path| format!("{path}.{name}"))
    }

    fn bad(&self, name: &str, wanted: &str) -> ApiError {
        let why = format!("`{}` must be {wanted}", self.shown(name));
        ApiError::on(Code::InvalidFormat, name, why)
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
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
        assert_eq!(body.count("g", 0).unwrap_err().code, Code::MinLimitExceeded);
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
