//! One service laid over another: several `-f` files, `extends`, rancher-compose over docker-compose.
//!
//! Later text wins, maps overlay key by key, lists append. A command is one thing and is replaced as a
//! whole; `image` and `build` drive each other out.

use std::collections::BTreeMap;

use crate::diagnostic::Place;
use crate::field::split_pair;
use crate::yaml::{Entry, Node, Scalar, Value};

/// Keys that may be written as a map or as a list of `KEY=VALUE`: made maps, so that they overlay.
const PAIRS: &[&str] = &["environment", "labels", "sysctls"];
/// Lists that are one value.
const WHOLE: &[&str] = &["command", "entrypoint", "test"];

/// `over` laid over `base`.
pub(crate) fn overlay(base: Node, over: Node) -> Node {
    let at = over.at.clone();
    match (base.value, over.value) {
        (Value::Map(entries), Value::Map(over)) => {
            let mut laid = Laid::of(entries);
            for entry in over {
                laid.lay(entry);
            }
            Node { at, value: Value::Map(laid.entries) }
        }
        (value, Value::Null) => Node { at: base.at, value },
        (_, value) => Node { at, value },
    }
}

/// A map that others are laid over.
struct Laid {
    entries: Vec<Entry>,
    by_key: BTreeMap<String, usize>,
}

impl Laid {
    fn of(entries: Vec<Entry>) -> Self {
        let by_key = entries.iter().enumerate().map(|(i, e)| (e.key.clone(), i)).collect();
        Self { entries, by_key }
    }

    fn lay(&mut self, entry: Entry) {
        match entry.key.as_str() {
            "image" => self.empty("build"),
            "build" => self.empty("image"),
            _ => {}
        }
        let Some(held) = self.by_key.get(&entry.key).map(|i| &mut self.entries[*i]) else {
            self.by_key.insert(entry.key.clone(), self.entries.len());
            self.entries.push(entry);
            return;
        };
        let base = std::mem::replace(&mut held.value, null(&entry.at));
        held.value = combine(&entry.key, base, entry.value);
        held.at = entry.at;
    }

    fn empty(&mut self, key: &str) {
        if let Some(held) = self.by_key.get(key).map(|i| &mut self.entries[*i]) {
            held.value = null(&held.at);
        }
    }
}

fn null(at: &Place) -> Node {
    Node { at: at.clone(), value: Value::Null }
}

fn combine(key: &str, base: Node, over: Node) -> Node {
    let (base, over) =
        if PAIRS.contains(&key) { (as_map(base), as_map(over)) } else { (base, over) };
    match (base.value, over.value) {
        (Value::List(base), Value::List(over_items)) if !WHOLE.contains(&key) => {
            Node { at: over.at, value: Value::List(appended(base, over_items)) }
        }
        (base_value @ Value::Map(_), over_value @ Value::Map(_)) => overlay(
            Node { at: base.at, value: base_value },
            Node { at: over.at, value: over_value },
        ),
        (value, Value::Null) => Node { at: base.at, value },
        (_, value) => Node { at: over.at, value },
    }
}

/// Both lists; what stands in both, once.
fn appended(mut base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    let held: std::collections::BTreeSet<String> =
        base.iter().filter_map(|n| scalar(n).map(|s| s.text.clone())).collect();
    base.extend(over.into_iter().filter(|n| scalar(n).is_none_or(|s| !held.contains(&s.text))));
    base
}

/// `[KEY=VALUE, …]` as a map; anything else unchanged, for the reader to complain about.
fn as_map(node: Node) -> Node {
    let Value::List(items) = &node.value else { return node };
    let mut map = Laid::of(Vec::new());
    for item in items {
        let Some(scalar) = scalar(item) else { return node };
        let (key, value) = split_pair(scalar);
        let value = Node { at: item.at.clone(), value: value.map_or(Value::Null, Value::Scalar) };
        map.lay(Entry { key, at: item.at.clone(), value });
    }
    Node { at: node.at.clone(), value: Value::Map(map.entries) }
}

fn scalar(node: &Node) -> Option<&Scalar> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
