//! Reading typed values out of the tree, each with its path for messages.
//!
//! A reader that finds the wrong thing says so in the report and returns `None`: the caller goes on, so that
//! one run finds every mistake in a file.

use crate::diagnostic::{Diagnostic, Place, Report};
use crate::keys::{Fate, Key};
use crate::suggest::nearest;
use crate::yaml::{Node, Scalar, Value};
use crate::{quantity, yaml};

/// A value, and the way to it from the top of the file.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) path: String,
    pub(crate) node: &'a Node,
}

/// A name that stands in a file and refers to something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// How messages may show it.
    pub(crate) shown: String,
    pub(crate) at: Place,
    pub(crate) path: String,
}

/// `KEY=VALUE`, from a map or a list.
pub(crate) struct Pair<'a> {
    pub(crate) key: String,
    /// `None`: only the key is there.
    pub(crate) value: Option<Scalar>,
    pub(crate) field: Field<'a>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(path: impl Into<String>, node: &'a Node) -> Self {
        Self { path: path.into(), node }
    }

    pub(crate) fn at(&self) -> &'a Place {
        &self.node.at
    }

    pub(crate) fn error<'r>(
        &self,
        to: &'r mut Report,
        text: impl Into<String>,
    ) -> &'r mut Diagnostic {
        to.error(self.at(), &self.path, text)
    }

    pub(crate) fn warn<'r>(
        &self,
        to: &'r mut Report,
        text: impl Into<String>,
    ) -> &'r mut Diagnostic {
        to.warn(self.at(), &self.path, text)
    }

    pub(crate) fn note<'r>(
        &self,
        to: &'r mut Report,
        text: impl Into<String>,
    ) -> &'r mut Diagnostic {
        to.note(self.at(), &self.path, text)
    }

    /// Say that something else was expected.
    pub(crate) fn expected<T>(&self, what: &str, to: &mut Report) -> Option<T> {
        self.wrong(what, to);
        None
    }

    /// The same, where nothing is to be returned.
    pub(crate) fn wrong(&self, what: &str, to: &mut Report) {
        if !to.is_wrong(self.at()) {
            self.error(to, format!("expected {what}, found {}", self.node.found()));
        }
    }

    /// The value under a key of this map.
    pub(crate) fn child(&self, key: &str, node: &'a Node) -> Field<'a> {
        Field { path: join(&self.path, key), node }
    }

    pub(crate) fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Text: any scalar, as it is written.
    pub(crate) fn text(&self, to: &mut Report) -> Option<String> {
        match self.scalar() {
            Some(scalar) => Some(scalar.text.clone()),
            None => self.expected("text", to),
        }
    }

    /// Text with something in it.
    pub(crate) fn word(&self, to: &mut Report) -> Option<String> {
        let text = self.text(to)?;
        if text.trim().is_empty() { self.expected("text", to) } else { Some(text) }
    }

    /// Text that names something.
    pub(crate) fn named(&self, to: &mut Report) -> Option<Named> {
        let name = self.word(to)?;
        Some(self.as_named(name))
    }

    /// A part of this text that names something; shown as it is unless variables are in it.
    pub(crate) fn as_named(&self, name: impl Into<String>) -> Named {
        let name = name.into();
        let source = self.scalar().and_then(|s| s.source.clone());
        let shown = source.unwrap_or_else(|| name.clone());
        Named { name, shown, at: self.at().clone(), path: self.path.clone() }
    }

    pub(crate) fn boolean(&self, to: &mut Report) -> Option<bool> {
        let scalar = self.scalar();
        let quoted = scalar.and_then(|s| s.text.to_ascii_lowercase().parse::<bool>().ok());
        match scalar.and_then(Scalar::boolean).or(quoted) {
            Some(value) => Some(value),
            None => self.expected("true or false", to),
        }
    }

    /// A whole number within a type's bounds.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, to: &mut Report) -> Option<T> {
        let number = self.scalar().and_then(|s| s.text.trim().parse::<i64>().ok());
        let Some(number) = number else { return self.expected("a whole number", to) };
        let Ok(number) = T::try_from(number) else {
            self.error(to, format!("{} is out of range", self.node.found()));
            return None;
        };
        Some(number)
    }

    /// A whole number from `low` to `high`.
    pub(crate) fn within<T>(&self, low: T, high: T, to: &mut Report) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display + Copy,
    {
        let number = self.scalar().and_then(|s| s.text.trim().parse::<i64>().ok());
        match number.and_then(|n| T::try_from(n).ok()).filter(|n| (low..=high).contains(n)) {
            Some(number) => Some(number),
            None => self.expected(&format!("a whole number from {low} to {high}"), to),
        }
    }

    /// A size in bytes: a number or `512m`.
    pub(crate) fn bytes(&self, to: &mut Report) -> Option<i64> {
        match self.scalar().and_then(|s| quantity::bytes(&s.text)) {
            Some(bytes) => Some(bytes),
            None => self.expected("a size like 512m, 2g or a number of bytes", to),
        }
    }

    /// A time span like `1m30s`, in milliseconds.
    pub(crate) fn duration_ms(&self, to: &mut Report) -> Option<u64> {
        match self.scalar().and_then(|s| quantity::duration_ms(&s.text)) {
            Some(span) => Some(span),
            None => self.expected("a time span like 30s or 1m30s", to),
        }
    }

    /// A time span that the server takes: its numbers of milliseconds are Rancher's, which end before 25 days are full.
    pub(crate) fn span_ms(&self, low: u64, to: &mut Report) -> Option<u64> {
        let span = self.duration_ms(to)?;
        if (low..=u64::from(i32::MAX.unsigned_abs())).contains(&span) {
            return Some(span);
        }
        self.expected(&format!("a time span from {low}ms to 596h"), to)
    }

    /// The items of a list.
    pub(crate) fn items(&self, to: &mut Report) -> Option<Vec<Field<'a>>> {
        match &self.node.value {
            Value::List(items) => Some(self.indexed(items)),
            Value::Null | Value::Scalar(_) | Value::Map(_) => self.expected("a list", to),
        }
    }

    /// The items of a list, or the one value that stands for a list of one.
    pub(crate) fn one_or_more(&self, to: &mut Report) -> Option<Vec<Field<'a>>> {
        match &self.node.value {
            Value::List(items) => Some(self.indexed(items)),
            Value::Scalar(_) => Some(vec![self.clone()]),
            Value::Null | Value::Map(_) => self.expected("text or a list", to),
        }
    }

    /// A list of texts (or one text).
    pub(crate) fn texts(&self, to: &mut Report) -> Option<Vec<String>> {
        let fields = self.one_or_more(to)?;
        Some(fields.iter().filter_map(|f| f.text(to)).collect())
    }

    /// A list of texts in which nothing stands twice.
    pub(crate) fn distinct(&self, to: &mut Report) -> Option<Vec<String>> {
        let mut all: Vec<String> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for field in self.one_or_more(to)? {
            let Some(text) = field.text(to) else { continue };
            if seen.insert(text.clone()) {
                all.push(text);
            } else {
                field.error(to, format!("{} stands here twice", field.node.found()));
            }
        }
        Some(all)
    }

    /// The entries of a map with free keys.
    pub(crate) fn entries(&self, to: &mut Report) -> Option<Vec<(&'a yaml::Entry, Field<'a>)>> {
        match &self.node.value {
            Value::Map(entries) => {
                Some(entries.iter().map(|e| (e, self.child(&e.key, &e.value))).collect())
            }
            Value::Null => Some(Vec::new()),
            Value::Scalar(_) | Value::List(_) => self.expected("a map", to),
        }
    }

    /// The entries of a map whose keys are known: those that are honoured and not empty. The others are
    /// reported by what the table says of them.
    pub(crate) fn known(
        &self,
        table: &[Key],
        to: &mut Report,
    ) -> Option<Vec<(&'a str, Field<'a>)>> {
        let mut honoured = Vec::new();
        for (entry, field) in self.entries(to)? {
            let Some(key) = table.iter().find(|k| k.name == entry.key) else {
                if !entry.key.starts_with("x-") {
                    unknown(entry, &field.path, table, to);
                }
                continue;
            };
            // A key with nothing behind it says nothing; templates leave such lines.
            if entry.value.is_null() {
                continue;
            }
            match key.fate {
                Fate::Honoured => honoured.push((entry.key.as_str(), field)),
                Fate::Ignored(why) => {
                    to.note(&entry.at, &field.path, format!("ignored: {why}"));
                }
                Fate::Refused(why) => {
                    to.error(&entry.at, &field.path, why);
                }
            }
        }
        Some(honoured)
    }

    /// `KEY: VALUE` of a map or `KEY=VALUE` of a list.
    pub(crate) fn pairs(&self, to: &mut Report) -> Option<Vec<Pair<'a>>> {
        match &self.node.value {
            Value::Map(entries) => {
                let pairs = entries.iter().map(|e| (e, self.child(&e.key, &e.value)));
                Some(pairs.filter_map(|(e, field)| map_pair(&e.key, field, to)).collect())
            }
            Value::List(items) => {
                let fields = self.indexed(items);
                Some(fields.into_iter().filter_map(|field| list_pair(field, to)).collect())
            }
            Value::Null | Value::Scalar(_) => self.expected("a map or a list of KEY=VALUE", to),
        }
    }

    fn indexed(&self, items: &'a [Node]) -> Vec<Field<'a>> {
        let path = &self.path;
        let fields = items.iter().enumerate();
        fields.map(|(i, node)| Field { path: format!("{path}[{i}]"), node }).collect()
    }
}

