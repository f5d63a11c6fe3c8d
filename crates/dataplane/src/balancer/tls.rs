//! TLS that ends here: certificates by server name, replaced while connections are open. A new config is for new
//! handshakes; what was agreed before stays as it is.

mod names;
mod offer;
mod shelf;

use std::io;
use std::sync::Arc;

use drover_core::{Listener, RuleProtocol};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

pub(super) use names::normal;
use offer::Offer;
pub(super) use shelf::Shelf;

/// How one listener speaks TLS.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    offer: Arc<Offer>,
}

/// "There is no such server here" (RFC 6066, 3): a fatal alert, before anything was agreed.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl Tls {
    /// As a listener wants it, with the certificates that are there.
    pub(super) fn new(listener: &Listener, shelf: &Shelf) -> Result<Self, rustls::Error> {
        let listed = listener.certificates.iter().filter_map(|name| shelf.get(name));
        let default = listener.default_certificate.as_ref().and_then(|name| shelf.get(name));
        let offer = Arc::new(Offer::new(listed, default));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // TLS 1.2 and 1.3.
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_cert_resolver(offer.clone());
        if listener.protocol == RuleProtocol::Https {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Ok(Self { config: Arc::new(config), offer })
    }

    /// Nobody can be served.
    pub(super) fn is_empty(&self) -> bool {
        self.offer.is_empty()
    }

    /// Shake hands. Refused are clients that no certificate is for.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut start =
            LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let server = start.client_hello().server_name().map(str::to_owned);
        if self.offer.choose(server.as_deref()).is_none() {
            start.io.write_all(&UNRECOGNIZED_NAME).await?;
            start.io.shutdown().await?;
            let server = server.unwrap_or_default();
            return Err(io::Error::other(format!(
                "no certificate is for the server name `{server}`"
            )));
        }
        start.into_stream(self.config.clone()).await
    }
}
