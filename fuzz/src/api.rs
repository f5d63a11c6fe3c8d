//! The API's JSON: every request is answered with a 2xx or a 4xx, what it would change can be committed, and the cluster
//! stays sound.
//!
//! An input is a row of requests: the first line of each is `METHOD path?query`, the rest its body.

use crate::PARTED;
use crate::stage::Stage;

/// Requests of one input at most.
const REQUESTS: usize = 32;

/// One input.
///
/// # Panics
///
/// A request was answered with something else.
pub fn feed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut stage = Stage::new();
    for request in text.split(PARTED).take(REQUESTS) {
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let Ok(body) = serde_json::from_str(if body.trim().is_empty() { "null" } else { body })
        else {
            continue; // the server refuses it before the API sees it
        };
        let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
        if let Err(refused) = stage.ask(method, url, &body) {
            assert!((400..500).contains(&refused.status()), "{line}: {refused:?}");
        }
        stage.plan();
    }
}
