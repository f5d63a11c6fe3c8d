//! HTTP/1.1 by hand, with its connections in sight: what was written, what came back, and how a connection ended. No
//! retries: a lost request stays lost.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) use super::tally::End;

/// Rounds of a conversation, and the pause between two.
const ROUNDS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The connection can carry another request.
    pub(crate) keeps: bool,
    pub(crate) body: String,
    /// Which process answered: a number that is another one after each of its starts.
    pub(crate) run: u64,
}

/// Send a request without a body and read its answer.
pub(crate) async fn ask(stream: &mut TcpStream, line: &str, keep: bool) -> io::Result<Answer> {
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!(
        "{line} HTTP/1.1\r\nHost: shop\r\nConnection: {connection}\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    read_answer(stream).await
}

/// Ask for another protocol, and say something now and then until the time is over; every word must come back.
pub(crate) async fn converse(stream: &mut TcpStream) -> io::Result<End> {
    let head =
        "GET /converse HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let (status, _) = read_head(stream).await?;
    if status != 101 {
        return Ok(End::Failed(format!("status {status} instead of 101")));
    }
    for round in 0..ROUNDS {
        let word = format!("round {round:04}\n");
        stream.write_all(word.as_bytes()).await?;
        let mut back = vec![0; word.len()];
        match stream.read_exact(&mut back).await {
            Ok(_) if back == word.as_bytes() => {}
            Ok(_) => return Ok(End::Failed("another word came back".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(End::Orderly),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    stream.shutdown().await?;
    let left = stream.read(&mut [0; 16]).await?;
    Ok(if left == 0 { End::Good } else { End::Failed("words too many".to_owned()) })
}

async fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let (status, head) = read_head(stream).await?;
    let header = |wanted: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let keeps = length.is_some() && header("connection").is_none_or(|c| c != "close");
    let run = header("run").and_then(|run| run.parse().ok()).unwrap_or_default();
    Ok(Answer { status, keeps, body: String::from_utf8_lossy(&body).into_owned(), run })
}

/// Status and head, byte by byte, so that nothing behind it is taken.
async fn read_head(stream: &mut TcpStream) -> io::Result<(u16, String)> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let why = format!("the connection ended after {} bytes of the answer", head.len());
                return Err(io::Error::new(error.kind(), why));
            }
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP: {head}")))?;
    Ok((status, head))
}
