//! The ids of a recording, and what they are here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which id here stands for which of the recording.
#[derive(Default)]
pub(super) struct Names {
    known: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    /// Ids that answers have shown, the latest answer last.
    shown: Vec<Vec<String>>,
}

impl Names {
    /// From now on this id of the recording is that one here.
    pub(super) fn bind(&mut self, recorded: &str, here: &str) {
        self.known.insert(recorded.to_owned(), here.to_owned());
        self.taken.insert(here.to_owned());
    }

    /// An answer showed resources: an id that the recording names later is one of them.
    pub(super) fn note(&mut self, answer: &Value) {
        let rows = answer["data"].as_array().into_iter().flatten();
        let ids = rows.filter_map(|row| Some(row["id"].as_str()?.to_owned()));
        self.shown.push(ids.collect());
    }

    /// A text of the recording with the ids of here; the first id in it that nothing here stands for, if there is one.
    pub(super) fn translate(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let end = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
            let (word, rest) = piece.split_at(end);
            match kind(word) {
                None => out.push_str(word),
                Some(kind) => out.push_str(&self.here(word, kind)?),
            }
            out.push_str(rest);
        }
        Ok(out)
    }

    /// The same for all texts of a body that are ids.
    pub(super) fn translate_body(&mut self, body: &Value) -> Result<Value, String> {
        Ok(match body {
            Value::String(text) if kind(text).is_some() => Value::String(self.translate(text)?),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.translate_body(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    Ok::<_, String>((name.clone(), self.translate_body(value)?))
                };
                Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    fn here(&mut self, recorded: &str, of: &str) -> Result<String, String> {
        if let Some(here) = self.known.get(recorded) {
            return Ok(here.clone());
        }
        let free = |id: &&String| kind(id) == Some(of) && !self.taken.contains(*id);
        let found = self.shown.iter().rev().find_map(|ids| ids.iter().find(free)).cloned();
        let found = found.ok_or_else(|| recorded.to_owned())?;
        self.bind(recorded, &found);
        Ok(found)
    }
}

/// `1st101` → `st`; nothing if it is no id.
fn kind(word: &str) -> Option<&str> {
    const KINDS: [&str; 15] =
        ["st", "scm", "se", "sp", "s", "i", "h", "a", "vt", "v", "c", "go", "pm", "ph", "pt"];
    let rest = word.strip_prefix('1')?;
    let digits = rest.find(|c: char| c.is_ascii_digit())?;
    let (kind, number) = rest.split_at(digits);
    let is_id = KINDS.contains(&kind) && number.chars().all(|c| c.is_ascii_digit());
    is_id.then_some(kind)
}
