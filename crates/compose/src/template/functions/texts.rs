//! Functions on texts.

use serde_json::{Map, Value};

use super::{Arguments, Done};
use crate::template::{LARGEST, kind, shown};

/// Call one of them; none if it is another one's.
pub(super) fn call(a: &Arguments<'_>) -> Option<Done> {
    Some(match a.name {
        "print" => Ok(a.held.iter().map(shown).collect::<String>().into()),
        "println" => Ok(format!("{}\n", joined(&a.held, " ")).into()),
        "printf" => a.at_least(1).and_then(|()| format(a)),
        "toString" => a.exactly(1).map(|()| shown(a.at(0)).into()),
        "upper" => one(a, str::to_uppercase),
        "lower" => one(a, str::to_lowercase),
        "title" => one(a, title),
        "trim" => one(a, |text| text.trim().to_owned()),
        "nospace" => one(a, |text| text.split_whitespace().collect()),
        "quote" => Ok(a.held.iter().map(quoted).collect::<Vec<_>>().join(" ").into()),
        "squote" => {
            let quoted = a.held.iter().map(|value| format!("'{}'", shown(value)));
            Ok(quoted.collect::<Vec<_>>().join(" ").into())
        }
        "trimSuffix" => two(a, |end, text| text.strip_suffix(end).unwrap_or(text).into()),
        "trimPrefix" => two(a, |begin, text| text.strip_prefix(begin).unwrap_or(text).into()),
        "trimAll" => two(a, |all, text| text.trim_matches(|c| all.contains(c)).into()),
        "contains" => two(a, |part, text| text.contains(part).into()),
        "hasPrefix" => two(a, |begin, text| text.starts_with(begin).into()),
        "hasSuffix" => two(a, |end, text| text.ends_with(end).into()),
        "splitList" => two(a, |by, text| text.split(by).map(Value::from).collect()),
        "split" => two(a, |by, text| {
            let parts = text.split(by).enumerate();
            parts.map(|(i, part)| (format!("_{i}"), part.into())).collect::<Map<_, _>>().into()
        }),
        "join" => a.list(1, 2).and_then(|items| Ok(joined(items, a.text(0)?).into())),
        "replace" => a.exactly(3).and_then(|()| replace(a)),
        "repeat" => a.exactly(2).and_then(|()| repeat(a)),
        "indent" => a.exactly(2).and_then(|()| indent(a, "")),
        "nindent" => a.exactly(2).and_then(|()| indent(a, "\n")),
        "splitPreserveQuotes" => {
            a.exactly(1).and_then(|()| Ok(words(a.text(0)?).into_iter().map(Value::from).collect()))
        }
        _ => return None,
    })
}

fn one(a: &Arguments<'_>, by: impl Fn(&str) -> String) -> Done {
    a.exactly(1)?;
    Ok(by(a.text(0)?).into())
}

fn two(a: &Arguments<'_>, by: impl Fn(&str, &str) -> Value) -> Done {
    a.exactly(2)?;
    Ok(by(a.text(0)?, a.text(1)?))
}

fn joined(items: &[Value], by: &str) -> String {
    items.iter().map(shown).collect::<Vec<_>>().join(by)
}

fn quoted(value: &Value) -> String {
    let text = shown(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}

fn title(text: &str) -> String {
    let mut first = true;
    let raise = |c: char| {
        let raised = if first { c.to_uppercase().collect() } else { String::from(c) };
        first = c.is_whitespace();
        raised
    };
    text.chars().map(raise).collect()
}

fn replace(a: &Arguments<'_>) -> Done {
    let (old, new, text) = (a.text(0)?, a.text(1)?, a.text(2)?);
    bounded(text.len().saturating_add(text.matches(old).count().saturating_mul(new.len())))?;
    Ok(text.replace(old, new).into())
}

fn repeat(a: &Arguments<'_>) -> Done {
    let (times, text) = (usize::try_from(a.int(0)?).unwrap_or(0), a.text(1)?);
    bounded(times.saturating_mul(text.len()))?;
    Ok(text.repeat(times).into())
}

fn indent(a: &Arguments<'_>, before: &str) -> Done {
    let (by, text) = (usize::try_from(a.int(0)?).unwrap_or(0), a.text(1)?);
    let lines = text.split('\n').count();
    bounded(by.saturating_mul(lines).saturating_add(text.len()))?;
    let by = " ".repeat(by);
    let lines: Vec<String> = text.split('\n').map(|line| format!("{by}{line}")).collect();
    Ok(format!("{before}{}", lines.join("\n")).into())
}

fn bounded(length: usize) -> Result<(), String> {
    if length > LARGEST { Err("what comes out is larger than 4 MB".to_owned()) } else { Ok(()) }
}

/// Split on blanks; what stands in quotes stays together, quotes and all.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    for c in text.chars() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            None | Some(_) => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// `printf`: `%s %v %d %q %t %%`, with a width, `0` and `-`.
fn format(a: &Arguments<'_>) -> Done {
    let mut out = String::new();
    let mut values = a.held.iter().skip(1);
    let mut chars = a.text(0)?.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        let verb = loop {
            match chars.next() {
                Some(c) if c.is_ascii_digit() || c == '-' => flags.push(c),
                Some(c) => break c,
                None => return Err("`printf`: `%` at the end says nothing; write %%".to_owned()),
            }
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or("`printf` has fewer values than places for them")?;
        let text = match verb {
            's' | 'v' => shown(value),
            'q' => quoted(value),
            'd' => match value {
                Value::Number(_) => shown(value),
                other => return Err(format!("`printf`: %d takes a number, not {}", kind(other))),
            },
            't' => match value {
                Value::Bool(flag) => flag.to_string(),
                other => {
                    return Err(format!("`printf`: %t takes true or false, not {}", kind(other)));
                }
            },
            other => return Err(format!("`printf` knows %s %v %d %q %t and %%, not %{other}")),
        };
        out.push_str(&padded(&text, &flags)?);
        bounded(out.len())?;
    }
    if values.next().is_some() {
        return Err("`printf` has more values than places for them".to_owned());
    }
    Ok(out.into())
}

fn padded(text: &str, flags: &str) -> Result<String, String> {
    let left = flags.starts_with('-');
    let digits = flags.trim_start_matches('-');
    let width: usize = match digits {
        "" => 0,
        digits => digits.parse().map_err(|_| format!("`printf`: %{flags} is no width"))?,
    };
    bounded(width)?;
    let missing = width.saturating_sub(text.chars().count());
    Ok(match (left, digits.starts_with('0')) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (false, true) => match text.strip_prefix('-') {
            Some(text) => format!("-{}{text}", "0".repeat(missing)),
            None => format!("{}{text}", "0".repeat(missing)),
        },
        (false, false) => format!("{}{text}", " ".repeat(missing)),
    })
}
