//! Reaching the server: its address, a name turned into numbers, TCP, TLS where it is asked for.
//!
//! Names are resolved here and not by the C library, which a static program can't use. Certificates are judged
//! by the machine's own list (`SSL_CERT_FILE` where that is set), so that a company's own authority counts.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// TLS.
    pub secure: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path that everything stands under, behind a proxy; empty or `/…` without a slash at the end.
    pub path: String,
}

/// A text that is no server's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a server: write http://name:port or https://name[:port]")]
pub struct BadServerUrl(String);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name means nothing.
    #[error("the server's name {host} can't be resolved: {reason}")]
    Name {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nobody there.
    #[error("can't connect to the server at {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody there who takes too long.
    #[error("the server at {address} did not answer within {} s", PATIENCE.as_secs())]
    Slow {
        /// Where.
        address: String,
    },
    /// No trust.
    #[error(
        "no secure connection to {host}: {reason}; if its certificate is of your own authority, add that to \
         this machine's list, or set SSL_CERT_FILE"
    )]
    Tls {
        /// To whom.
        host: String,
        /// Why.
        reason: String,
    },
}

/// Bytes both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection to the server.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// This machine's address, as the other end sees it.
    pub(crate) from: IpAddr,
}

impl FromStr for ServerUrl {
    type Err = BadServerUrl;

    fn from_str(text: &str) -> Result<Self, BadServerUrl> {
        let bad = || BadServerUrl(text.to_owned());
        let uri: http::Uri = text.trim().parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(_) | None => return Err(bad()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        Ok(Self {
            secure,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl ServerUrl {
    /// `host:port`, as the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Connect.
pub(crate) async fn dial(server: &ServerUrl) -> Result<Connection, DialError> {
    let tried = tokio::time::timeout(PATIENCE, connect(server)).await;
    tried.unwrap_or_else(|_| Err(DialError::Slow { address: server.authority() }))
}

/// The address other hosts reach this machine by, given the one the server sees: a server on this very machine sees
/// a loopback address, which is of no use to anyone else.
pub(crate) fn reachable_address(seen: IpAddr) -> IpAddr {
    if !seen.is_loopback() {
        return seen;
    }
    // Nothing is sent: the kernel only says which address it would send from.
    let outward = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
        socket.connect(("192.0.2.1", 9))?;
        socket.local_addr()
    });
    outward.map_or(seen, |address| address.ip())
}

async fn connect(server: &ServerUrl) -> Result<Connection, DialError> {
    let mut failed = None;
    for address in resolve(server).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return secure(server, stream).await,
            Err(source) => {
                failed = Some(DialError::Connect { address: address.to_string(), source });
            }
        }
    }
    let reason = "it has no address".to_owned();
    Err(failed.unwrap_or(DialError::Name { host: server.host.clone(), reason }))
}

async fn resolve(server: &ServerUrl) -> Result<Vec<SocketAddr>, DialError> {
    if let Ok(ip) = server.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, server.port)]);
    }
    let failed = |reason: String| DialError::Name { host: server.host.clone(), reason };
    // Read anew each time: the machine's resolver may have changed since.
    let resolver =
        TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
    let resolver = resolver.map_err(|error| failed(error.to_string()))?;
    let found = resolver.lookup_ip(server.host.as_str()).await;
    let found = found.map_err(|error| failed(error.to_string()))?;
    Ok(found.iter().map(|ip| SocketAddr::new(ip, server.port)).collect())
}

async fn secure(server: &ServerUrl, stream: TcpStream) -> Result<Connection, DialError> {
    let failed = |reason: String| DialError::Tls { host: server.host.clone(), reason };
    let from = stream.local_addr().map_err(|error| failed(error.to_string()))?.ip();
    // Small messages are not to wait for each other.
    let _ = stream.set_nodelay(true);
    if !server.secure {
        return Ok(Connection { stream: Box::new(stream), from });
    }
    let name = ServerName::try_from(server.host.clone()).map_err(|e| failed(e.to_string()))?;
    let connector = TlsConnector::from(Arc::new(tls().map_err(failed)?));
    let stream = connector.connect(name, stream).await.map_err(|e| failed(e.to_string()))?;
    Ok(Connection { stream: Box::new(stream), from })
}

fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "this machine has no list of certificate authorities (package ca-certificates)"
                .to_owned(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses() {
        let check = |text: &str, want: &str| {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), want);
        };
        check("http://10.77.0.1:8080", "http://10.77.0.1:8080");
        check("http://server", "http://server:80");
        check("wss://drover.example/", "https://drover.example:443");
        check("https://proxy.example/drover/", "https://proxy.example:443/drover");
        check("http://[fe80::1]:8080", "http://[fe80::1]:8080");
        for bad in ["", "server:8080", "ftp://server", "http://"] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_loopback_address_is_of_no_use_to_others() {
        let there: IpAddr = "10.77.0.11".parse().unwrap();
        assert_eq!(reachable_address(there), there);
    }
}
