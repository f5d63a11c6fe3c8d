//! Label selectors as users write them: `a=b, c!=d, e, f in (x, y), g notin (z)`, all of which must hold.
//! Values compare ignoring case, as Rancher does; `!=` and `notin` hold only where the label exists.

use std::collections::BTreeMap;

/// A selector, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Any,
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{term}` is no label selector: write key=value, key!=value, key, key in (a, b) or key notin (a, b), with \
     commas between"
)]
pub struct BadSelector {
    /// The part that makes no sense.
    pub term: String,
}

impl std::str::FromStr for Selector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        terms(text)
            .map(|term| read(term).ok_or_else(|| BadSelector { term: term.to_owned() }))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Selector {
    /// Whether labels fulfil it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|term| {
            let mut held = labels.iter().filter(|(key, _)| key.eq_ignore_ascii_case(&term.key));
            let Some((_, held)) = held.next() else { return false };
            let among = |values: &[String]| values.iter().any(|v| v.eq_ignore_ascii_case(held));
            match &term.values {
                Values::Any => true,
                Values::In(values) => among(values),
                Values::NotIn(values) => !among(values),
            }
        })
    }
}

/// Split at the commas outside of parentheses.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let parts = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim)
}

fn read(term: &str) -> Option<Term> {
    let make = |key: &str, values| {
        let key = key.trim();
        let fits = !key.is_empty() && !key.contains([' ', '(', ')', '=', '!']);
        fits.then(|| Term { key: key.to_owned(), values })
    };
    let one = |value: &str| {
        let value = value.trim();
        (!value.contains(['=', '(', ')'])).then(|| vec![value.to_owned()])
    };
    if let Some(inside) = term.strip_suffix(')') {
        let (front, list) = inside.split_once('(')?;
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, word) = front.trim().rsplit_once(char::is_whitespace)?;
        return match word.to_ascii_lowercase().as_str() {
            "in" => make(key, Values::In(values)),
            "notin" => make(key, Values::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, value)) = term.split_once("!=") {
        return make(key, Values::NotIn(one(value)?));
    }
    match term.split_once('=') {
        Some((key, value)) => make(key, Values::In(one(value)?)),
        None => make(term, Values::Any),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_must_hold() {
        let labels = [("tier", "Web"), ("env", "prod"), ("io.x/y", "")];
        let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let check = |text: &str, want: Option<bool>| {
            let read = text.parse::<Selector>().ok();
            assert_eq!(read.map(|selector| selector.matches(&labels)), want, "{text}");
        };
        check("tier=web", Some(true));
        check("TIER = WEB , env=prod", Some(true));
        check("tier=web,env=test", Some(false));
        check("tier!=db", Some(true));
        check("zone!=a", Some(false));
        check("tier", Some(true));
        check("zone", Some(false));
        check("io.x/y=", Some(true));
        check("tier in (db, web), env", Some(true));
        check("tier notin (db,web)", Some(false));
        check("tier notin (db)", Some(true));
        for bad in ["", "tier=web,", "=web", "tier in web", "tier within (a)", "a b=c", "tier=(x"] {
            check(bad, None);
        }
    }
}
