//! A container's log, a command in it, its host's Docker engine or what is used, for a user: a WebSocket in the frames that
//! Rancher's clients read.
//!
//! Logs: one text frame per line, `01 ` (stdout), `02 ` (stderr) or `00 ` (terminal) before it. What is used: a text frame
//! with a JSON array, about once a second. All others: base64 in text frames both ways.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use drover_api::{ApiError, Caller, Code, Query};
use drover_core::World;
use drover_core::protocol::Ask;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval_at, timeout};

use crate::asks::{Arrived, Asking};
use crate::auth;
use crate::clock;
use crate::link::Gone;
use crate::server::Server;
use crate::stats::Watching;
use crate::tokens::{Granted, Opens, Say};

/// Between two pings; without an answer to the third, the client is gone.
const PING: Duration = Duration::from_secs(20);
/// A close frame's reason has room for so many bytes.
const REASON_BYTES: usize = 120;
/// What the UI sends when its terminal's size changes.
const RESIZE: &[u8] = b":resizeTTY:";
/// Logs, commands and connections to engines that are open at a time: `drover logs` opens one for each container.
const STREAMS: usize = 2_000;
/// Streams of what is used: each may be of a thousand containers.
const STATS: usize = 100;
/// Subscribers to events: each hears of every change.
const SUBSCRIBERS: usize = 2_000;

/// How many more streams may be opened.
pub(crate) struct Places {
    streams: Arc<Semaphore>,
    stats: Arc<Semaphore>,
    subscribers: Arc<Semaphore>,
}

/// The place of one that is open.
pub(crate) type Place = OwnedSemaphorePermit;

/// A stream that was asked for.
pub(crate) struct Stream {
    flow: Flow,
    /// Whose: it ends when their key is switched off…
    by: Caller,
    /// … or their say is less than it was.
    say: Option<Say>,
    _place: Place,
}

/// What comes of it.
enum Flow {
    /// Lines of a log.
    Log(Asking),
    /// Bytes, both ways.
    Bytes(Asking),
    /// Samples of what is used.
    Stats(Box<Watching>),
}

/// What came of it next.
enum Came {
    Frame(Message),
    Nothing,
    /// The end; the reason in words, empty for a good one.
    End(String),
}

/// Open what a token was granted for.
pub(crate) async fn open(
    server: &Arc<Server>,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Stream, ApiError> {
    let token = query.get("token").or_else(|| bearer(headers)).unwrap_or_default();
    let granted = server.tokens.redeem(token, clock::now());
    // Whoever it was granted to may have lost the key since, or the role.
    let granted = granted.filter(|held| ended(&server.store.world(), &held.by, held.say).is_none());
    let Granted { opens, by, say, .. } = granted.ok_or_else(|| {
        let why = "this token is wrong, was used already, is too old, or whose it is has lost the key or the role: ask \
                   for another one with the action or link that gave it";
        ApiError::new(Code::Unauthorized, why)
    })?;
    let place = server.streams.take(&opens)?;
    let flow = match opens {
        Opens::Ask { host, ask } => {
            let is_log = matches!(ask, Ask::Logs { .. });
            let asking = server.hub.ask(host, ask).await.ok_or_else(|| {
                let why = "the container's host is not connected; try again once it is";
                ApiError::new(Code::Conflict, why)
            })?;
            if is_log { Flow::Log(asking) } else { Flow::Bytes(asking) }
        }
        Opens::Stats(of) => {
            let watching = Watching::begin(server, of, by.clone());
            let gone = || ApiError::not_found("what this token was granted for");
            Flow::Stats(Box::new(watching.ok_or_else(gone)?))
        }
    };
    Ok(Stream { flow, by, say, _place: place })
}

/// Why it is not the caller's any more.
fn ended(world: &World, by: &Caller, say: Option<Say>) -> Option<&'static str> {
    if !auth::is_live(world, by) {
        return Some("the key that this was opened with was switched off");
    }
    let is_less = say.is_some_and(|say| !say.holds(world, by));
    is_less.then_some("the role in the project that this was opened with is gone")
}

