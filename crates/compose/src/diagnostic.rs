//! What is said about a file: where, about which key, what is wrong, what to do.
//!
//! Not an error type of the parser alone: the same form carries warnings and notes, so that nothing in a
//! file is dropped in silence.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A position in a file. Lines and columns count from 1; line 0 means the file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's name as it was handed in.
    pub file: Arc<str>,
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The files cannot be used.
    Error,
    /// They can, but probably not as they were meant.
    Warning,
    /// Something in them has no effect here, and that is as it should be.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing said about a file. Values that came from the environment are never in it: the text of the file
/// (`${PORT}`) stands in their place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    #[serde(flatten)]
    pub at: Place,
    /// About which value: `services.web.ports[0]`; empty for the file as a whole.
    pub path: String,
    /// What.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Say what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// One sentence: `file:line:column: path: message; hint`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What has been said so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    said: Vec<Diagnostic>,
}

/// More than this helps nobody, and a hostile file could ask for millions.
const MOST: usize = 200;

impl Report {
    pub(crate) fn error(
        &mut self,
        at: &Place,
        path: &str,
        text: impl Into<String>,
    ) -> &mut Diagnostic {
        self.say(Severity::Error, at, path, text.into())
    }

    pub(crate) fn warn(
        &mut self,
        at: &Place,
        path: &str,
        text: impl Into<String>,
    ) -> &mut Diagnostic {
        self.say(Severity::Warning, at, path, text.into())
    }

    pub(crate) fn note(
        &mut self,
        at: &Place,
        path: &str,
        text: impl Into<String>,
    ) -> &mut Diagnostic {
        self.say(Severity::Note, at, path, text.into())
    }

    /// Whether a value is known to be wrong, so that what follows from that need not be said.
    pub(crate) fn is_wrong(&self, at: &Place) -> bool {
        self.said.iter().any(|d| d.severity == Severity::Error && d.at == *at)
    }

    /// Whether more is said already than will be shown.
    pub(crate) fn is_full(&self) -> bool {
        self.said.len() > MOST
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.said.iter().any(|d| d.severity == Severity::Error)
    }

    /// Everything said, errors first, each kind in the order of the files' text. Beyond a bound only the
    /// worst are kept.
    pub(crate) fn into_list(mut self, files: &[Arc<str>]) -> Vec<Diagnostic> {
        let rank =
            |d: &Diagnostic| files.iter().position(|f| *f == d.at.file).unwrap_or(usize::MAX);
        self.said.sort_by(|a, b| (a.severity, rank(a), &a.at).cmp(&(b.severity, rank(b), &b.at)));
        self.said.dedup();
        self.said.truncate(MOST);
        self.said
    }

    fn say(
        &mut self,
        severity: Severity,
        at: &Place,
        path: &str,
        message: String,
    ) -> &mut Diagnostic {
        // Far beyond what is shown; an error must still find its way in, whatever came before it.
        if self.said.len() >= 20 * MOST {
            self.said.sort_by_key(|d| d.severity);
            self.said.truncate(MOST);
        }
        let path = path.to_owned();
        self.said.push(Diagnostic { severity, at: at.clone(), path, message, hint: None });
        let last = self.said.len() - 1;
        &mut self.said[last]
    }
}
