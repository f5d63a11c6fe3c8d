//! Functions on numbers, and lists of numbers.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Arguments, Done, MOST, whole};
use crate::template::kind;

/// Call one of them; none if it is another one's.
pub(super) fn call(a: &Arguments<'_>) -> Option<Done> {
    Some(match a.name {
        "lt" => order(a).map(|order| order.is_lt().into()),
        "le" => order(a).map(|order| order.is_le().into()),
        "gt" => order(a).map(|order| order.is_gt().into()),
        "ge" => order(a).map(|order| order.is_ge().into()),
        "atoi" | "int" | "int64" => {
            a.exactly(1).map(|()| whole(a.at(0)).unwrap_or_default().into())
        }
        "add" => fold(a, i64::checked_add),
        "add1" => a.exactly(1).and_then(|()| a.int(0)).and_then(|n| sum(n.checked_add(1))),
        "sub" => two(a, i64::checked_sub),
        "mul" => fold(a, i64::checked_mul),
        "div" => two(a, i64::checked_div),
        "mod" => two(a, i64::checked_rem),
        "max" => fold(a, |a, b| Some(a.max(b))),
        "min" => fold(a, |a, b| Some(a.min(b))),
        "until" => a.exactly(1).and_then(|()| steps(0, a.int(0)?, None)),
        "untilStep" => a.exactly(3).and_then(|()| steps(a.int(0)?, a.int(1)?, Some(a.int(2)?))),
        _ => return None,
    })
}

/// Numbers by size, texts by their letters.
fn order(a: &Arguments<'_>) -> Result<Ordering, String> {
    a.exactly(2)?;
    match (a.at(0), a.at(1)) {
        (Value::Number(one), Value::Number(two)) => {
            let order = one.as_f64().zip(two.as_f64()).and_then(|(a, b)| a.partial_cmp(&b));
            Ok(order.unwrap_or(Ordering::Equal))
        }
        (Value::String(one), Value::String(two)) => Ok(one.cmp(two)),
        (one, two) => Err(format!(
            "`{}` can't tell {} and {} apart: both must be numbers, or texts; `atoi` makes a number of a text",
            a.name,
            kind(one),
            kind(two)
        )),
    }
}

fn two(a: &Arguments<'_>, by: fn(i64, i64) -> Option<i64>) -> Done {
    a.exactly(2)?;
    sum(by(a.int(0)?, a.int(1)?))
}

fn fold(a: &Arguments<'_>, by: fn(i64, i64) -> Option<i64>) -> Done {
    a.at_least(1)?;
    let mut total = a.int(0)?;
    for i in 1..a.held.len() {
        total = by(total, a.int(i)?).ok_or_else(overflow)?;
    }
    Ok(total.into())
}

fn sum(number: Option<i64>) -> Done {
    number.map(Value::from).ok_or_else(overflow)
}

fn overflow() -> String {
    "the number is too large, or it is divided by 0".to_owned()
}

fn steps(from: i64, to: i64, step: Option<i64>) -> Done {
    let step = step.unwrap_or(if to < from { -1 } else { 1 });
    if step == 0 {
        return Ok(Vec::<Value>::new().into());
    }
    let mut items: Vec<Value> = Vec::new();
    let mut at = from;
    while (step > 0 && at < to) || (step < 0 && at > to) {
        if items.len() >= MOST {
            return Err(format!("a list of more than {MOST} numbers is too long"));
        }
        items.push(at.into());
        at = at.checked_add(step).ok_or_else(overflow)?;
    }
    Ok(items.into())
}
