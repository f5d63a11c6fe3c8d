//! Who follows events: a change of one service, until it is answered and until every subscriber has its event.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{connect, read_head};
use super::kinds::Targets;
use super::stand::{Stand, text};
use crate::bench::{BenchError, io as failed};

/// Changes in a round.
const CHANGES: usize = 10;
/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The times of all changes, milliseconds.
#[derive(Default)]
pub(super) struct Followed {
    pub(super) answered: Vec<f64>,
    pub(super) first: Vec<f64>,
    pub(super) last: Vec<f64>,
    changes: usize,
}

impl Followed {
    /// A round: subscribers of one project come, some of its services change.
    pub(super) fn add(
        &mut self,
        stand: &Stand,
        targets: &Targets,
        subscribers: u8,
    ) -> Result<(), BenchError> {
        let Some(of) = targets.projects.first() else { return Ok(()) };
        let (tell, told) = channel();
        let mut sockets = Vec::new();
        for _ in 0..subscribers {
            let socket = subscribe(stand, &of.project).map_err(failed("subscribe to events"))?;
            let own = socket.get_ref().try_clone().map_err(failed("keep a subscription"))?;
            sockets.push(own);
            let tell = tell.clone();
            std::thread::spawn(move || listen(socket, &tell));
        }
        let mut client = stand.client();
        for service in of.services.iter().cycle().take(CHANGES) {
            self.changes += 1;
            let mark = format!("mark-{}-", self.changes);
            let path =
                format!("/v2-beta/projects/{}/services/{}", of.project, text(&service["id"]));
            let began = Instant::now();
            let ms = |at: Instant| (at - began).as_secs_f64() * 1000.0;
            let answer = client.ask("PUT", &path, &json!({ "description": mark }));
            answer.map_err(crate::api::ApiError::from)?;
            self.answered.push(ms(Instant::now()));
            let mut arrived = Vec::new();
            while arrived.len() < usize::from(subscribers) {
                let left = PATIENCE.saturating_sub(began.elapsed());
                let Ok((at, frame)) = told.recv_timeout(left) else {
                    let what = format!("{} of {subscribers} have the event", arrived.len());
                    return Err(BenchError::Stuck { who: "subscribers", what });
                };
                if frame == mark {
                    arrived.push(ms(at));
                }
            }
            self.first.push(arrived.iter().copied().fold(f64::INFINITY, f64::min));
            self.last.push(arrived.iter().copied().fold(0.0, f64::max));
        }
        for socket in sockets {
            // It may have ended by itself.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        Ok(())
    }
}

/// A WebSocket that events come over.
fn subscribe(stand: &Stand, project: &str) -> io::Result<BufReader<TcpStream>> {
    let mut stream = connect(stand.solo.address)?;
    let head = format!(
        "GET /v2-beta/projects/{project}/subscribe?eventNames=resource.change HTTP/1.1\r\nHost: {}\r\n{}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        stand.solo.address,
        stand.solo.key.header()
    );
    stream.write_all(head.as_bytes())?;
    let mut stream = BufReader::new(stream);
    match read_head(&mut stream)?.0 {
        101 => Ok(stream),
        status => Err(io::Error::other(format!("status {status} instead of 101"))),
    }
}

/// Tell of every mark that comes by, once in each frame, until the connection ends.
fn listen(mut socket: BufReader<TcpStream>, tell: &Sender<(Instant, String)>) {
    while let Ok(frame) = read_frame(&mut socket) {
        let at = Instant::now();
        let is_service = frame.contains("\"resourceType\":\"service\"");
        if is_service
            && let Some(mark) = mark_in(&frame)
            && tell.send((at, mark)).is_err()
        {
            return;
        }
    }
}

fn mark_in(frame: &str) -> Option<String> {
    let rest = &frame[frame.find("\"mark-")? + 1..];
    Some(rest[..rest.find('"')?].to_owned())
}

/// One frame as text. Frames of a server are not masked, and it cuts none into pieces.
fn read_frame(socket: &mut impl Read) -> io::Result<String> {
    let mut head = [0; 2];
    socket.read_exact(&mut head)?;
    let length = match head[1] {
        126 => {
            let mut more = [0; 2];
            socket.read_exact(&mut more)?;
            u64::from(u16::from_be_bytes(more))
        }
        127 => {
            let mut more = [0; 8];
            socket.read_exact(&mut more)?;
            u64::from_be_bytes(more)
        }
        short => u64::from(short),
    };
    let mut text = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(16 << 20)];
    socket.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_read() {
        let long = "x".repeat(300);
        let head = [0x81, 126, 1, 44];
        let bytes = [&[0x81, 2][..], b"hi", &head, long.as_bytes()].concat();
        let mut bytes = &bytes[..];
        assert_eq!(read_frame(&mut bytes).unwrap(), "hi");
        assert_eq!(read_frame(&mut bytes).unwrap(), long);
        assert!(read_frame(&mut bytes).is_err());
    }

    #[test]
    fn a_mark_is_found() {
        assert_eq!(mark_in(r#"{"description":"mark-7-","x":1}"#).as_deref(), Some("mark-7-"));
        assert_eq!(mark_in(r#"{"description":"other"}"#), None);
    }
}
