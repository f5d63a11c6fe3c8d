//! One TCP connection to a target, whatever is spoken on it.

use std::io;
use std::sync::Arc;

use drover_core::Failure;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::Shared;
use super::super::clock::millis;
use super::super::pick::Picked;
use super::super::refusal::Refusal;
use super::Caller;
use super::call::{Call, Tries};
use super::hello::Hello;
use super::join::{End, join};
use super::proxy;
use super::way::Way;

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
    let call = Call {
        port: way.port,
        server: hello.server.unwrap_or_default(),
        client: caller.ends.client.ip(),
    };
    let (picked, mut target) = match connect(&call, way, shared).await {
        Ok(connected) => connected,
        Err(refusal) => {
            tracing::debug!(port = way.port, client = %caller.ends.client, ?refusal, "no target");
            client.shutdown().await.ok();
            return;
        }
    };
    let unit = picked.in_flight.target().unit;
    let account = picked.in_flight.target().account();
    if let Err(error) = greet(&mut target, &picked, caller, &hello.bytes).await {
        tracing::debug!(%unit, %error, "the target took nothing");
        account.failed(Failure::Broken);
        return;
    }
    account.answered(millis(began.elapsed()), false);
    let over = shared.leaving.over(unit);
    let joined = join(&mut client, &mut target, way.idle, over).await;
    if let End::Broken(error) = &joined.end {
        tracing::debug!(%unit, %error, "a connection broke");
    }
}

/// A connection to the first target that can be reached.
async fn connect(
    call: &Call,
    way: &Way,
    shared: &Shared,
) -> Result<(Picked, TcpStream), Refusal> {
    let mut tries = Tries::default();
    loop {
        let picked = tries.next(call, shared).await?;
        let target = picked.in_flight.target();
        let address = target.address.as_str();
        let error = match timeout(way.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                target.health.answered();
                return Ok((picked, stream));
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        tracing::warn!(unit = %target.unit, address, %error, "unreachable");
        tries.unreachable(&picked);
    }
}

/// What the target gets before all that the client sends from now on.
async fn greet(
    target: &mut TcpStream,
    picked: &Picked,
    caller: Caller,
    first: &[u8],
) -> io::Result<()> {
    target.set_nodelay(true)?;
    let mut bytes = match picked.route.settings.send_proxy {
        Some(version) => proxy::header(version, caller.ends)?,
        None => Vec::new(),
    };
    bytes.extend_from_slice(first);
    target.write_all(&bytes).await
}
