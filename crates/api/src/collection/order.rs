//! What rows are ordered by: nulls first, numbers by value, texts with the numbers in them by value: `1s9` before `1s10`.

use std::cmp::Ordering;

use serde_json::Value;

use crate::row::Row;

/// A member, made ready to be compared with many others. Small: sorting moves it.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Null,
    Flag(bool),
    Number(f64),
    Text(Box<Natural>),
    /// Lists and objects have no order among each other.
    Other,
}

/// A row's id, made ready likewise.
#[derive(Clone, Debug)]
pub(super) enum Id {
    /// Ids that differ in their numbers only.
    Number(u64),
    Text(Box<Natural>),
}

/// A text without its trailing digits, in lower case; how many digits these are, and they themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Natural(String, usize, String);

impl Key {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or_default()),
            Value::String(text) => Self::Text(Box::new(Natural::of(text))),
            Value::Array(_) | Value::Object(_) => Self::Other,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Flag(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::Other => 4,
        }
    }
}

impl Id {
    pub(super) fn of(row: &dyn Row) -> Self {
        if let Some(number) = row.number() {
            return Self::Number(number);
        }
        let id = row.get("id");
        let text = id.as_ref().and_then(|id| id.as_str()).unwrap_or_default();
        Self::Text(Box::new(Natural::of(text)))
    }
}

impl Natural {
    fn of(text: &str) -> Self {
        let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = text[head.len()..].trim_start_matches('0');
        Self(head.to_lowercase(), digits.len(), digits.to_owned())
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Id {}
