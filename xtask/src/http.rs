//! One HTTP request on one connection, over TCP or a Unix socket, with a deadline: enough to ask Docker, Drover's API
//! and a demo's web service. Not a client for anything else: no TLS, no redirects, no reuse.
//!
//! It speaks HTTP/1.0, whose answers end where the connection ends; that keeps it readable in one sitting.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Header lines, without line ends.
    pub headers: Vec<String>,
    /// The body; may be empty.
    pub body: &'a [u8],
    /// How long connecting, and each wait for bytes, may take.
    pub patience: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing there, or it fell silent.
    #[error("no answer to {method} {path}")]
    Io {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What came back isn't HTTP: usually nothing at all.
    #[error("the answer to {method} {path} breaks off after {length} bytes")]
    Cut {
        /// The request's method.
        method: String,
        /// The request's path.
        path: String,
        /// How much came.
        length: usize,
    },
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: &[], patience: Duration::from_secs(30) }
    }

    /// Send it and read the whole answer.
    pub fn send(&self, place: &Place) -> Result<Answer, HttpError> {
        let bytes = self.exchange(place).map_err(|source| HttpError::Io {
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            source,
        })?;
        parse(&bytes).ok_or_else(|| HttpError::Cut {
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            length: bytes.len(),
        })
    }

    fn exchange(&self, place: &Place) -> std::io::Result<Vec<u8>> {
        match place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, self.patience)?;
                stream.set_read_timeout(Some(self.patience))?;
                stream.set_write_timeout(Some(self.patience))?;
                self.talk(stream, &address.to_string())
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(self.patience))?;
                stream.set_write_timeout(Some(self.patience))?;
                self.talk(stream, "localhost")
            }
        }
    }

    fn talk(&self, mut stream: impl Read + Write, host: &str) -> std::io::Result<Vec<u8>> {
        let mut head = vec![format!("{} {} HTTP/1.0", self.method, self.path)];
        head.extend_from_slice(&self.headers);
        head.push(format!("Host: {host}\r\nContent-Length: {}\r\n\r\n", self.body.len()));
        let head = head.join("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Answer {
    /// Whether it says that the request was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its body as JSON; null if it isn't.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Status and body; none if the head is not whole, or the body shorter than announced.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = bytes[end + 4..].to_vec();
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (announced.is_none_or(|length| body.len() >= length)).then_some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let whole = Answer { status: 200, body: b"hi".to_vec() };
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"), Some(whole.clone()));
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\n\r\nhi"), Some(whole));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nConte"), None);
        assert_eq!(parse(b""), None);
    }
}
