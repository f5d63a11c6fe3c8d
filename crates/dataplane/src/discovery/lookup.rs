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
    use serde_json::json;

    use super::super::form::Form;
    use super::*;

    /// A tree with one of everything, in Rancher's shape.
    fn tree() -> Value {
        json!({
            "containers": [
                {
                    "name": "s-web-1",
                    "primary_ip": "10.42.0.2",
                    "labels": { "io.rancher.stack.name": "s" },
                    "ports": [],
                    "create_index": 1,
                    "health_state": null,
                    "system": false,
                },
                { "name": "s-web-2", "primary_ip": "10.42.0.3", "ports": ["80:80/tcp"] },
                { "name": "0", "primary_ip": "10.42.0.4" },
            ],
            "hosts": [{ "uuid": "h-1", "agent_ip": "192.168.0.21" }],
            "loose": ["x", "y"],
            "services": [{
                "name": "web",
                "containers": ["s-web-1", "s-web-2"],
                "metadata": { "a b": { "c": [1, 2.5, true] }, "Upper": 1 },
            }],
            "stack": { "name": "s" },
        })
    }

    #[test]
    fn paths_lead_where_clients_expect() {
        let tree = tree();
        let check = |path: &str, form: Form, want: Option<&str>| {
            let found = find(&tree, &parts(path)).map(|value| form.write(value));
            assert_eq!(found.as_deref(), want, "{path} {form:?}");
        };
        for (path, want) in [
            ("/", Some("containers/\nhosts/\nloose/\nservices/\nstack/\n")),
            ("/stack/name", Some("s")),
            ("/stack/name/", Some("s")),
            ("/STACK/Name", Some("s")),
            ("/containers/0/create_index", Some("1")),
            ("/containers/0/system", Some("false")),
            ("/containers/0/health_state", Some("")),
            ("/containers", Some("0=s-web-1\n1=s-web-2\n2=0\n")),
            ("/hosts", Some("0=h-1\n")),
            ("/loose", Some("0\n1\n")),
            ("/loose/1", Some("y")),
            ("/containers/1/primary_ip", Some("10.42.0.3")),
            ("/containers/s-web-2/primary_ip", Some("10.42.0.3")),
            ("/containers/S-Web-2/primary_ip", Some("10.42.0.3")),
            ("/containers/1/ports/0", Some("80:80/tcp")),
            ("/hosts/h-1/agent_ip", Some("192.168.0.21")),
            ("/containers/7", None),
            ("/containers/s-web-1/labels/io.rancher.stack.name", Some("s")),
            ("/services/web/metadata/a%20b/c/1", Some("2.5")),
            ("/services/web/metadata/a+b/c/0", Some("1")),
            ("/services/web/metadata/a%20b/c/2", Some("true")),
            ("/services/web/metadata/Upper", Some("1")),
            ("/services/web/metadata/UPPER", None),
            ("/services/web/metadata", Some("Upper\na+b/\n")),
            ("/services/web/containers/0", Some("s-web-1")),
            ("/nothing", None),
            ("/stack/name/more", None),
        ] {
            check(path, Form::Text, want);
        }
        for (path, want) in [
            ("/stack", Some("{\"name\":\"s\"}")),
            ("/containers/s-web-1/ports", Some("[]")),
            ("/stack/name", Some("\"s\"")),
            ("/containers/0/health_state", Some("null")),
            ("/nothing", None),
        ] {
            check(path, Form::Json, want);
        }
    }

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
