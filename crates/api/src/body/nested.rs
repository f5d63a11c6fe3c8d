//! Reading what stands inside other members: objects, lists of them, numbers of any width. Launch configs are made
//! of these.

use serde_json::Value;

use super::{Body, NOTHING};
use crate::error::{ApiError, Code};
use crate::path::Path;

impl<'a> Body<'a> {
    /// An object that stands in the member `name` of a body.
    pub(crate) fn at(value: &'a Value, name: &'a str) -> Result<Self, ApiError> {
        Self::in_place(value, Path::default().member(name))
    }

    fn in_place(value: &'a Value, path: Path<'a>) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, path }),
            Value::Null => Ok(Self { members: &NOTHING, path }),
            _ => {
                let why = format!("`{path}` must be an object");
                Err(ApiError::on(Code::InvalidFormat, path.field(), why))
            }
        }
    }

    /// Text that says something; the empty text counts as absent.
    pub(crate) fn word(&self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// The same of a body that nothing has been held to yet: what is no text says nothing, and is refused in its turn.
    pub(crate) fn hint(&self, name: &str) -> Option<String> {
        self.word(name).ok().flatten()
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

    /// One of these words, and what it means; the empty text counts as absent.
    pub(crate) fn choice<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ApiError> {
        let Some(given) = self.word(name)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == given);
        found.map(|(_, meant)| Some(*meant)).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(
                Code::InvalidOption,
                name,
                &format!("`{given}` is none of {}", words.join(", ")),
            )
        })
    }

    /// Texts; none if absent.
    pub(crate) fn words(&self, name: &str) -> Result<Vec<String>, ApiError> {
        Ok(self.texts(name)?.unwrap_or_default())
    }

    /// A list of objects; null items are left out.
    pub(crate) fn bodies(&self, name: &'a str) -> Result<Vec<Body<'a>>, ApiError> {
        let path = self.path.member(name);
        let items = self.list(name)?.iter().enumerate().filter(|(_, item)| !item.is_null());
        items.map(|(n, item)| Body::in_place(item, path.item(n))).collect()
    }

    /// Objects by name; those that are null are left out.
    pub(crate) fn entries(&self, name: &'a str) -> Result<Vec<(&'a str, Body<'a>)>, ApiError> {
        let Some(members) = self.object(name)? else { return Ok(Vec::new()) };
        let filled = members.iter().filter(|(_, item)| !item.is_null());
        let path = self.path.member(name);
        filled.map(|(key, item)| Ok((key.as_str(), Body::in_place(item, path.key(key))?))).collect()
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
