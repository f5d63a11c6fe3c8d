//! YAML text into a tree in which every key and value knows its place.
//!
//! Built on the parser's events rather than on serde, because a compose file is judged key by key: a wrong
//! value must not hide the other mistakes, and each message names a line. Aliases are copied in, merge keys
//! (`<<`) resolved, duplicate keys refused. Types are not decided here: `yes` is a boolean for one key and
//! text for another, so a scalar keeps its text and whether it was quoted.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use crate::diagnostic::{Place, Report};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Place,
    pub(crate) value: Node,
}

/// Anything that is neither null nor a collection.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that it may mean a number or a boolean.
    pub(crate) plain: bool,
    /// The text of the file, if variables in it were replaced; what messages show.
    pub(crate) source: Option<String>,
    /// Written as a block in which every line of the text is a line of the file.
    pub(crate) literal: bool,
}

impl Scalar {
    /// What a message may show: never a value that came from the environment.
    pub(crate) fn shown(&self) -> &str {
        let text = self.source.as_deref().unwrap_or(&self.text);
        match text.char_indices().nth(60) {
            Some((end, _)) => &text[..end],
            None => text,
        }
    }

    /// The boolean that YAML 1.1 sees in it, as Rancher's and Docker's parsers did.
    pub(crate) fn boolean(&self) -> Option<bool> {
        if !self.plain && self.source.is_none() {
            return None;
        }
        match self.text.as_str() {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                Some(true)
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
            | "N" => Some(false),
            _ => None,
        }
    }
}

impl Node {
    /// What it is, for a message about what was expected.
    pub(crate) fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
            Value::Scalar(scalar) if scalar.shown().is_empty() => "an empty text".into(),
            Value::Scalar(scalar) => format!("`{}`", scalar.shown()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value under a key, if this is a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }
}

/// Read one file. `None`: it is not YAML, and the report says where.
pub(crate) fn load(file: &Arc<str>, text: &str, report: &mut Report) -> Option<Node> {
    match read(file, text) {
        Ok(node) => Some(node),
        Err(fault) => {
            let said = report.error(&fault.at, "", fault.message);
            if text.contains("{{") {
                said.hint("templates (`{{ … }}`) are not supported: replace them by variables");
            } else if let Some(hint) = fault.hint {
                said.hint(hint);
            }
            None
        }
    }
}

/// Largest file read, in bytes. Real compose files are a thousand times smaller.
const LARGEST: usize = 1 << 20;
/// Deepest nesting, aliases unfolded.
const DEEPEST: usize = 64;
/// Bound on the whole tree with aliases unfolded: bytes of text plus a fixed cost for each node.
const HEAVIEST: usize = 8 << 20;
const NODE_WEIGHT: usize = 32;

struct Fault {
    at: Place,
    message: String,
    hint: Option<&'static str>,
}

impl Fault {
    fn new(at: &Place, message: impl Into<String>) -> Self {
        Self { at: at.clone(), message: message.into(), hint: None }
    }
}

/// A finished value and what copying it would cost.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    depth: usize,
}

/// A collection whose end has not come yet.
struct Frame {
    anchor: usize,
    at: Place,
    open: Open,
    weight: usize,
    depth: usize,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, merges: Vec<Node>, key: Option<Key> },
}

struct Key {
    text: String,
    at: Place,
    merge: bool,
}

struct Builder<'a> {
    file: &'a Arc<str>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Built>,
    weight: usize,
    root: Option<Node>,
}

