//! Looking into Rust text without parsing it: strings and comments blanked out, then brackets counted. Enough to
//! find functions and module declarations in formatted code; a macro with unbalanced braces would fool it.

/// The text with every string, character and comment replaced by blanks, lines kept.
pub(super) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, left) = rest.split_at(length);
            out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = left;
        }
    }
    out
}

/// A function: its name and its lines, 1-based, from the `fn` line to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub name: String,
    pub line: usize,
    pub length: usize,
}

/// The functions in a blanked text; those inside others are counted in both.
pub(super) fn functions(blanked: &str) -> Vec<Function> {
    let lines: Vec<&str> = blanked.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        if let Some(length) = length_to_close(&lines[at..]) {
            found.push(Function { name: name.to_owned(), line: at + 1, length });
        }
    }
    found
}

/// How many bytes at the start of `rest` are a comment or literal; 0 if none starts here.
fn skipped(rest: &str) -> usize {
    let to = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |i| from + i + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return to("*/", 2);
    }
    if let Some(hashes) = raw_string_hashes(rest) {
        let end = format!("\"{}", "#".repeat(hashes));
        return to(&end, hashes + 2);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    // A quote that closes again soon is a character, any other a lifetime.
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut inside = inside.chars();
        let (first, second) = (inside.next(), inside.next());
        if first == Some('\\') || second == Some('\'') {
            return quoted_length(rest, '\'');
        }
    }
    0
}

/// Number of `#` if a raw string starts here.
fn raw_string_hashes(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Length of a quoted literal with its quotes, backslashes respected.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    rest.len()
}

/// The name, if a function begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words_only = before.split_whitespace().all(|word| {
        matches!(word, "pub" | "const" | "async" | "extern" | "unsafe") || word.starts_with("pub(")
    });
    let name = after.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    (words_only && !name.is_empty()).then_some(name)
}

/// Lines until the brace that opens first is closed; none if there is no body.
fn length_to_close(lines: &[&str]) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ';' if depth == 0 => return None,
                _ => {}
            }
            if c == '}' && depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blanked() {
        for (text, expected) in [
            ("a // {\nb", "a     \nb"),
            ("a \"{\\\"\" b", "a       b"),
            ("r#\"{\"# b", "       b"),
            ("'{' b", "    b"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("/* {\n */x", "    \n   x"),
        ] {
            assert_eq!(blanked(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_have_a_name_a_place_and_a_length() {
        let text =
            "trait T {\n    fn declared(&self);\n}\npub(crate) async fn f() {\n    x({});\n}\n";
        let f = Function { name: "f".to_owned(), line: 4, length: 3 };
        assert_eq!(functions(text), [f]);
    }
}
