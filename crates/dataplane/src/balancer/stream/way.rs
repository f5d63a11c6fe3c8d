//! How the connections of one port are treated. Made whole from a config; a connection keeps the one it began with.

use std::time::Duration;

use drover_core::{BalancerConfig, Listener, RuleProtocol};

use super::super::tls::{Shelf, Tls};

/// One port's part of a config, ready for connections.
pub(in super::super) struct Way {
    pub(in super::super) port: u16,
    pub(in super::super) protocol: RuleProtocol,
    /// For protocols that end TLS here.
    pub(in super::super) tls: Option<Tls>,
    pub(in super::super) accept_proxy: bool,
    /// Until a target accepts a connection.
    pub(in super::super) connect: Duration,
    /// A client that says nothing while it is its turn is let go.
    pub(in super::super) client: Duration,
    /// Silence of both sides that ends a joined connection.
    pub(in super::super) idle: Duration,
    certificates: (Vec<String>, Option<String>),
}

impl Way {
    /// Of a port in a config. `held` is the one before, whose TLS sessions are resumed if certificates are the same.
    pub(in super::super) fn new(
        port: u16,
        listener: &Listener,
        config: &BalancerConfig,
        shelf: &Shelf,
        held: Option<&Self>,
    ) -> Result<Self, rustls::Error> {
        let tuning = &config.tuning;
        let certificates = (listener.certificates.clone(), listener.default_certificate.clone());
        let held = held
            .filter(|held| held.protocol == listener.protocol && held.certificates == certificates);
        let ends_tls = matches!(listener.protocol, RuleProtocol::Https | RuleProtocol::Tls);
        let tls = match held.and_then(|held| held.tls.clone()) {
            Some(tls) if !shelf.is_new() => Some(tls),
            _ if ends_tls => Some(Tls::new(listener, shelf)?),
            _ => None,
        };
        Ok(Self {
            port,
            protocol: listener.protocol,
            tls,
            accept_proxy: tuning.listeners.get(&port).is_some_and(|l| l.accept_proxy),
            connect: Duration::from_millis(tuning.connect_ms),
            client: Duration::from_millis(tuning.client_ms),
            idle: Duration::from_millis(tuning.tunnel_ms.unwrap_or(tuning.client_ms)),
            certificates,
        })
    }

    /// What does not work, in words.
    pub(in super::super) fn problem(&self) -> Option<String> {
        let port = self.port;
        self.tls.as_ref().filter(|tls| tls.is_empty()).map(|_| {
            format!("port {port} has no certificate that can be served, so it refuses all clients")
        })
    }
}
