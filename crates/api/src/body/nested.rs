//! Reading what stands inside other members: objects, lists of them, numbers of any width. Launch configs are made
//! of these.

use serde_json::Value;

use super::{Body, NOTHING};
use crate::error::{ApiError, Code};

impl<'a> Body<'a> {
    /// An object that stands in the member `path`; null is an empty one.
    pub(crate) fn at(value: &'a Value, path: &'a str) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, path: Some(path) }),
            Value::Null => Ok(Self { members: &NOTHING, path: Some(path) }),
            _ => {
                Err(ApiError::on(Code::InvalidFormat, path, format!("`{path}` must be an object")))
            }
        }
    }

    /// Text that says something; the empty text counts as absent.
    pub(crate) fn word(&self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A whole number that `T` can hold; the empty text counts as absent.
    pub(crate) fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>, ApiError> {
        if self.get(name).and_then(Value::as_str).is_some_and(str::is_empty) {
            return Ok(None);
        }
        let Some(number) = self.int(name)? else { return Ok(None) };
        let fits = T::try_from(number).map(Some);
        fits.map_err(|_| {
            self.refuse(Code::InvalidFormat, name, &format!("{number} is out of range"))
        })
    }

    /// A port.
    pub(crate) fn port(&self, name: &str) -> Result<Option<u16>, ApiError> {
        let read = self.int_in(name, 1, u16::MAX.into())?;
        Ok(read.and_then(|port| u16::try_from(port).ok()))
    }

    /// Texts; none if absent.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<String>, ApiError> {
        Ok(self.texts(name)?.unwrap_or_default())
    }

    /// Whether a member says anything: not null, false, zero, or empty.
    pub(crate) fn says_something(&self, name: &str) -> bool {
        match self.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
        }
    }

    /// A list of objects; null items are left out.
    pub(crate) fn bodies(&self, name: &'a str) -> Result<Vec<Body<'a>>, ApiError> {
        let items = self.list(name)?.iter().filter(|item| !item.is_null());
        items.map(|item| Body::at(item, name)).collect()
    }

    /// Objects by name; those that are null are left out.
    pub(crate) fn entries(&self, name: &'a str) -> Result<Vec<(&'a str, Body<'a>)>, ApiError> {
        let Some(members) = self.object(name)? else { return Ok(Vec::new()) };
        let filled = members.iter().filter(|(_, item)| !item.is_null());
        filled.map(|(key, item)| Ok((key.as_str(), Body::at(item, name)?))).collect()
    }

    /// What is wrong with a member, said with its full name.
    pub(crate) fn refuse(&self, code: Code, name: &str, why: &str) -> ApiError {
        ApiError::on(code, name, format!("`{}`: {why}", self.shown(name)))
    }

    /// A member that should be there.
    pub(crate) fn lacks(&self, name: &str) -> ApiError {
        ApiError::on(Code::MissingRequired, name, format!("`{}` is required", self.shown(name)))
    }
}