/// Split `KEY=VALUE`, keeping what may be shown of it.
pub(crate) fn split_pair(scalar: &Scalar) -> (String, Option<Scalar>) {
    match scalar.text.split_once('=') {
        None => (scalar.text.trim().to_owned(), None),
        Some((key, value)) => {
            let value = Scalar { text: value.to_owned(), plain: false, ..scalar.clone() };
            (key.trim().to_owned(), Some(value))
        }
    }
}

/// The path of a key below a path; keys that would make it unreadable stand in brackets.
pub(crate) fn join(path: &str, key: &str) -> String {
    let simple = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), simple && !key.is_empty()) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (false, false) => format!("{path}[{key:?}]"),
    }
}

fn unknown(entry: &yaml::Entry, path: &str, table: &[Key], to: &mut Report) {
    let is_full = to.is_full();
    let said = to.error(&entry.at, path, "unknown key");
    if is_full {
        return; // Looking for what was meant takes time that nobody waits for here.
    }
    if let Some(meant) = nearest(&entry.key, table.iter().map(|k| k.name)) {
        said.hint(format!("did you mean `{meant}`?"));
    }
}

fn map_pair<'a>(key: &str, field: Field<'a>, to: &mut Report) -> Option<Pair<'a>> {
    let value = match &field.node.value {
        Value::Null => None,
        Value::Scalar(scalar) => Some(scalar.clone()),
        Value::List(_) | Value::Map(_) => return field.expected("text", to),
    };
    Some(Pair { key: key.to_owned(), value, field })
}

fn list_pair<'a>(field: Field<'a>, to: &mut Report) -> Option<Pair<'a>> {
    let Some(scalar) = field.scalar() else { return field.expected("KEY=VALUE", to) };
    let (key, value) = split_pair(scalar);
    if key.is_empty() {
        return field.expected("KEY=VALUE", to);
    }
    Some(Pair { key, value, field })
}
