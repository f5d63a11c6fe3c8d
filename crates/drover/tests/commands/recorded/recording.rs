//! The form of a recording: flows by name, in order, of requests.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// The flows of one client, as they followed on each other on one server.
pub(super) struct Recording(pub(super) Vec<(String, Vec<Request>)>);

/// A request as it was recorded.
#[derive(Deserialize)]
pub(super) struct Request {
    /// `METHOD /path?query`. The method is `WS` where a WebSocket was opened, `WSDATA` where something came over it, and
    /// `DOCKER` for a request to a host's engine within one.
    #[serde(rename = "do")]
    pub(super) what: String,
    /// As it was sent.
    #[serde(default)]
    pub(super) body: Value,
    /// The status of the answer; 0 where there is none.
    pub(super) answer: u16,
    /// How often it was asked until the answer was the one that was waited for.
    #[serde(default = "once")]
    pub(super) times: u32,
    /// The id of what was made by it.
    #[serde(default)]
    pub(super) makes: Option<String>,
}

fn once() -> u32 {
    1
}

impl Recording {
    pub(super) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let flows: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let flow = |(name, requests)| (name, serde_json::from_value(requests).unwrap());
        Self(flows.into_iter().map(flow).collect())
    }
}

impl Request {
    /// Method, path and query.
    pub(super) fn parts(&self) -> (&str, &str, &str) {
        let (method, rest) = self.what.split_once(' ').unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        (method, path, query)
    }
}
