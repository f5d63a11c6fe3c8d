//! One line of HAProxy text: its words, and the times in them. Quotes and backslashes as HAProxy has them.

/// The words of a line; what follows a `#` is a comment. Why not, if a quote stays open.
pub(super) fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                let Some(next) = chars.next() else {
                    return Err("ends in a backslash: write the directive on one line");
                };
                word.get_or_insert_default().push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (Some(_) | None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("has a quote that is not closed: close it on the same line");
    }
    words.extend(word);
    Ok(words)
}

/// A time as HAProxy writes it, `30s`, `5000`, `1h`; in milliseconds, which is also its unit where none is given.
pub(super) fn time_ms(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let factor = match unit {
        "us" => return Some(number.div_ceil(1000)),
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_line() {
        let check = |line: &str, want: &[&str]| assert_eq!(words(line).unwrap(), want, "{line}");
        check("", &[]);
        check("  # all of it", &[]);
        check("\ttimeout  client 5s # long", &["timeout", "client", "5s"]);
        check("set-header X-A \"a b\"", &["set-header", "X-A", "a b"]);
        check("set-header X-A a\\ b\\#c", &["set-header", "X-A", "a b#c"]);
        check("set-header X-A '\"#\\'", &["set-header", "X-A", "\"#\\"]);
        check("set-header X-A \"\"", &["set-header", "X-A", ""]);
        for bad in ["a \"b", "a 'b", "a \\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        for (text, ms) in [
            ("5000", Some(5_000)),
            ("0", Some(0)),
            ("1500us", Some(2)),
            ("20ms", Some(20)),
            ("30s", Some(30_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("s", None),
            ("5 s", None),
            ("5x", None),
            ("-1", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(time_ms(text), ms, "{text}");
        }
    }
}
