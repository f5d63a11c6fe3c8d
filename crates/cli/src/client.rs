//! The server's API as the commands need it: one connection, one environment, errors in words.
//!
//! URLs that the server hands out are followed by their path only: behind a proxy or a tunnel the server may
//! not know under which name it was reached.

mod address;
mod error;

use std::ops::Deref;
use std::time::Duration;

use drover_core::Secret;
use drover_rollout::{Answering, Api, At, Call, CallError, Verb, refusal, text};
use reqwest::{Method, StatusCode};
use serde_json::Value;

pub(crate) use address::Address;
pub use error::ConnectError;
use error::root;

use crate::settings::Server;

/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until a request is answered; the server answers at once and works afterwards.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

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
    pub async fn connect(server: &Server) -> Result<Self, ConnectError> {
        let mut client = Self::to(server)?;
        if client.address.project.is_none() || server.environment.is_some() {
            let project = client.find_environment(server.environment.as_deref()).await?;
            client.address.project = Some(project);
        }
        Ok(client)
    }

    /// For what is in no environment.
    pub(crate) fn outside(server: &Server) -> Result<Self, ConnectError> {
        let mut client = Self::to(server)?;
        client.address.project = None;
        Ok(client)
    }

    fn to(server: &Server) -> Result<Self, ConnectError> {
        // A second installation is refused and harmless: the binary has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = Address::parse(&server.url)
            .map_err(|why| ConnectError::BadUrl { url: server.url.clone(), why })?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("drover/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ConnectError::Setup)?;
        Ok(Self {
            http,
            address,
            access_key: server.access_key.clone(),
            secret_key: Secret::new(server.secret_key.as_str()),
        })
    }

    /// The URL of a stream the server granted: where we reach the server, with its token.
    pub(crate) fn websocket(&self, access: &Value) -> String {
        let url = self.address.own(&text(access, "url")).replacen("http", "ws", 1);
        format!("{url}?token={}", drover_rollout::encode(&text(access, "token")))
    }

    async fn request(
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
            (status, value) => {
                let shown = (status.as_u16(), &*status.to_string());
                Err(refusal(doing, &self.address.origin, shown, value.as_ref()))
            }
        }
    }

    /// The environment asked for, or the only one the key sees.
    async fn find_environment(&self, asked: Option<&str>) -> Result<String, ConnectError> {
        let doing = "find the environment to work in";
        let root = Address { project: None, ..self.address.clone() };
        let page = self.request(Method::GET, doing, &root.url("projects?limit=-1"), None).await?;
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        choose_environment(&rows, asked)
            .map_err(|why| ConnectError::Environment { server: self.address.origin.clone(), why })
    }

    fn unreachable(&self, doing: &str, error: reqwest::Error) -> CallError {
        CallError::Unreachable {
            doing: doing.to_owned(),
            server: self.address.origin.clone(),
            cause: root(&error.without_url()),
        }
    }

    fn garbled(&self, doing: &str, what: &'static str) -> CallError {
        CallError::Garbled { doing: doing.to_owned(), server: self.address.origin.clone(), what }
    }
}

impl Api for Client {
    fn call<'a>(&'a self, Call { verb, at, body, doing }: Call<'a>) -> Answering<'a> {
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let url = match at {
            At::Path(path) => self.address.url(path),
            At::Url(url) => self.address.own(url),
        };
        Box::pin(async move { self.request(method, doing, &url, Some(body)).await })
    }

    fn place(&self) -> &str {
        &self.address.origin
    }

    fn environment(&self) -> &str {
        self.address.project.as_deref().unwrap_or_default()
    }
}

/// What is asked of the API is the same for all who ask.
impl Deref for Client {
    type Target = dyn Api;

    fn deref(&self) -> &Self::Target {
        self
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
