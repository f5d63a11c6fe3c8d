//! Variables in values: `$NAME`, `${NAME}` and the forms with a default, an alternative or a complaint.
//!
//! Works on the tree, after YAML: a value can't change the structure of a file. Keys are left alone, as
//! Rancher and Docker do.

use std::collections::BTreeSet;

use crate::diagnostic::Report;
use crate::field::join;
use crate::yaml::{Node, Value};

/// Where values come from, and which names were found missing.
pub(crate) struct Variables<'a> {
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Named in a warning already: one is enough for each name.
    pub(crate) missing: BTreeSet<String>,
}

/// Replace the variables in a value and everything below it.
pub(crate) fn interpolate(node: &mut Node, path: &str, vars: &mut Variables<'_>, to: &mut Report) {
    match &mut node.value {
        Value::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                interpolate(item, &format!("{path}[{i}]"), vars, to);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                interpolate(&mut entry.value, &join(path, &entry.key), vars, to);
            }
        }
        Value::Scalar(scalar) if scalar.text.contains('$') => {
            match substitute(&scalar.text, vars.lookup) {
                Ok(done) => {
                    for name in done.missing {
                        if vars.missing.insert(name.clone()) {
                            let text = format!(
                                "the variable {name} is not set, nothing stands in its place"
                            );
                            to.warn(&node.at, path, text)
                                .hint(format!("set it, or write `${{{name}:-default}}`"));
                        }
                    }
                    let source = std::mem::replace(&mut scalar.text, done.text);
                    if done.replaced {
                        scalar.source = Some(source);
                    } else {
                        scalar.plain = false;
                    }
                }
                Err(bad) => {
                    to.error(&node.at, path, bad.to_string());
                    node.value = Value::Null;
                }
            }
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

/// A text with its variables replaced.
#[derive(Debug, Default, PartialEq, Eq)]
struct Substituted {
    text: String,
    /// At least one variable was in it.
    replaced: bool,
    /// Names without a value and without a default.
    missing: Vec<String>,
}

/// What can be wrong with a text that holds dollar signs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadVariable {
    #[error("`${{` has no closing brace")]
    Unclosed,
    #[error("`$` is not followed by a name; write `$$` for a dollar sign")]
    NoName,
    #[error(
        "`${{{0}…}}` is not a variable: write ${{NAME}}, ${{NAME:-default}}, ${{NAME:?message}} or ${{NAME:+other}}"
    )]
    Form(String),
    #[error("the variable {name} must be set{}", message(.text))]
    Required { name: String, text: String },
    #[error("variables are nested too deep")]
    Deep,
}

fn message(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn substitute(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Substituted, BadVariable> {
    let mut done = Substituted::default();
    expand(text, lookup, 0, &mut done)?;
    Ok(done)
}

/// Nesting of `${A:-${B:-…}}` that is followed.
const DEEPEST: usize = 16;

fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
    done: &mut Substituted,
) -> Result<(), BadVariable> {
    if depth > DEEPEST {
        return Err(BadVariable::Deep);
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        done.text.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(after) = after.strip_prefix('$') {
            done.text.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = closing_brace(inside).ok_or(BadVariable::Unclosed)?;
            braced(&inside[..end], lookup, depth, done)?;
            rest = &inside[end + 1..];
        } else {
            let name = name_of(after);
            if name.is_empty() {
                return Err(BadVariable::NoName);
            }
            plain(name, lookup, done);
            rest = &after[name.len()..];
        }
    }
    done.text.push_str(rest);
    Ok(())
}

fn plain(name: &str, lookup: &dyn Fn(&str) -> Option<String>, done: &mut Substituted) {
    done.replaced = true;
    match lookup(name) {
        Some(value) => done.text.push_str(&value),
        None => done.missing.push(name.to_owned()),
    }
}

/// What stands between the braces.
fn braced(
    inside: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
    done: &mut Substituted,
) -> Result<(), BadVariable> {
    let name = name_of(inside);
    let rest = &inside[name.len()..];
    if name.is_empty() {
        return Err(BadVariable::Form(shorten(inside)));
    }
    if rest.is_empty() {
        plain(name, lookup, done);
        return Ok(());
    }
    // A colon makes an empty value count as none.
    let (colon, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let value = lookup(name).filter(|value| !(colon && value.is_empty()));
    done.replaced = true;
    let mut chars = rest.chars();
    match (chars.next(), value) {
        (Some('-' | '?'), Some(value)) => done.text.push_str(&value),
        (Some('-'), None) | (Some('+'), Some(_)) => {
            expand(chars.as_str(), lookup, depth + 1, done)?;
        }
        (Some('+'), None) => {}
        (Some('?'), None) => {
            let text = chars.as_str().to_owned();
            return Err(BadVariable::Required { name: name.to_owned(), text });
        }
        _ => return Err(BadVariable::Form(shorten(inside))),
    }
    Ok(())
}

/// Letters, digits and underscores, not beginning with a digit.
fn name_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &text[..end] }
}

/// Index of the brace that closes one opened just before.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if i > 0 && bytes[i - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(i),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn shorten(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".into()),
            "EMPTY" => Some(String::new()),
            "MONEY" => Some("$A".into()),
            _ => None,
        }
    }

    #[test]
    fn forms() {
        for (text, want) in [
            ("plain", "plain"),
            ("$A", "one"),
            ("${A}", "one"),
            ("x${A}y$A-z", "xoneyone-z"),
            ("$$A $${A} $$", "$A ${A} $"),
            ("${NO}", ""),
            ("${NO:-def}", "def"),
            ("${NO-def}", "def"),
            ("${EMPTY:-def}", "def"),
            ("${EMPTY-def}", ""),
            ("${A:-def}", "one"),
            ("${NO:-}", ""),
            ("${NO:-${A}}", "one"),
            ("${NO:-${NO:-a}b}c", "abc"),
            ("${NO:-a$$b}", "a$b"),
            ("${A:+x}", "x"),
            ("${EMPTY:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${NO+x}", ""),
            ("${A:?m}", "one"),
            ("${EMPTY?m}", ""),
            ("$MONEY", "$A"),
            ("ä$A", "äone"),
        ] {
            assert_eq!(substitute(text, &set).unwrap().text, want, "{text}");
        }
    }

    #[test]
    fn unset_names_are_told() {
        let done = substitute("$X ${Y} ${Z:-1} ${Q+1} ${NO:-$W}", &set).unwrap();
        assert_eq!(done.missing, ["X", "Y", "W"]);
    }

    #[test]
    fn mistakes() {
        for (text, want) in [
            ("${A", "`${` has no closing brace"),
            ("cost: 5$", "`$` is not followed by a name; write `$$` for a dollar sign"),
            ("$1", "`$` is not followed by a name; write `$$` for a dollar sign"),
            (
                "${A!b}",
                "`${A!b…}` is not a variable: write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+other}",
            ),
            (
                "${}",
                "`${…}` is not a variable: write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+other}",
            ),
            ("${NO:?set it}", "the variable NO must be set: set it"),
            ("${NO?}", "the variable NO must be set"),
            ("${EMPTY:?no}", "the variable EMPTY must be set: no"),
        ] {
            assert_eq!(substitute(text, &set).unwrap_err().to_string(), want, "{text}");
        }
        let deep = format!("{}x{}", "${N:-".repeat(40), "}".repeat(40));
        assert_eq!(substitute(&deep, &set), Err(BadVariable::Deep));
    }
}
