//! A container's log, a command in it or its host's Docker engine, for a user: a WebSocket in the frames that Rancher's
//! clients read.
//!
//! Logs: one text frame per line, `01 ` (stdout), `02 ` (stderr) or `00 ` (terminal) before it. All others: base64
//! in text frames both ways.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use drover_api::{ApiError, Code, Query};
use drover_core::protocol::Ask;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::asks::{Arrived, Asking};
use crate::auth;
use crate::clock;
use crate::link::Gone;
use crate::server::Server;

/// Between two pings; without an answer to the third, the client is gone.
const PING: Duration = Duration::from_secs(20);
/// A close frame's reason has room for so many bytes.
const REASON_BYTES: usize = 120;
/// What the UI sends when its terminal's size changes.
const RESIZE: &[u8] = b":resizeTTY:";

/// A stream that was asked for.
pub(crate) struct Stream {
    asking: Asking,
    /// Of lines of a log; else of bytes, both ways.
    is_log: bool,
}

/// Open what a token was granted for.
pub(crate) async fn open(
    server: &Server,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Stream, ApiError> {
    let token = query.get("token").or_else(|| bearer(headers)).unwrap_or_default();
    let granted = server.tokens.redeem(token, clock::now());
    // Whoever it was granted to may have lost the key since.
    let granted = granted.filter(|held| auth::user_of(&server.store.world(), &held.by).is_ok());
    let granted = granted.ok_or_else(|| {
        let why = "this token is wrong, was used already, or is too old: ask for another one with \
                   the action that gave it";
        ApiError::new(Code::Unauthorized, why)
    })?;
    let is_log = matches!(granted.ask, Ask::Logs { .. });
    let asking = server.hub.ask(granted.host, granted.ask).await.ok_or_else(|| {
        let why = "the container's host is not connected; try again once it is";
        ApiError::new(Code::Conflict, why)
    })?;
    Ok(Stream { asking, is_log })
}

/// Carry frames until either side is done.
pub(crate) async fn run(socket: WebSocket, mut stream: Stream, stop: CancellationToken) {
    let (mut sink, mut client) = socket.split();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut heard_at = Instant::now();
    let end = loop {
        tokio::select! {
            () = stop.cancelled() => break Some("the server stops".to_owned()),
            arrived = stream.asking.next() => match arrived {
                Arrived::Data(data) => {
                    if send(&mut sink, stream.frame(&data)).await.is_err() {
                        break None;
                    }
                }
                Arrived::Progress(_) => {}
                Arrived::Done(why) => break Some(why),
            },
            frame = client.next() => {
                heard_at = Instant::now();
                let Some(Ok(frame)) = frame else { break None };
                if stream.take(&frame).await.is_err() {
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

impl Stream {
    fn frame(&self, data: &[u8]) -> Message {
        let text = if self.is_log { log_line(data) } else { STANDARD.encode(data) };
        Message::Text(text.into())
    }

    /// What a client sent. Logs read nothing.
    async fn take(&self, frame: &Message) -> Result<(), Gone> {
        let text = match frame {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => return Err(Gone),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        let decoded = STANDARD.decode(text).ok().filter(|_| !self.is_log);
        let Some(input) = decoded else { return Ok(()) };
        match resized(&input) {
            Some(size) => self.asking.resize(size).await,
            None => self.asking.send(&input).await,
        }
    }
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
    fn sizes_of_terminals() {
        let check = |input: &[u8], want| assert_eq!(resized(input), want);
        check(b":resizeTTY:80,24", Some((80, 24)));
        check(b":resizeTTY: 80 , 24\n", Some((80, 24)));
        check(b":resizeTTY:", Some((0, 0)));
        check(b":resizeTTY:-1,99999", Some((0, 0)));
        check(b"ls\n", None);
    }

    #[test]
    fn closing() {
        let Message::Close(Some(frame)) = close("") else { panic!() };
        assert_eq!(frame.code, 1000);
        let Message::Close(Some(frame)) = close(&"ä".repeat(100)) else { panic!() };
        assert_eq!((frame.code, frame.reason.len()), (1011, 120));
    }
}
