//! A query string as its pairs, and the parameters that shape every collection.

use crate::error::{ApiError, Code};

/// A parsed query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

/// Rows on a page when the request doesn't say.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// Rows on a page at most; also what `limit` ≤ 0 means.
pub(crate) const MAX_LIMIT: usize = 3000;

/// Parameters of one request at most: each is looked at for every row of a list.
const MAX_PARAMETERS: usize = 100;

impl Query {
    /// Whether it is one that people and programs write, and not made to keep the server busy.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let given = self.pairs.len();
        if given <= MAX_PARAMETERS {
            return Ok(());
        }
        let why = format!(
            "the query has {given} parameters, and at most {MAX_PARAMETERS} are read: ask for less, or in parts"
        );
        Err(ApiError::new(Code::BadRequest, why))
    }

    /// Read the text after `?`. Nothing in it is an error: what can't be decoded stands for itself.
    pub fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        });
        Self { pairs: pairs.collect() }
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All values of a parameter, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Rows on a page.
    pub(crate) fn limit(&self) -> usize {
        match self.get("limit").and_then(|text| text.trim().parse::<i64>().ok()) {
            None => DEFAULT_LIMIT,
            Some(n) if n <= 0 => MAX_LIMIT,
            Some(n) => usize::try_from(n).unwrap_or(MAX_LIMIT).min(MAX_LIMIT),
        }
    }

    /// Rows before the page: `marker=m{offset}`.
    pub(crate) fn offset(&self) -> usize {
        let marker = self.get("marker").and_then(|text| text.strip_prefix('m'));
        marker.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The same query on another page.
    pub(crate) fn at(&self, offset: usize) -> String {
        let kept = self.pairs().filter(|(name, _)| *name != "marker");
        let mut parts: Vec<String> =
            kept.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        parts.push(format!("marker=m{offset}"));
        parts.join("&")
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, hex_pair(tail)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(bytes.get(..2)?).ok()?;
    let plain = text.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { u8::from_str_radix(text, 16).ok() } else { None }
}

fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_bad_escapes_stand() {
        let query = Query::parse("name=a%20b+c&removed_null=%3Cnil%3E&&x&y=%zz%4&k=1=2");
        let pairs: Vec<_> = query.pairs().collect();
        assert_eq!(
            pairs,
            [("name", "a b c"), ("removed_null", "<nil>"), ("x", ""), ("y", "%zz%4"), ("k", "1=2")]
        );
    }

    #[test]
    fn limits() {
        for (raw, want) in [
            ("", DEFAULT_LIMIT),
            ("limit=2", 2),
            ("limit=-2", MAX_LIMIT),
            ("limit=0", MAX_LIMIT),
            ("limit=999999", MAX_LIMIT),
            ("limit=x", DEFAULT_LIMIT),
        ] {
            assert_eq!(Query::parse(raw).limit(), want, "{raw}");
        }
    }

    #[test]
    fn a_query_has_an_end() {
        let query = |pairs| Query::parse(&"name_ne=a&".repeat(pairs)).check();
        assert_eq!(query(MAX_PARAMETERS), Ok(()));
        assert_eq!(query(MAX_PARAMETERS + 1).unwrap_err().status(), 400);
    }

    #[test]
    fn another_page_keeps_the_rest() {
        let query = Query::parse("limit=2&marker=m2&name=a%20b");
        assert_eq!(query.offset(), 2);
        assert_eq!(query.at(4), "limit=2&name=a%20b&marker=m4");
    }
}
