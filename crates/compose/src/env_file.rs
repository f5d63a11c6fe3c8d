//! The text of a `.env` file or of a service's `env_file`.
//!
//! One `NAME=VALUE` to a line; blank lines and lines that begin with `#` are skipped, `export` is allowed.
//! Nothing is expanded. Quotes around a whole value are taken off: in the files people write today they are
//! never meant as part of the value.

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; `None` where the line holds a name alone, which stands for the variable of that name in the
    /// surroundings.
    pub value: Option<String>,
    /// Where it stands, from 1.
    pub line: usize,
}

/// A line that is neither `NAME=VALUE` nor `NAME`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAME=VALUE: {why}")]
pub struct BadLine {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it; never the line itself, which may hold a secret.
    pub why: &'static str,
}

/// Read the text of such a file. Later lines win over earlier ones of the same name.
pub fn parse(text: &str) -> Result<Vec<Variable>, BadLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all: Vec<Variable> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(variable) = parse_line(index + 1, line)? else { continue };
        all.push(variable);
    }
    Ok(all)
}

/// Read it as rancher-compose reads its `--env-file`: what stands before the first `=` is a name, all that stands after it the
/// value, quotes and all; a name alone is the empty text; nothing is a comment.
pub fn parse_plain(text: &str) -> Vec<Variable> {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = filled.map(|(index, line)| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        Variable { name: name.to_owned(), value: Some(value.to_owned()), line: index + 1 }
    });
    read.collect()
}

fn parse_line(number: usize, line: &str) -> Result<Option<Variable>, BadLine> {
    let bad = |why| BadLine { line: number, why };
    let line = line.trim_start();
    if line.trim_end().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim()).to_owned())),
        None => (line.trim_end(), None),
    };
    if name.is_empty() {
        return Err(bad("there is no name before `=`"));
    }
    if name.chars().any(char::is_whitespace) {
        return Err(bad("a name holds no blanks"));
    }
    Ok(Some(Variable { name: name.to_owned(), value, line: number }))
}

/// Without the pair of quotes around it, if there is one and no such quote inside.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (text, want) in [
            ("A=1", vec![("A", Some("1"))]),
            ("A=1\r\nB=2\r\n", vec![("A", Some("1")), ("B", Some("2"))]),
            ("# note\n\n  A = b c \n", vec![("A", Some("b c"))]),
            ("export A=1", vec![("A", Some("1"))]),
            ("A", vec![("A", None)]),
            ("A=", vec![("A", Some(""))]),
            ("A=\"x y\"\nB='z'", vec![("A", Some("x y")), ("B", Some("z"))]),
            ("A=\"a\",\"b\"", vec![("A", Some("\"a\",\"b\""))]),
            ("A=x=y # kept", vec![("A", Some("x=y # kept"))]),
            ("\u{feff}A=1", vec![("A", Some("1"))]),
        ] {
            let read = parse(text).unwrap();
            let read: Vec<_> = read.iter().map(|v| (v.name.as_str(), v.value.as_deref())).collect();
            assert_eq!(read, want, "{text:?}");
        }
    }

    #[test]
    fn lines_as_rancher_compose_reads_them() {
        let text = "A=\"x\"\n\nB\n# C=1\nD=a=b \n";
        let read = parse_plain(text);
        let read: Vec<_> =
            read.iter().map(|v| (v.name.as_str(), v.value.as_deref(), v.line)).collect();
        let want = [
            ("A", Some("\"x\""), 1),
            ("B", Some(""), 3),
            ("# C", Some("1"), 4),
            ("D", Some("a=b "), 5),
        ];
        assert_eq!(read, want);
    }

    #[test]
    fn bad_lines_are_numbered_and_not_quoted() {
        for (text, want) in [
            ("A=1\n=2", "expected NAME=VALUE: there is no name before `=`"),
            ("A=1\nmy secret=2", "expected NAME=VALUE: a name holds no blanks"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.to_string().as_str()), (2, want));
        }
    }
}
