//! An `up` of five services that changes nothing: the requests of the unmodified rancher-compose, as they were recorded, one
//! after the other over one connection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::stand::{Stand, text};
use crate::bench::{BenchError, io};
use crate::checkout::root;
use crate::wait::wait;

/// Where what rancher-compose asked is kept.
const RECORDING: &str = "crates/drover/tests/recorded/rancher-compose.json";
/// The flow that makes the stack.
const FIRST: &str = "01-up";
/// The one that finds nothing to change.
const AGAIN: &str = "02-up-nochange";
/// Requests of the latter.
pub(super) const REQUESTS: usize = 33;
/// How long what was just made may take to come to rest.
const PATIENCE: Duration = Duration::from_mins(1);

/// The stack, and what is asked about it.
pub(super) struct Up {
    requests: Vec<Value>,
    ids: BTreeMap<String, String>,
}

impl Up {
    /// Make the stack, as rancher-compose does.
    pub(super) fn make(stand: &Stand) -> Result<Self, BenchError> {
        let file = root().join(RECORDING);
        let kept = std::fs::read_to_string(&file).map_err(io(format!("read {RECORDING}")))?;
        let flows: Value = serde_json::from_str(&kept).unwrap_or_default();
        let flow = |name: &str| flows[name].as_array().cloned().unwrap_or_default();
        let project = stand.projects.first().cloned().unwrap_or_default();
        let ids = BTreeMap::from([("1a5".to_owned(), project)]);
        let mut up = Self { requests: flow(FIRST), ids };
        let mut client = stand.client();
        for request in up.requests.clone() {
            let answer = up.ask(&mut client, &request, true)?;
            if let Some(recorded) = request["makes"].as_str() {
                up.ids.insert(recorded.to_owned(), text(&answer["id"]));
            }
        }
        up.requests = flow(AGAIN);
        if up.requests.len() == REQUESTS {
            return Ok(up);
        }
        let what = format!("has {} requests in {AGAIN} and not {REQUESTS}", up.requests.len());
        Err(BenchError::Stuck { who: "the recording", what })
    }

    /// Ask everything once; how long it took, milliseconds.
    pub(super) fn play(&self, stand: &Stand) -> Result<f64, BenchError> {
        let mut client = stand.client();
        let began = Instant::now();
        for request in &self.requests {
            self.ask(&mut client, request, false)?;
        }
        Ok(began.elapsed().as_secs_f64() * 1000.0)
    }

    fn ask(&self, client: &mut Client, request: &Value, waits: bool) -> Result<Value, BenchError> {
        let whole = self.translated(&text(&request["do"]));
        let (method, path) = whole.split_once(' ').unwrap_or(("GET", &whole));
        if let Some((resource, _)) = path.split_once("/?action=").filter(|_| waits) {
            Self::rested(client, resource)?;
        }
        let body: Value = serde_json::from_str(&self.translated(&request["body"].to_string()))
            .unwrap_or_default();
        let answer = client.ask(method, path, &body).map_err(crate::api::ApiError::from)?;
        if Some(u64::from(answer.status)) == request["answer"].as_u64() {
            return Ok(answer.json());
        }
        let what = format!("{method} {path}: {} {}", answer.status, answer.text());
        Err(BenchError::Stuck { who: "the server", what })
    }

    /// Wait as the client does until a resource is not in transition.
    fn rested(client: &mut Client, path: &str) -> Result<(), BenchError> {
        let rests = wait(PATIENCE, || {
            let seen = client.ask("GET", path, &Value::Null);
            seen.is_ok_and(|seen| seen.json()["transitioning"] != "yes")
        });
        let what = format!("{path} does not come to rest");
        if rests { Ok(()) } else { Err(BenchError::Stuck { who: "the server", what }) }
    }

    /// With the ids of here.
    fn translated(&self, text: &str) -> String {
        let pieces = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
        let one = |piece: &str| {
            let end = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
            let (word, rest) = piece.split_at(end);
            format!("{}{rest}", self.ids.get(word).map_or(word, String::as_str))
        };
        pieces.map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exchanged() {
        let ids = [("1a5", "1a7"), ("1st101", "1st3")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let up = Up { requests: Vec::new(), ids: BTreeMap::from(ids) };
        let path = "GET /v2-beta/projects/1a5/services?stackId=1st101&name=1st1011";
        let want = "GET /v2-beta/projects/1a7/services?stackId=1st3&name=1st1011";
        assert_eq!(up.translated(path), want);
    }

    #[test]
    fn the_recording_is_there() {
        let text = std::fs::read_to_string(root().join(RECORDING)).unwrap();
        let flows: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(flows[AGAIN].as_array().unwrap().len(), REQUESTS);
        assert!(flows[FIRST].as_array().unwrap().len() > REQUESTS);
    }
}
