//! One TCP connection to a target, whatever is spoken on it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::Shared;
use super::Caller;
use super::hello::Hello;
use super::join::{End, join};
use super::pick::{Asked, Picked, pick};
use super::proxy;
use super::way::Way;
use drover_core::Failure;

/// Join a client with a target. What was read of the client already goes first.
pub(super) async fn relay<S>(
    mut client: S,
    caller: Caller,
    hello: Hello,
    way: &Way,
    shared: &Arc<Shared>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let began = Instant::now();
    let asked = Asked {
        port: way.port,
        server: hello.server.as_deref().unwrap_or_default(),
        client: caller.ends.client.ip(),
    };
    let (picked, mut target) = match connect(asked, way, shared).await {
        Ok(joined) => joined,
        Err(cause) => {
            tracing::debug!(port = way.port, client = %caller.ends.client, ?cause, "no target");
            client.shutdown().await.ok();
            return;
        }
    };
    if let Err(error) = greet(&mut target, &picked, caller, &hello.bytes, way).await {
        tracing::debug!(unit = %picked.unit(), %error, "the target took nothing");
        return;
    }
    let over = shared.leaving.over(picked.unit());
    let joined = join(&mut client, &mut target, way.idle, over).await;
    if let End::Broken(error) = &joined.end {
        tracing::debug!(unit = %picked.unit(), %error, "a connection broke");
    }
    let _ = (began, joined.sent, joined.received);
}

/// A connection to the first target that can be reached.
async fn connect(
    asked: Asked<'_>,
    way: &Way,
    shared: &Arc<Shared>,
) -> Result<(Picked, TcpStream), Failure> {
    let mut tried = Vec::new();
    loop {
        let picked = pick(shared, asked, &tried)?;
        let address = picked.target.address.as_str();
        let error = match timeout(way.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((picked, stream)),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        tracing::warn!(unit = %picked.unit(), address, %error, "unreachable");
        picked.target.rest();
        tried.push(picked.target.clone());
    }
}

/// What the target gets before all that the client sends from now on.
async fn greet(
    target: &mut TcpStream,
    picked: &Picked,
    caller: Caller,
    first: &[u8],
    way: &Way,
) -> io::Result<()> {
    target.set_nodelay(true)?;
    let mut bytes = match way.send_proxy(&picked.backend) {
        Some(version) => proxy::header(version, caller.ends)?,
        None => Vec::new(),
    };
    bytes.extend_from_slice(first);
    target.write_all(&bytes).await
}