/// Carry frames until either side is done, or it is not the caller's any more.
pub(crate) async fn run(server: Arc<Server>, socket: WebSocket, mut stream: Stream) {
    let (mut sink, mut client) = socket.split();
    let mut feed = server.store.feed();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut heard_at = Instant::now();
    // What became of the caller before the feed began is in none of its updates.
    let mut lost = ended(&server.store.world(), &stream.by, stream.say);
    let end = loop {
        if let Some(why) = lost {
            break Some(why.to_owned());
        }
        tokio::select! {
            () = server.stop.cancelled() => break Some("the server stops".to_owned()),
            came = stream.flow.next() => match came {
                Came::Frame(frame) => {
                    if send(&mut sink, frame).await.is_err() {
                        break None;
                    }
                }
                Came::Nothing => {}
                Came::End(why) => break Some(why),
            },
            update = feed.next() => {
                if auth::concerns_rights(&update) {
                    lost = ended(&update.world, &stream.by, stream.say);
                }
            }
            frame = client.next() => {
                heard_at = Instant::now();
                let Some(Ok(frame)) = frame else { break None };
                if stream.flow.take(&frame).await.is_err() {
                    break None;
                }
            }
            _ = ping.tick() => {
                let gone = heard_at.elapsed() > 3 * PING;
                if gone || send(&mut sink, Message::Ping(Bytes::new())).await.is_err() {
                    break None;
                }
            }
        }
    };
    if let Some(why) = end {
        // A client that is gone needs no goodbye.
        let _ = send(&mut sink, close(&why)).await;
    }
}

impl Default for Places {
    fn default() -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        Self { streams: places(STREAMS), stats: places(STATS), subscribers: places(SUBSCRIBERS) }
    }
}

impl Places {
    fn take(&self, opens: &Opens) -> Result<Place, ApiError> {
        match opens {
            Opens::Ask { .. } => place(&self.streams, STREAMS),
            Opens::Stats(_) => place(&self.stats, STATS),
        }
    }

    /// A place for a subscriber.
    pub(crate) fn subscriber(&self) -> Result<Place, ApiError> {
        place(&self.subscribers, SUBSCRIBERS)
    }
}

fn place(places: &Arc<Semaphore>, most: usize) -> Result<Place, ApiError> {
    places.clone().try_acquire_owned().map_err(|_| {
        let why = format!(
            "{most} streams of this kind are open at this server, and no more can be: close one, or try again later"
        );
        ApiError::new(Code::TooManyRequests, why)
    })
}

impl Flow {
    async fn next(&mut self) -> Came {
        let (arrived, text): (_, fn(&[u8]) -> String) = match self {
            Self::Log(asking) => (asking.next().await, log_line),
            Self::Bytes(asking) => (asking.next().await, |data| STANDARD.encode(data)),
            Self::Stats(watching) => {
                return match watching.next().await {
                    Some(frame) => Came::Frame(Message::Text(frame.to_string().into())),
                    None => Came::End("it was removed, or is not yours to see any more".to_owned()),
                };
            }
        };
        match arrived {
            Arrived::Data(data) => Came::Frame(Message::Text(text(&data).into())),
            Arrived::Progress(_) => Came::Nothing,
            Arrived::Done(why) => Came::End(why),
        }
    }

    /// What a client sent. Logs and samples read nothing.
    async fn take(&self, frame: &Message) -> Result<(), Gone> {
        let text = match frame {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => return Err(Gone),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        let Self::Bytes(asking) = self else { return Ok(()) };
        match said(text) {
            None => Ok(()),
            Some(Said::Size(size)) => asking.resize(size).await,
            Some(Said::Input(input)) => asking.send(&input).await,
        }
    }
}

/// What a client says to a command.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Input(Vec<u8>),
    /// Columns and rows.
    Size((u16, u16)),
}

