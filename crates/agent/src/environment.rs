//! Labels as Rancher's tools give them to an agent in its environment: `a=b&c=d`, percent-encoded as in a URL.

use std::collections::BTreeMap;

/// Read the text of `CATTLE_HOST_LABELS`. What has no name is passed over.
pub fn host_labels(text: &str) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(text.trim().as_bytes());
    let named = pairs.filter(|(name, _)| !name.is_empty());
    named.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_a_query() {
        for (text, want) in [
            ("", &[][..]),
            ("tier=front", &[("tier", "front")]),
            ("a=b&c=d", &[("a", "b"), ("c", "d")]),
            ("io.x%2Fy=a%20b&flag&=x", &[("flag", ""), ("io.x/y", "a b")]),
        ] {
            let read = host_labels(text);
            let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(read, want, "{text}");
        }
    }
}
