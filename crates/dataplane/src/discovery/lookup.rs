//! Walking a tree of JSON by a path, as Rancher's clients do: lists by number, name or UUID, keys as they are or in lower
//! case.

use serde_json::Value;

/// The parts of a path, unescaped; a slash at the end and doubled ones mean nothing.
pub(super) fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(unescape).collect()
}

/// What `parts` lead to from `root`.
pub(super) fn find<'a>(root: &'a Value, parts: &[String]) -> Option<&'a Value> {
    parts
        .iter()
        .try_fold(root, |at, part| step(at, part).or_else(|| step(at, &part.to_lowercase())))
}

fn step<'a>(at: &'a Value, part: &str) -> Option<&'a Value> {
    match at {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => {
            let by_number = part.parse::<usize>().ok().and_then(|number| items.get(number));
            let is_called = |item: &&Value| {
                ["name", "uuid"]
                    .iter()
                    .any(|key| item.get(key).and_then(Value::as_str) == Some(part))
            };
            by_number.or_else(|| items.iter().find(is_called))
        }
        _ => None,
    }
}

/// `%20` and `+` are spaces; what is no escape stays.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As [`unescape`] reads it.
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => escaped.push(byte.into()),
            // Writing to a string can't fail.
            byte => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_survive() {
        for (text, escaped) in
            [("a b", "a+b"), ("io.rancher/x:y", "io.rancher%2Fx%3Ay"), ("ü~_-", "%C3%BC~_-")]
        {
            assert_eq!(escape(text), escaped);
            assert_eq!(unescape(escaped), text);
        }
        assert_eq!(unescape("a%20b%"), "a b%");
        assert_eq!(unescape("%zz%4"), "%zz%4");
        assert_eq!(parts("/latest//self/a%2Fb/"), ["latest", "self", "a/b"]);
    }
}