fn read(file: &Arc<str>, text: &str) -> Result<Node, Fault> {
    let start = Place { file: file.clone(), line: 1, column: 1 };
    if text.len() > LARGEST {
        let limit = LARGEST >> 20;
        return Err(Fault::new(&start, format!("the file is larger than {limit} MiB")));
    }
    let limits = options! { flow_nesting_limit: DEEPEST, block_nesting_limit: DEEPEST };
    let mut builder =
        Builder { file, frames: Vec::new(), anchors: BTreeMap::new(), weight: 0, root: None };
    for event in Parser::new_from_str_with_options(text, limits) {
        let (event, span) = event.map_err(|e| syntax_fault(file, &e))?;
        builder.take(event, &span)?;
    }
    Ok(builder.root.unwrap_or(Node { at: start, value: Value::Null }))
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let at = place(self.file, span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Fault::new(&at, "a second document (`---`) begins here: one file holds one"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&at, text.into_owned(), style, tag.as_deref())?;
                let weight =
                    NODE_WEIGHT + if let Value::Scalar(s) = &value { s.text.len() } else { 0 };
                self.add(anchor, Built { node: Node { at, value }, weight, depth: 0 }, weight)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(&at, tag.as_deref())?;
                self.open(anchor, at, Open::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(&at, tag.as_deref())?;
                let open = Open::Map { entries: Vec::new(), merges: Vec::new(), key: None };
                self.open(anchor, at, open)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&at),
            Event::Alias(id) => {
                let Some(mut built) = self.anchors.get(&id).cloned() else {
                    return Err(Fault::new(&at, "an anchor must not contain an alias of itself"));
                };
                built.node.at = at;
                let weight = built.weight;
                self.add(0, built, weight)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, at: Place, open: Open) -> Result<(), Fault> {
        if self.frames.len() >= DEEPEST {
            return Err(too_deep(&at));
        }
        self.frames.push(Frame { anchor, at, open, weight: NODE_WEIGHT, depth: 0 });
        Ok(())
    }

    fn close(&mut self, at: &Place) -> Result<(), Fault> {
        let Some(frame) = self.frames.pop() else {
            return Err(Fault::new(at, "a collection ends that never began"));
        };
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map { entries, merges, .. } => Value::Map(merged(entries, merges)?),
        };
        let node = Node { at: frame.at, value };
        let built = Built { node, weight: frame.weight, depth: frame.depth + 1 };
        self.add(frame.anchor, built, NODE_WEIGHT)
    }

    /// Put a value where it belongs. `fresh` is what it adds to the weight of the tree: a collection's parts
    /// were counted when they came, an alias brings all its parts again.
    fn add(&mut self, anchor: usize, built: Built, fresh: usize) -> Result<(), Fault> {
        self.weight += fresh;
        if anchor != 0 {
            self.weight += built.weight;
        }
        if self.weight > HEAVIEST {
            let mut fault =
                Fault::new(&built.node.at, "the file is too large with its aliases unfolded");
            fault.hint = Some("write fewer aliases of aliases");
            return Err(fault);
        }
        if self.frames.len() + built.depth > DEEPEST {
            return Err(too_deep(&built.node.at));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        frame.weight += built.weight;
        frame.depth = frame.depth.max(built.depth);
        match &mut frame.open {
            Open::List(items) => items.push(built.node),
            Open::Map { entries, merges, key } => match key.take() {
                None => *key = Some(as_key(built.node)?),
                Some(key) if key.merge => merges.push(built.node),
                Some(key) => {
                    entries.push(Entry { key: key.text, at: key.at, value: built.node });
                }
            },
        }
        Ok(())
    }
}

fn place(file: &Arc<str>, line: usize, column: usize) -> Place {
    Place { file: file.clone(), line, column: column + 1 }
}

fn too_deep(at: &Place) -> Fault {
    Fault::new(at, format!("values are nested more than {DEEPEST} deep"))
}

fn scalar(at: &Place, text: String, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Fault> {
    check_tag(at, tag)?;
    let as_text = tag.and_then(Tag::core_suffix).is_some_and(|suffix| suffix == "str");
    let plain = matches!(style, ScalarStyle::Plain) && !as_text;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::Null);
    }
    let literal = matches!(style, ScalarStyle::Literal);
    Ok(Value::Scalar(Scalar { text, plain, source: None, literal }))
}

fn check_tag(at: &Place, tag: Option<&Tag>) -> Result<(), Fault> {
    match tag {
        Some(tag) if tag.core_suffix().is_none() => {
            Err(Fault::new(at, "YAML tags (`!name`) are not supported"))
        }
        _ => Ok(()),
    }
}

fn as_key(node: Node) -> Result<Key, Fault> {
    match node.value {
        Value::Scalar(Scalar { text, plain, .. }) => {
            Ok(Key { merge: plain && text == "<<", text, at: node.at })
        }
        Value::Null => Err(Fault::new(&node.at, "a key is missing before this colon")),
        Value::List(_) | Value::Map(_) => {
            Err(Fault::new(&node.at, "a key must be plain text, not a list or a map"))
        }
    }
}

/// A map's own entries and, behind them, those of the maps it merges: what is said first wins.
fn merged(own: Vec<Entry>, merges: Vec<Node>) -> Result<Vec<Entry>, Fault> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &own {
        if let Some(first) = seen.insert(entry.key.clone(), entry.at.line) {
            let key = &entry.key;
            return Err(Fault::new(
                &entry.at,
                format!("the key `{key}` stands here a second time; the first is in line {first}"),
            ));
        }
    }
    let mut all = own;
    for node in merges {
        let at = node.at.clone();
        let maps = match node.value {
            Value::List(items) => items,
            Value::Null | Value::Scalar(_) | Value::Map(_) => vec![node],
        };
        for map in maps {
            let Value::Map(entries) = map.value else {
                return Err(Fault::new(&at, "`<<` takes a map or a list of maps"));
            };
            for entry in entries {
                if !seen.contains_key(&entry.key) {
                    seen.insert(entry.key.clone(), entry.at.line);
                    all.push(entry);
                }
            }
        }
    }
    Ok(all)
}

fn syntax_fault(file: &Arc<str>, error: &ScanError) -> Fault {
    let mark = error.marker();
    let at = place(file, mark.line().max(1), mark.col());
    let (message, hint) = match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => {
            ("a tab stands where only spaces may".to_owned(), Some("indent with spaces"))
        }
        ErrorKind::UnknownAnchor => {
            ("this alias has no anchor above it".to_owned(), Some("write `&name` at the value"))
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation => {
            (format!("not YAML: {}", error.info()), Some("look at the indentation here and above"))
        }
        ErrorKind::UnexpectedEof => ("the file ends too early".to_owned(), None),
        _ => (format!("not YAML: {}", error.info()), None),
    };
    Fault { at, message, hint }
}

#[cfg(test)]
mod tests;
