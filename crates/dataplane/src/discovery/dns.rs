//! DNS over UDP and TCP: several sockets on one port, each with a task of its own. What we know is answered at once, by
//! that task; what others know, by one more task for each question.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Query;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::answer::{Answer, answer};
use super::message::{Asked, LARGE, Read, Way, read};
use super::names::Names;

/// What to do with a message.
pub(super) enum Reply {
    /// Send this.
    Now(Vec<u8>),
    /// Ask others first.
    Later(Box<Later>),
    /// Nothing.
    Never,
}

/// A question for others.
pub(super) struct Later {
    asked: Asked,
    answer: Answer,
}

/// A client of TCP that says nothing, or does not read, is let go.
const SILENCE: Duration = Duration::from_secs(10);

/// TCP connections at a time.
const CONNECTIONS: usize = 256;

/// Messages of one socket that are answered before others have their turn.
const BURST: usize = 64;

/// Pause when the system gives no more connections (too many open files).
const EXHAUSTED: Duration = Duration::from_millis(50);

/// The answer to one message, as far as it takes no waiting.
pub(super) fn reply(names: &Names, asker: IpAddr, bytes: &[u8], way: Way, turn: usize) -> Reply {
    match read(bytes, way) {
        Read::Nonsense => Reply::Never,
        Read::Refused(bytes) => Reply::Now(bytes),
        Read::Asked(asked) => match answer(names, asker, asked.question(), turn) {
            answer @ Answer::Elsewhere { .. } => Reply::Later(Box::new(Later { asked, answer })),
            answer => Reply::Now(asked.answer(answer)),
        },
    }
}

impl Later {
    /// Ask others, and say what they said.
    async fn ask(self, shared: &Shared) -> Vec<u8> {
        let Self { asked, answer } = self;
        let Answer::Elsewhere { chain, name, recursers } = answer else {
            return asked.answer(answer);
        };
        let question = Query::query(name, asked.question().query_type());
        let heard = shared.recursion.ask(&question, &recursers).await;
        asked.pass_on(chain, heard)
    }
}

/// Answer what comes to one UDP socket, until `end`, and then what has come already.
pub(super) async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>, end: CancellationToken) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; usize::from(LARGE)];
    let mut turns = Turns::default();
    loop {
        let is_over = end.is_cancelled();
        for _ in 0..BURST {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, client)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    answer_udp(&socket, &shared, client, bytes, turns.next()).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An answer that could not be delivered is told to the next who reads.
                Err(error) => tracing::debug!(%error, "a message could not be received"),
            }
        }
        if is_over {
            return;
        }
        tokio::select! {
            _ = socket.readable() => {}
            () = end.cancelled() => {}
        }
    }
}

async fn answer_udp(
    socket: &Arc<UdpSocket>,
    shared: &Arc<Shared>,
    client: SocketAddr,
    bytes: &[u8],
    turn: usize,
) {
    // Held until the answer is sent: whoever replaces the table waits for that.
    let table = shared.table.load();
    match reply(&table.names, client.ip(), bytes, Way::Udp, turn) {
        Reply::Never => {}
        Reply::Now(bytes) => {
            if let Err(error) = socket.send_to(&bytes, client).await {
                tracing::debug!(%client, %error, "an answer could not be sent");
            }
        }
        Reply::Later(later) => {
            let (socket, shared) = (socket.clone(), shared.clone());
            shared.work.clone().spawn(async move {
                let bytes = later.ask(&shared).await;
                if let Err(error) = socket.send_to(&bytes, client).await {
                    tracing::debug!(%client, %error, "an answer could not be sent");
                }
            });
        }
    }
}

/// Accept connections until `end`.
pub(super) async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>, end: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let (each, end) = (shared.clone(), end.clone());
                shared.work.spawn(async move {
                    let _place = place;
                    tokio::select! {
                        ended = converse(stream, client, &each) => {
                            if let Err(error) = ended {
                                tracing::debug!(%client, %error, "a connection ended");
                            }
                        }
                        () = end.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

/// One question after the other, until the client has no more.
async fn converse(mut stream: TcpStream, client: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut turns = Turns::default();
    loop {
        let bytes = timeout(SILENCE, receive(&mut stream)).await??;
        let reply = {
            let table = shared.table.load();
            reply(&table.names, client.ip(), &bytes, Way::Tcp, turns.next())
        };
        let bytes = match reply {
            Reply::Never => return Ok(()),
            Reply::Now(bytes) => bytes,
            Reply::Later(later) => later.ask(shared).await,
        };
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(bytes);
        timeout(SILENCE, stream.write_all(&framed)).await??;
    }
}

async fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Which address comes first, anew for each answer. A plain counter would go in step with clients that always
/// ask two things, and always name them the same.
struct Turns(u64);

impl Default for Turns {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Turns {
    fn next(&mut self) -> usize {
        // Xorshift: never 0, period 2^64 - 1.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default()
    }
}
