//! Which version is newer, and which can be upgraded from: `v1.2`, `>=1.0 <2.0 || 0.9`.

use std::cmp::Ordering;

/// By their numbers: `v1.10` is newer than `v1.9`; `1.0-rc1` is older than `1.0`.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (plain(a), plain(b));
    let (a_numbers, a_rest) = numbers(a);
    let (b_numbers, b_rest) = numbers(b);
    let longest = a_numbers.len().max(b_numbers.len());
    let at = |numbers: &[u64], i: usize| numbers.get(i).copied().unwrap_or(0);
    let unequal =
        (0..longest).map(|i| at(&a_numbers, i).cmp(&at(&b_numbers, i))).find(|order| order.is_ne());
    unequal.unwrap_or_else(|| match (a_rest.is_empty(), b_rest.is_empty()) {
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => a_rest.cmp(b_rest),
    })
}

/// Whether a version is one of those meant; without words all are.
pub(super) fn matches(meant: &str, version: &str) -> bool {
    meant.trim().is_empty()
        || meant.split("||").any(|range| {
            let mut parts = range.split_whitespace().peekable();
            parts.peek().is_some() && parts.all(|part| matches_one(part, version))
        })
}

fn matches_one(part: &str, version: &str) -> bool {
    let end = part.find(|c: char| !"<>=!".contains(c)).unwrap_or(part.len());
    let (sign, other) = part.split_at(end);
    let order = compare(version, other);
    match sign {
        "" | "=" | "==" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        _ => false,
    }
}

fn plain(version: &str) -> &str {
    version.trim().trim_start_matches(['v', 'V'])
}

/// Numbers with dots between them, and what follows.
fn numbers(version: &str) -> (Vec<u64>, &str) {
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    (numbers.split('.').filter_map(|number| number.parse().ok()).collect(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_older() {
        for (a, b) in [("1", "2"), ("9", "10"), ("v1.9", "v1.10"), ("1.0-rc1", "1.0"), ("1", "1.1")]
        {
            assert!(compare(a, b).is_lt() && compare(b, a).is_gt(), "{a} {b}");
        }
        for (a, b) in [("1.0", "v1"), ("a", "a"), ("", "v")] {
            assert!(compare(a, b).is_eq(), "{a} {b}");
        }
    }

    #[test]
    fn which_are_meant() {
        for (meant, version, want) in [
            ("", "v1", true),
            ("v1.2", "1.2", true),
            ("v1.2", "1.3", false),
            (">=1.0 <2.0", "1.5", true),
            (">=1.0 <2.0", "2.0", false),
            ("0.9 || >1.0", "0.9", true),
            ("0.9 || >1.0", "1.0", false),
            ("!=1", "2", true),
            ("=>1", "2", false),
        ] {
            assert_eq!(matches(meant, version), want, "{meant} {version}");
        }
    }
}