/// Read a client's frame; `None` if it is not Base64.
fn said(text: &str) -> Option<Said> {
    let input = STANDARD.decode(text).ok()?;
    Some(resized(&input).map_or(Said::Input(input), Said::Size))
}

/// `:resizeTTY:80,24`: columns and rows. What can't be read resizes to nothing, and is no input either.
fn resized(input: &[u8]) -> Option<(u16, u16)> {
    let size = std::str::from_utf8(input.strip_prefix(RESIZE)?).unwrap_or_default();
    let (width, height) = size.trim().split_once(',').unwrap_or_default();
    Some((width.trim().parse().unwrap_or_default(), height.trim().parse().unwrap_or_default()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn log_line(data: &[u8]) -> String {
    let (stream, line) = data.split_first().unwrap_or((&0, &[]));
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let prefix = match stream {
        1 => "01",
        2 => "02",
        _ => "00",
    };
    format!("{prefix} {}", String::from_utf8_lossy(line))
}

/// 1000 is a clean end for every client; anything else comes with the reason.
fn close(why: &str) -> Message {
    let code = if why.is_empty() { close_code::NORMAL } else { close_code::ERROR };
    let end = why.floor_char_boundary(REASON_BYTES);
    Message::Close(Some(CloseFrame { code, reason: why[..end].into() }))
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, frame: Message) -> Result<(), Gone> {
    let sent = timeout(3 * PING, sink.send(frame)).await;
    sent.map_err(|_| Gone)?.map_err(|_| Gone)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn log_lines() {
        let check = |data: &[u8], want: &str| assert_eq!(log_line(data), want);
        check(b"\x01hello\n", "01 hello");
        check(b"\x02oh no", "02 oh no");
        check(b"\x00tty\r", "00 tty\r");
        check(b"\x01", "01 ");
        check(b"", "00 ");
        check(b"\x01\xff", "01 \u{fffd}");
    }

    #[test]
    fn places_are_counted() {
        let places = Places::default();
        let mut held: Vec<Place> = (0..SUBSCRIBERS).map(|_| places.subscriber().unwrap()).collect();
        assert_eq!(places.subscriber().unwrap_err().status(), 429);
        held.pop();
        assert!(places.subscriber().is_ok());
    }

    #[test]
    fn sizes_of_terminals() {
        let check = |input: &[u8], want| assert_eq!(resized(input), want);
        check(b":resizeTTY:80,24", Some((80, 24)));
        check(b":resizeTTY: 80 , 24\n", Some((80, 24)));
        check(b":resizeTTY:", Some((0, 0)));
        check(b":resizeTTY:-1,99999", Some((0, 0)));
        check(b"ls\n", None);
    }

    proptest! {
        #[test]
        fn frames_of_clients(text in ".*", bytes in vec(any::<u8>(), 0..200), sizes in any::<bool>()) {
            // Whatever it is, it is read or passed over.
            let _ = said(&text);
            let input = if sizes { [RESIZE, &bytes].concat() } else { bytes };
            let read = said(&STANDARD.encode(&input));
            match read {
                Some(Said::Size(_)) => prop_assert!(input.starts_with(RESIZE), "a size nobody spoke of"),
                passed => {
                    prop_assert!(!input.starts_with(RESIZE), "a size is no input");
                    prop_assert_eq!(passed, Some(Said::Input(input)));
                }
            }
        }

        #[test]
        fn ends_that_are_told(why in ".{0,200}") {
            let Message::Close(Some(frame)) = close(&why) else { panic!() };
            prop_assert!(frame.reason.len() <= REASON_BYTES && why.starts_with(frame.reason.as_str()));
        }
    }

    #[test]
    fn closing() {
        let Message::Close(Some(frame)) = close("") else { panic!() };
        assert_eq!(frame.code, 1000);
        let Message::Close(Some(frame)) = close(&"ä".repeat(100)) else { panic!() };
        assert_eq!((frame.code, frame.reason.len()), (1011, 120));
    }
}
