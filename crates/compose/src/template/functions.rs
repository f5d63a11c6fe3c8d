//! The functions of templates: Go's own, and of sprig's those that compose files use.

mod numbers;
mod texts;

use serde_json::Value;

use super::{kind, truth};

/// Items of a list that a function makes, at most.
const MOST: usize = 100_000;

type Done = Result<Value, String>;

/// Call a function.
pub(super) fn call(name: &str, arguments: Vec<Value>) -> Done {
    let arguments = Arguments { name, held: arguments };
    let unknown = || {
        Err(format!(
            "there is no function `{name}` in compose files; of Go's and sprig's functions those are there that work on \
             texts, numbers and lists"
        ))
    };
    let done = logic(&arguments).or_else(|| lists(&arguments));
    done.or_else(|| numbers::call(&arguments))
        .or_else(|| texts::call(&arguments))
        .unwrap_or_else(unknown)
}

fn logic(a: &Arguments<'_>) -> Option<Done> {
    Some(match a.name {
        "not" => a.exactly(1).map(|()| (!truth(a.at(0))).into()),
        "eq" => a.at_least(2).and_then(|()| any_equal(a)).map(Value::from),
        "ne" => a.exactly(2).and_then(|()| equal(a.at(0), a.at(1))).map(|same| (!same).into()),
        "empty" => a.exactly(1).map(|()| (!truth(a.at(0))).into()),
        "default" => {
            a.exactly(2).map(|()| if truth(a.at(1)) { a.at(1).clone() } else { a.at(0).clone() })
        }
        "coalesce" => Ok(a.held.iter().find(|value| truth(value)).cloned().unwrap_or(Value::Null)),
        "ternary" => {
            a.exactly(3).map(|()| if truth(a.at(2)) { a.at(0).clone() } else { a.at(1).clone() })
        }
        "required" => a.exactly(2).and_then(|()| {
            if truth(a.at(1)) { Ok(a.at(1).clone()) } else { Err(super::shown(a.at(0))) }
        }),
        "fail" => a.exactly(1).and_then(|()| Err(super::shown(a.at(0)))),
        _ => return None,
    })
}

fn lists(a: &Arguments<'_>) -> Option<Done> {
    Some(match a.name {
        "len" => a.exactly(1).and_then(|()| length(a.at(0))),
        "index" => a.at_least(1).and_then(|()| index(a)),
        "list" | "tuple" => Ok(Value::Array(a.held.clone())),
        "dict" => dict(a),
        "first" => a.list(0, 1).map(|items| items.first().cloned().unwrap_or(Value::Null)),
        "last" => a.list(0, 1).map(|items| items.last().cloned().unwrap_or(Value::Null)),
        "rest" => a.list(0, 1).map(|items| items.get(1..).unwrap_or_default().into()),
        "initial" => a
            .list(0, 1)
            .map(|items| items.get(..items.len().saturating_sub(1)).unwrap_or_default().into()),
        "has" => a.list(1, 2).map(|items| items.contains(a.at(0)).into()),
        "uniq" => a.list(0, 1).map(|items| {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                if !kept.contains(item) {
                    kept.push(item.clone());
                }
            }
            kept.into()
        }),
        "hasKey" => a.exactly(2).map(|()| a.at(0).get(super::shown(a.at(1))).is_some().into()),
        "get" => a
            .exactly(2)
            .map(|()| a.at(0).get(super::shown(a.at(1))).cloned().unwrap_or(Value::Null)),
        "keys" => a.exactly(1).and_then(|()| match a.at(0) {
            Value::Object(members) => Ok(members.keys().cloned().collect::<Vec<_>>().into()),
            other => Err(format!("`keys` takes a map, not {}", kind(other))),
        }),
        _ => return None,
    })
}

/// `eq a b c`: whether `a` is one of the others.
fn any_equal(a: &Arguments<'_>) -> Result<bool, String> {
    for other in a.held.iter().skip(1) {
        if equal(a.at(0), other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two are the same. What is not there is the same as nothing else; a text and a number can't be.
fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(a == b),
        (Value::Number(a), Value::Number(b)) => Ok(a.as_f64() == b.as_f64()),
        _ if std::mem::discriminant(a) == std::mem::discriminant(b) => Ok(a == b),
        _ => Err(format!(
            "{} can't be compared with {}: values of a stack are texts, \"1\" and not 1",
            kind(a),
            kind(b)
        )),
    }
}

fn length(value: &Value) -> Done {
    Ok(match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null => 0,
        other => return Err(format!("{} has no length", kind(other))),
    }
    .into())
}

fn index(a: &Arguments<'_>) -> Done {
    let mut value = a.at(0).clone();
    for key in a.held.iter().skip(1) {
        value = match (&value, key) {
            (Value::Null, _) => Value::Null,
            (Value::Array(items), Value::Number(_)) => {
                let found = key.as_u64().and_then(|n| items.get(usize::try_from(n).ok()?));
                found
                    .cloned()
                    .ok_or_else(|| format!("`index` {key} is not in a list of {}", items.len()))?
            }
            (Value::Object(members), Value::String(name)) => {
                members.get(name).cloned().unwrap_or(Value::Null)
            }
            (other, key) => {
                return Err(format!("`index` finds nothing in {} by {}", kind(other), kind(key)));
            }
        };
    }
    Ok(value)
}

fn dict(a: &Arguments<'_>) -> Done {
    let mut members = serde_json::Map::new();
    for pair in a.held.chunks(2) {
        let [name, value] = pair else { return Err("`dict` takes pairs".to_owned()) };
        members.insert(super::shown(name), value.clone());
    }
    Ok(members.into())
}

/// What a function is called with.
struct Arguments<'a> {
    name: &'a str,
    held: Vec<Value>,
}

impl Arguments<'_> {
    fn at(&self, i: usize) -> &Value {
        self.held.get(i).unwrap_or(&Value::Null)
    }

    fn exactly(&self, count: usize) -> Result<(), String> {
        if self.held.len() == count { Ok(()) } else { Err(self.wants(&count.to_string())) }
    }

    fn at_least(&self, count: usize) -> Result<(), String> {
        if self.held.len() >= count {
            Ok(())
        } else {
            Err(self.wants(&format!("at least {count}")))
        }
    }

    fn wants(&self, count: &str) -> String {
        format!("`{}` takes {count} values, not {}", self.name, self.held.len())
    }

    /// The list at a place, of so many arguments.
    fn list(&self, i: usize, count: usize) -> Result<&[Value], String> {
        self.exactly(count)?;
        match self.at(i) {
            Value::Array(items) => Ok(items),
            Value::Null => Ok(&[]),
            other => Err(format!("`{}` takes a list, not {}", self.name, kind(other))),
        }
    }

    fn text(&self, i: usize) -> Result<&str, String> {
        match self.at(i) {
            Value::String(text) => Ok(text),
            Value::Null => Ok(""),
            other => Err(format!("`{}` takes a text, not {}", self.name, kind(other))),
        }
    }

    /// A whole number; a text that is one is taken for it, as sprig does.
    fn int(&self, i: usize) -> Result<i64, String> {
        whole(self.at(i))
            .ok_or_else(|| format!("`{}` takes whole numbers, not {}", self.name, kind(self.at(i))))
    }
}

/// A whole number, also where it is written as a text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
