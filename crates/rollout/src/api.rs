//! The API as it is asked here: a tree of JSON, however it is reached.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::CallError;

/// A write that meets another one is repeated so often before it counts as failed.
const CONFLICT_TRIES: u32 = 8;

/// An answer on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send + 'a>>;

/// One environment of a server, and a way to ask it.
pub trait Api: Send + Sync {
    /// Ask once.
    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a>;

    /// Where the server is, for messages.
    fn place(&self) -> &str;

    /// Id of the environment.
    fn environment(&self) -> &str;
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Of which kind.
    pub verb: Verb,
    /// About what.
    pub at: At<'a>,
    /// With what; null is nothing.
    pub body: &'a Value,
    /// Completes "could not …" in messages.
    pub doing: &'a str,
}

/// Kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// Make, or act.
    Post,
    /// Change.
    Put,
    /// Remove.
    Delete,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// A path below the environment, with its query.
    Path(&'a str),
    /// A URL that the server handed out.
    Url(&'a str),
}

impl dyn Api + '_ {
    /// Read one thing. `doing` completes "could not …" in messages.
    pub async fn get(&self, doing: &str, path: &str) -> Result<Value, CallError> {
        self.call(Call { verb: Verb::Get, at: At::Path(path), body: &Value::Null, doing }).await
    }

    /// Read one thing that may not be there.
    pub async fn find(&self, doing: &str, path: &str) -> Result<Option<Value>, CallError> {
        match self.get(doing, path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Read a whole collection, page by page.
    pub async fn list(
        &self,
        doing: &str,
        collection: &str,
        filters: &[(&str, &str)],
    ) -> Result<Vec<Value>, CallError> {
        let query: Vec<String> =
            filters.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
        let first = format!("{collection}?limit=-1{}", query.concat());
        let mut next: Option<String> = None;
        let mut rows = Vec::new();
        loop {
            let at = next.as_deref().map_or(At::Path(&first), At::Url);
            let body = &Value::Null;
            let mut page = self.call(Call { verb: Verb::Get, at, body, doing }).await?;
            match page["data"].take() {
                Value::Array(data) => rows.extend(data),
                _ => return Err(self.garbled(doing, "a collection without rows")),
            }
            match page["pagination"]["next"].as_str() {
                Some(url) if page["pagination"]["partial"] == true => next = Some(url.to_owned()),
                _ => return Ok(rows),
            }
        }
    }

    /// Make one.
    pub async fn create(
        &self,
        doing: &str,
        collection: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        self.write(Call { verb: Verb::Post, at: At::Path(collection), body, doing }).await
    }

    /// Change members of one.
    pub async fn update(&self, doing: &str, path: &str, body: &Value) -> Result<Value, CallError> {
        self.write(Call { verb: Verb::Put, at: At::Path(path), body, doing }).await
    }

    /// Remove one; one that is not there counts as removed.
    pub async fn delete(&self, doing: &str, path: &str) -> Result<(), CallError> {
        let body = &Value::Null;
        match self.write(Call { verb: Verb::Delete, at: At::Path(path), body, doing }).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Invoke an action of one. What a state doesn't allow is the server's to say, in its words.
    pub async fn act(
        &self,
        doing: &str,
        path: &str,
        action: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        let path = format!("{path}/?action={action}");
        self.write(Call { verb: Verb::Post, at: At::Path(&path), body, doing }).await
    }

    /// A write is repeated when it met another one: the server has changed nothing then.
    async fn write(&self, call: Call<'_>) -> Result<Value, CallError> {
        let mut tries = 1;
        loop {
            match self.call(call).await {
                Err(error) if error.is_conflict() && tries < CONFLICT_TRIES => {
                    tokio::time::sleep(Duration::from_millis(20 << tries)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    fn garbled(&self, doing: &str, what: &'static str) -> CallError {
        CallError::Garbled { doing: doing.to_owned(), server: self.place().to_owned(), what }
    }
}

/// No input: what clients send with an action that takes none.
pub fn nothing() -> Value {
    json!({})
}

/// A text as it stands in a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
