//! What users' tuning comes to for one listener and one route: times as durations, headers read once. Headers that
//! no message can have are left out: they are refused where they are given.

use std::time::Duration;

use drover_core::{Balance, Tuning};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Of a listening port.
#[derive(Debug, Default)]
pub(super) struct DoorSettings {
    /// Answer plain requests with a redirection to https.
    pub(super) redirect_https: bool,
}

/// Of a route: its listener's and its backend's.
#[derive(Debug)]
pub(super) struct RouteSettings {
    /// Until a target accepts a connection.
    pub(super) connect: Duration,
    /// Silence of a client while it is its turn.
    pub(super) client: Duration,
    /// Until a target begins its answer, and its silence within it.
    pub(super) server: Duration,
    /// Silence allowed on upgraded connections.
    pub(super) tunnel: Option<Duration>,
    /// How a target is chosen.
    pub(super) balance: Balance,
    /// Begin connections to targets with a PROXY protocol header of this version.
    pub(super) send_proxy: Option<u8>,
    request: Vec<Edit>,
    response: Vec<Edit>,
}

/// A header set, or removed where there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit(HeaderName, Option<HeaderValue>);

impl DoorSettings {
    pub(super) fn of(tuning: &Tuning, port: u16) -> Self {
        let redirect_https = tuning.listeners.get(&port).is_some_and(|l| l.redirect_https);
        Self { redirect_https }
    }
}

impl RouteSettings {
    /// What stands for the backend itself goes before what stands for all; headers of all are set, the listener's
    /// first, those for every backend next.
    pub(super) fn of(tuning: &Tuning, port: u16, backend: &str) -> Self {
        let listener = tuning.listeners.get(&port);
        let backends =
            [tuning.backends.get(""), tuning.backends.get(backend).filter(|_| !backend.is_empty())];
        let own = || backends.iter().rev().flatten();
        let request = listener.map(|l| &l.request_headers).into_iter();
        let request = request.chain(backends.iter().flatten().map(|b| &b.request_headers));
        let response = listener.map(|l| &l.response_headers).into_iter();
        let response = response.chain(backends.iter().flatten().map(|b| &b.response_headers));
        let server_ms = own().find_map(|b| b.server_ms).unwrap_or(tuning.server_ms);
        Self {
            connect: Duration::from_millis(tuning.connect_ms),
            client: Duration::from_millis(tuning.client_ms),
            server: Duration::from_millis(server_ms),
            tunnel: tuning.tunnel_ms.map(Duration::from_millis),
            balance: own().find_map(|b| b.balance).unwrap_or(tuning.balance),
            send_proxy: own().find_map(|b| b.send_proxy),
            request: request.flatten().filter_map(edit).collect(),
            response: response.flatten().filter_map(edit).collect(),
        }
    }

    /// Edit a request's headers.
    pub(super) fn edit_request(&self, headers: &mut HeaderMap) {
        apply(&self.request, headers);
    }

    /// Edit an answer's headers.
    pub(super) fn edit_response(&self, headers: &mut HeaderMap) {
        apply(&self.response, headers);
    }
}

fn edit((name, value): &(String, String)) -> Option<Edit> {
    let name = name.parse().ok()?;
    let value = if value.is_empty() { None } else { Some(value.parse().ok()?) };
    Some(Edit(name, value))
}

fn apply(edits: &[Edit], headers: &mut HeaderMap) {
    for Edit(name, value) in edits {
        match value {
            Some(value) => drop(headers.insert(name, value.clone())),
            None => drop(headers.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_core::{BackendTuning, ListenerTuning};

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_nearest_counts_and_headers_add_up() {
        let headers = |text| ListenerTuning { request_headers: pairs(text), ..Default::default() };
        let backend = |text, server_ms| BackendTuning {
            request_headers: pairs(text),
            server_ms,
            ..Default::default()
        };
        let tuning = Tuning {
            server_ms: 1,
            listeners: [(80, headers("x-a=1 x-b=1 bad\u{7f}=1 x-gone="))].into(),
            backends: [
                (String::new(), backend("x-b=2", Some(2))),
                ("own".to_owned(), backend("x-c=3", Some(3))),
            ]
            .into(),
            ..Tuning::default()
        };
        let check = |port, name: &str, server_ms, want: &str| {
            let settings = RouteSettings::of(&tuning, port, name);
            let mut headers = HeaderMap::new();
            headers.insert("x-gone", HeaderValue::from_static("here"));
            settings.edit_request(&mut headers);
            let mut seen: Vec<_> =
                headers.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
            seen.sort();
            assert_eq!((settings.server.as_millis(), seen.join(" ")), (server_ms, want.into()));
        };
        check(80, "own", 3, "x-a=1 x-b=2 x-c=3");
        check(80, "other", 2, "x-a=1 x-b=2");
        check(81, "", 2, "x-b=2 x-gone=here");
    }
}
