//! Asking others: one server after the other, each by UDP and, where the answer was cut off, by TCP. Every wait has an
//! end.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::cache::Cache;

/// Asks others, and remembers.
pub(super) struct Recursion {
    cache: Mutex<Cache>,
    /// Each question under way needs a socket.
    sockets: Semaphore,
}

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions under way at a time.
const SOCKETS: usize = 512;

/// Bytes of an answer by UDP: more would come in fragments, which get lost.
const PAYLOAD: u16 = 1232;

impl Default for Recursion {
    fn default() -> Self {
        Self { cache: Mutex::default(), sockets: Semaphore::new(SOCKETS) }
    }
}

impl Recursion {
    /// The first usable answer of these servers; `None` if there is none.
    pub(super) async fn ask(
        &self,
        question: &Query,
        servers: &Arc<[SocketAddr]>,
    ) -> Option<Message> {
        let key = (question.name().to_lowercase(), question.query_type(), servers.clone());
        if let Some(held) = self.cache().get(&key, Instant::now()) {
            return Some(held);
        }
        let _socket = timeout(PATIENCE, self.sockets.acquire()).await.ok()?.ok()?;
        for server in servers.iter() {
            match timeout(PATIENCE, ask_one(question, *server)).await {
                Ok(Ok(heard)) if is_usable(&heard) => {
                    self.cache().put(key, heard.clone(), Instant::now());
                    return Some(heard);
                }
                Ok(Ok(heard)) => {
                    let code = heard.metadata.response_code;
                    tracing::debug!(%server, %question, %code, "a name server does not answer");
                }
                Ok(Err(error)) => tracing::debug!(%server, %question, %error, "not reached"),
                Err(_) => tracing::debug!(%server, %question, "no answer in {PATIENCE:?}"),
            }
        }
        None
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_usable(heard: &Message) -> bool {
    matches!(heard.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
}

async fn ask_one(question: &Query, server: SocketAddr) -> io::Result<Message> {
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.queries.push(question.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    request.edns = Some(edns);
    let bytes = request.to_vec().map_err(io::Error::other)?;
    let heard = by_udp(&request, &bytes, server).await?;
    if heard.metadata.truncation { by_tcp(&request, &bytes, server).await } else { Ok(heard) }
}

async fn by_udp(request: &Message, bytes: &[u8], server: SocketAddr) -> io::Result<Message> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A port of its own for each question: one more thing that a forger has to guess.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; usize::from(PAYLOAD).max(4096)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let heard = buffer.get(..length).and_then(|bytes| Message::from_vec(bytes).ok());
        if let Some(heard) = heard.filter(|heard| answers(heard, request)) {
            return Ok(heard);
        }
    }
}

async fn by_tcp(request: &Message, bytes: &[u8], server: SocketAddr) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    let heard = Message::from_vec(&buffer).map_err(io::Error::other)?;
    if answers(&heard, request) {
        Ok(heard)
    } else {
        Err(io::Error::other("the answer is to another question"))
    }
}

/// Anybody can send something to a port.
fn answers(heard: &Message, request: &Message) -> bool {
    heard.metadata.id == request.metadata.id
        && heard.metadata.message_type == hickory_proto::op::MessageType::Response
        && heard.queries == request.queries
}
