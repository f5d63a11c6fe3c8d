//! One TCP connection to a target, whatever is spoken on it.

use std::io;
use std::sync::Arc;

use drover_core::Failure;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::Shared;
use super::super::access::Visit;
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
    let method = format!("{:?}", way.protocol).to_uppercase();
    let mut visit = Visit::begin(caller.ends.client, way.port, &method);
    visit.host = hello.server.clone().unwrap_or_default();
    visit.cause = carry(&mut client, caller, hello, way, shared, &mut visit).await.err();
    if let Some(cause) = &visit.cause {
        tracing::debug!(port = way.port, client = %caller.ends.client, cause, "a connection ended");
    }
    shared.access.tell(visit);
}

/// An error is why it did not end well.
async fn carry<S>(
    client: &mut S,
    caller: Caller,
    hello: Hello,
    way: &Way,
    shared: &Arc<Shared>,
    visit: &mut Visit,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let began = Instant::now();
    let call = Call {
        port: way.port,
        server: hello.server.unwrap_or_default(),
        client: caller.ends.client.ip(),
    };
    let (picked, mut stream) = match connect(&call, way, shared).await {
        Ok(connected) => connected,
        Err(refusal) => {
            client.shutdown().await.ok();
            return Err(format!("{refusal:?}"));
        }
    };
    let target = picked.in_flight.target();
    visit.unit = Some(target.unit);
    if let Err(error) = greet(&mut stream, &picked, caller, &hello.bytes).await {
        target.account().failed(Failure::Broken);
        return Err(format!("Broken: {error}"));
    }
    target.account().answered(millis(began.elapsed()), false);
    let over = target.over(shared);
    let joined = join(client, &mut stream, way.idle, over).await;
    visit.bytes = joined.received;
    match joined.end {
        End::Done => Ok(()),
        End::Idle => Err("Idle".to_owned()),
        End::Over => Err("Drained".to_owned()),
        End::Broken(error) => Err(format!("Broken: {error}")),
    }
}

/// A connection to the first target that can be reached.
async fn connect(call: &Call, way: &Way, shared: &Shared) -> Result<(Picked, TcpStream), Refusal> {
    let mut tries = Tries::default();
    loop {
        let picked = tries.next(call, shared).await?;
        let target = picked.in_flight.target();
        let address = target.address.as_str();
        let error = match timeout(way.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tries.reached(&picked);
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
