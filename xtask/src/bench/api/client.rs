//! One connection that is kept, as clients of the API keep theirs: what is measured is the request, not the handshake.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::api::Key;
use crate::http::{Answer, HttpError};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A client with a key.
pub(super) struct Client {
    server: SocketAddr,
    authorization: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Not connected yet.
    pub(super) fn new(server: SocketAddr, key: &Key) -> Self {
        Self { server, authorization: key.header(), connection: None }
    }

    /// Ask and read the whole answer. After an error the next request goes over a new connection.
    pub(super) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, HttpError> {
        let answer = self.exchange(method, path, body);
        answer.map_err(|source| {
            self.connection = None;
            HttpError::Io { method: method.to_owned(), path: path.to_owned(), source }
        })
    }

    fn exchange(&mut self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // Clients write `removed_null=<nil>`, and send it so.
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.server,
            self.authorization,
            body.len()
        );
        let connection = self.connection()?;
        connection.get_mut().write_all([head, body].concat().as_bytes())?;
        read(connection)
    }

    fn connection(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        if self.connection.is_none() {
            self.connection = Some(BufReader::new(connect(self.server)?));
        }
        self.connection.as_mut().ok_or_else(|| io::Error::other("no connection"))
    }
}

/// A connection whose every wait has an end.
pub(super) fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The head of an answer, up to the empty line: its status, and its header lines.
pub(super) fn read_head(connection: &mut impl BufRead) -> io::Result<(u16, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other("no HTTP"))?, lines))
}

fn read(connection: &mut impl BufRead) -> io::Result<Answer> {
    let (status, lines) = read_head(connection)?;
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    // What has no length (204) has no body here; the server sends nothing in chunks to who asks for no compression.
    let mut body = vec![0; length.unwrap_or_default()];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_connection_are_told_apart() {
        let mut two = &b"HTTP/1.1 200 OK\r\ncontent-Length: 2\r\n\r\nhiHTTP/1.1 204 No\r\n\r\n"[..];
        assert_eq!(read(&mut two).unwrap(), Answer { status: 200, body: b"hi".to_vec() });
        assert_eq!(read(&mut two).unwrap(), Answer { status: 204, body: Vec::new() });
        assert_eq!(read(&mut two).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
