//! Answers of a simulated engine that go on: events, and logs that are followed, each of which holds its place and looks on
//! from there whenever something happened; and what a container uses, said once a second.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;
use tokio::time::interval;

use super::api::{Body, Query};
use super::engine::{Engine, Refused, carries};
use super::{SimulatedHost, tell};
use crate::clock::now_ns;

/// Between two words of what a container uses, as Docker has it.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// Where a stream is, and what wakes it.
struct Place<S> {
    host: SimulatedHost,
    changes: watch::Receiver<u64>,
    state: S,
    over: bool,
}

/// What happens to containers, from the moment that is asked for on.
pub(super) fn events(host: &SimulatedHost, query: &Query) -> Response<Body> {
    let since = since_ns(query.get("since"));
    let labels = query.filter("label");
    // The first are those from that moment on.
    let first = host.look(|engine| {
        let early = engine.events.iter().filter(|event| event.at_ns < since);
        early.map(|event| event.number).max().unwrap_or_default()
    });
    let news = move |engine: &Engine, told: &mut u64| {
        let oldest = engine.events.front().map_or(0, |event| event.number);
        // Whoever is so late has missed some, and looks at everything again over a new stream.
        let missed = *told > 0 && oldest > *told + 1;
        let new = engine.events.iter().filter(|event| event.number > *told);
        let new = new.filter(|event| carries(&event.labels, &labels));
        let text: String = new.map(tell::event).collect();
        *told = engine.events_told;
        (text.into_bytes(), missed)
    };
    respond(place(host, first), news)
}

/// A container's log.
pub(super) fn logs(
    host: &SimulatedHost,
    what: &str,
    query: &Query,
) -> Result<Response<Body>, Refused> {
    let (follow, with_time) = (query.get("follow") == "true", query.get("timestamps") == "true");
    let (id, first) = host.look(|engine| {
        let held = engine.find(what)?;
        let all = held.log_begins + held.log.len();
        let tail: Option<usize> = query.get("tail").parse().ok();
        Ok((held.id.clone(), tail.map_or(0, |lines| all.saturating_sub(lines))))
    })?;
    let news = move |engine: &Engine, told: &mut usize| {
        let Ok(held) = engine.find(&id) else { return (Vec::new(), true) };
        let new = held.log.iter().skip(told.saturating_sub(held.log_begins));
        let bytes = new.flat_map(|(at, text)| tell::line(*at, text, with_time)).collect();
        *told = held.log_begins + held.log.len();
        (bytes, !follow || !held.is_up())
    };
    Ok(respond(place(host, first), news))
}

/// What a container uses, again and again until it is gone.
pub(super) fn stats(
    host: &SimulatedHost,
    what: &str,
    query: &Query,
) -> Result<Response<Body>, Refused> {
    let id = host.look(|engine| engine.find(what).map(|held| held.id.clone()))?;
    let begin = (host.clone(), interval(STATS_EVERY), id);
    let told = stream::unfold(begin, |(host, mut tick, id)| async move {
        tick.tick().await;
        let told = host.look(|engine| engine.find(&id).map(|held| tell::stats(held, now_ns())));
        let line = Bytes::from(format!("{}\n", told.ok()?));
        Some((Ok(Frame::data(line)), (host, tick, id)))
    });
    let told = told.take(if query.get("stream") == "false" { 1 } else { usize::MAX });
    Ok(Response::new(StreamBody::new(told).boxed_unsync()))
}

fn place<S>(host: &SimulatedHost, state: S) -> Place<S> {
    Place { host: host.clone(), changes: host.changes(), state, over: false }
}

/// What `news` finds, now and after every change, until it says that this was the last.
fn respond<S: Send + 'static>(
    place: Place<S>,
    news: impl Fn(&Engine, &mut S) -> (Vec<u8>, bool) + Send + 'static,
) -> Response<Body> {
    let frames = frames(place, news).map(|bytes| Ok(Frame::data(bytes)));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

fn frames<S: Send>(
    place: Place<S>,
    news: impl Fn(&Engine, &mut S) -> (Vec<u8>, bool) + Send,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((place, news), |(mut place, news)| async move {
        loop {
            if place.over {
                return None;
            }
            place.changes.borrow_and_update();
            let Place { host, state, .. } = &mut place;
            let (bytes, last) = host.look(|engine| news(engine, state));
            place.over = last;
            if !bytes.is_empty() {
                return Some((Bytes::from(bytes), (place, news)));
            }
            if !last && place.changes.changed().await.is_err() {
                return None;
            }
        }
    })
}

/// Docker's `seconds.nanoseconds`.
fn since_ns(text: &str) -> u64 {
    let (seconds, ns) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: u64 = seconds.parse().unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(ns.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(since_ns("12.000000345"), 12_000_000_345);
        assert_eq!(since_ns("12"), 12_000_000_000);
        assert_eq!(since_ns(""), 0);
    }
}
