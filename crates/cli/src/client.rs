//! The server's API as the commands need it: one connection, one environment, errors in words.
//!
//! URLs that the server hands out are followed by their path only: behind a proxy or a tunnel the server may
//! not know under which name it was reached.

mod address;
mod error;

use std::time::Duration;

use drover_core::Secret;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use address::Address;
pub use error::CallError;
use error::refusal;

use crate::settings::Server;
use crate::wire::text;

/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until a request is answered; the server answers at once and works afterwards.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A write that meets another one is repeated so often before it counts as failed.
const CONFLICT_TRIES: u32 = 8;

/// A connection to one environment of a server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: Address,
    access_key: String,
    secret_key: Secret,
}

impl Client {
    /// Reach the server and find the environment to work in.
    pub async fn connect(server: &Server) -> Result<Self, CallError> {
        let mut client = Self::to(server)?;
        if client.address.project.is_none() || server.environment.is_some() {
            let project = client.find_environment(server.environment.as_deref()).await?;
            client.address.project = Some(project);
        }
        Ok(client)
    }

    /// For what is in no environment.
    pub(crate) fn outside(server: &Server) -> Result<Self, CallError> {
        let mut client = Self::to(server)?;
        client.address.project = None;
        Ok(client)
    }

    fn to(server: &Server) -> Result<Self, CallError> {
        // A second installation is refused and harmless: the binary has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = Address::parse(&server.url)
            .map_err(|why| CallError::BadUrl { url: server.url.clone(), why })?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("drover/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(CallError::Setup)?;
        Ok(Self {
            http,
            address,
            access_key: server.access_key.clone(),
            secret_key: Secret::new(server.secret_key.as_str()),
        })
    }

    /// Where the server is, for messages.
    pub(crate) fn server(&self) -> &str {
        &self.address.origin
    }

    /// Id of the environment it works in.
    pub(crate) fn environment(&self) -> &str {
        self.address.project.as_deref().unwrap_or_default()
    }

    /// Read one thing. `doing` completes "could not …" in messages.
    pub(crate) async fn get(&self, doing: &str, path: &str) -> Result<Value, CallError> {
        self.call(Method::GET, doing, &self.address.url(path), None).await
    }

    /// Read one thing that may not be there.
    pub(crate) async fn find(&self, doing: &str, path: &str) -> Result<Option<Value>, CallError> {
        match self.get(doing, path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Read a whole collection, page by page.
    pub(crate) async fn list(
        &self,
        doing: &str,
        collection: &str,
        filters: &[(&str, &str)],
    ) -> Result<Vec<Value>, CallError> {
        let query: Vec<String> =
            filters.iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect();
        let mut url = self.address.url(&format!("{collection}?limit=-1{}", query.concat()));
        let mut rows = Vec::new();
        loop {
            let mut page = self.call(Method::GET, doing, &url, None).await?;
            match page["data"].take() {
                Value::Array(data) => rows.extend(data),
                _ => return Err(self.garbled(doing, "a collection without rows")),
            }
            match page["pagination"]["next"].as_str() {
                Some(next) if page["pagination"]["partial"] == true => url = self.address.own(next),
                _ => return Ok(rows),
            }
        }
    }

    /// Make one.
    pub(crate) async fn create(
        &self,
        doing: &str,
        collection: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        self.write(Method::POST, doing, &self.address.url(collection), body).await
    }

    /// Change members of one.
    pub(crate) async fn update(
        &self,
        doing: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        self.write(Method::PUT, doing, &self.address.url(path), body).await
    }

    /// Remove one; one that is not there counts as removed.
    pub(crate) async fn delete(&self, doing: &str, path: &str) -> Result<(), CallError> {
        match self.write(Method::DELETE, doing, &self.address.url(path), &Value::Null).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Invoke an action of one. What a state doesn't allow is the server's to say, in its words.
    pub(crate) async fn act(
        &self,
        doing: &str,
        path: &str,
        action: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        let url = self.address.url(&format!("{path}/?action={action}"));
        self.write(Method::POST, doing, &url, body).await
    }

    /// The URL of a stream the server granted: where we reach the server, with its token.
    pub(crate) fn websocket(&self, access: &Value) -> String {
        let url = self.address.own(&text(access, "url")).replacen("http", "ws", 1);
        format!("{url}?token={}", encode(&text(access, "token")))
    }

    /// A write is repeated when it met another one: the server has changed nothing then.
    async fn write(
        &self,
        method: Method,
        doing: &str,
        url: &str,
        body: &Value,
    ) -> Result<Value, CallError> {
        let mut tries = 1;
        loop {
            match self.call(method.clone(), doing, url, Some(body)).await {
                Err(error) if error.is_conflict() && tries < CONFLICT_TRIES => {
                    tokio::time::sleep(Duration::from_millis(20 << tries)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn call(
        &self,
        method: Method,
        doing: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        tracing::debug!(%method, url, "request");
        let mut request = self
            .http
            .request(method, url)
            .basic_auth(&self.access_key, Some(self.secret_key.reveal()))
            .header("Accept", "application/json");
        if let Some(body) = body.filter(|body| !body.is_null()) {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(doing, error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(doing, error))?;
        tracing::debug!(%status, bytes = bytes.len(), "answer");
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        match (status, value) {
            (StatusCode::UNAUTHORIZED, _) => Err(CallError::Denied {
                doing: doing.to_owned(),
                server: self.address.origin.clone(),
                access_key: self.access_key.clone(),
            }),
            (StatusCode::NO_CONTENT, _) => Ok(Value::Null),
            (status, Some(value)) if status.is_success() => Ok(value),
            (status, None) if status.is_success() => Err(self.garbled(doing, "no JSON")),
            (status, value) => Err(refusal(doing, &self.address.origin, status, value.as_ref())),
        }
    }

    /// The environment asked for, or the only one the key sees.
    async fn find_environment(&self, asked: Option<&str>) -> Result<String, CallError> {
        let doing = "find the environment to work in";
        let root = Address { project: None, ..self.address.clone() };
        let page = self.call(Method::GET, doing, &root.url("projects?limit=-1"), None).await?;
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        choose_environment(&rows, asked)
            .map_err(|why| CallError::Environment { server: self.address.origin.clone(), why })
    }

    fn unreachable(&self, doing: &str, error: reqwest::Error) -> CallError {
        CallError::Unreachable {
            doing: doing.to_owned(),
            server: self.address.origin.clone(),
            cause: error.without_url(),
        }
    }

    fn garbled(&self, doing: &str, what: &'static str) -> CallError {
        CallError::Garbled { doing: doing.to_owned(), server: self.address.origin.clone(), what }
    }
}

/// No input: what clients send with an action that takes none.
pub(crate) fn nothing() -> Value {
    json!({})
}

fn choose_environment(rows: &[Value], asked: Option<&str>) -> Result<String, String> {
    let shown = |row: &Value| format!("{} ({})", text(row, "name"), text(row, "id"));
    let all = || rows.iter().map(shown).collect::<Vec<_>>().join(", ");
    match (asked, rows) {
        (Some(asked), _) => rows
            .iter()
            .find(|row| text(row, "id") == asked || text(row, "name").eq_ignore_ascii_case(asked))
            .map(|row| text(row, "id"))
            .ok_or_else(|| format!("there is no environment `{asked}`; this key sees {}", all())),
        (None, [one]) => Ok(text(one, "id")),
        (None, []) => Err("this key sees no environment".to_owned()),
        (None, _) => Err(format!(
            "this key sees several environments: {}; name one with --environment, or use its URL, like \
             …/v2-beta/projects/{}",
            all(),
            text(&rows[0], "id")
        )),
    }
}

fn encode(text: &str) -> String {
    use std::fmt::Write;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments() {
        let one = [json!({"id": "1a5", "name": "Default"})];
        let two = [json!({"id": "1a5", "name": "Default"}), json!({"id": "1a7", "name": "Test"})];
        assert_eq!(choose_environment(&one, None), Ok("1a5".into()));
        assert_eq!(choose_environment(&two, Some("test")), Ok("1a7".into()));
        assert_eq!(choose_environment(&two, Some("1a5")), Ok("1a5".into()));
        for (rows, asked, part) in [
            (&two[..], None, "Default (1a5), Test (1a7); name one with --environment"),
            (&two[..], Some("x"), "no environment `x`; this key sees Default (1a5), Test (1a7)"),
            (&[][..], None, "sees no environment"),
        ] {
            let why = choose_environment(rows, asked).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
