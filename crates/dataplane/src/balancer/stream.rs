//! Connections, from their first byte to their last: who calls, what is spoken, and where it goes. What is decided for
//! one HTTP request is not decided here.

mod call;
mod hello;
mod http;
pub(super) mod join;
mod logged;
pub(super) mod places;
pub(super) mod proxy;
mod relay;
pub(super) mod udp;
pub(super) mod way;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drover_core::RuleProtocol;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Shared;
use hello::Hello;
use proxy::{Ends, ProxyError};
use way::Way;

/// Who called, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// The client's address and the one it called; what a proxy before us says of them goes before what we see.
    pub(super) ends: Ends,
    /// The balancer's port.
    pub(super) port: u16,
    /// TLS ended here.
    pub(super) is_secure: bool,
}

/// Why a connection was given up before anything was sent on.
#[derive(Debug, thiserror::Error)]
enum Unserved {
    #[error("the connection could not be read")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the client did not say in time what it wants")]
    Silent,
}

/// Longest time for what comes before the first byte of a client's own: PROXY header and TLS handshake.
const OPENING: Duration = Duration::from_secs(10);

/// Serve one connection as its port wants it, until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    way: Arc<Way>,
    shared: Arc<Shared>,
    close: CancellationToken,
) {
    if let Err(error) = try_serve(stream, client, &way, &shared, close).await {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::debug!(port = way.port, %client, %error, cause, "a connection was not served");
    }
}

async fn try_serve(
    mut stream: TcpStream,
    client: SocketAddr,
    way: &Arc<Way>,
    shared: &Arc<Shared>,
    close: CancellationToken,
) -> Result<(), Unserved> {
    stream.set_nodelay(true)?;
    let mut caller = Caller {
        ends: Ends { client, called: stream.local_addr()? },
        port: way.port,
        is_secure: false,
    };
    let opening = OPENING.min(way.client);
    if way.accept_proxy {
        let told = timeout(opening, proxy::read(&mut stream)).await;
        caller.ends = told.map_err(|_| Unserved::Silent)??.unwrap_or(caller.ends);
    }
    match (way.protocol, &way.tls) {
        (RuleProtocol::Https | RuleProtocol::Tls, Some(tls)) => {
            let agreed = timeout(opening, tls.accept(stream)).await;
            let stream = agreed.map_err(|_| Unserved::Silent)?.map_err(Unserved::Handshake)?;
            caller.is_secure = true;
            if way.protocol == RuleProtocol::Https {
                http::serve(stream, caller, way, shared, close).await;
            } else {
                relay::relay(stream, caller, Hello::default(), way, shared).await;
            }
        }
        (RuleProtocol::Http, _) => http::serve(stream, caller, way, shared, close).await,
        (RuleProtocol::Sni, _) => {
            let hello = timeout(opening, hello::read(&mut stream)).await;
            let hello = hello.map_err(|_| Unserved::Silent)??;
            relay::relay(stream, caller, hello, way, shared).await;
        }
        (RuleProtocol::Tcp, _) => {
            relay::relay(stream, caller, Hello::default(), way, shared).await;
        }
        // A TLS port without TLS can't be, and datagrams have no connections.
        (RuleProtocol::Https | RuleProtocol::Tls | RuleProtocol::Udp, _) => {}
    }
    Ok(())
}
