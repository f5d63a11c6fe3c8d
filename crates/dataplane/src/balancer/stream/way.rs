//! How the connections of one port are treated. Made whole from a config; a connection keeps the one it began with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drover_core::{BalancerConfig, Listener, RuleProtocol, UnitKey};

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
    /// Version of the PROXY header that targets get, by backend; the empty name is for all.
    send_proxy: BTreeMap<String, u8>,
    /// Who can be sent to; datagrams of a client go on to the same unit while it is among them.
    pub(in super::super) units: BTreeSet<UnitKey>,
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
        let backends = tuning.backends.iter();
        let targets = listener.routes.iter().flat_map(|route| &route.targets);
        Ok(Self {
            port,
            protocol: listener.protocol,
            tls,
            accept_proxy: tuning.listeners.get(&port).is_some_and(|l| l.accept_proxy),
            connect: Duration::from_millis(tuning.connect_ms),
            client: Duration::from_millis(tuning.client_ms),
            idle: Duration::from_millis(tuning.tunnel_ms.unwrap_or(tuning.client_ms)),
            send_proxy: backends
                .filter_map(|(name, b)| Some((name.clone(), b.send_proxy?)))
                .collect(),
            units: targets.map(|target| target.unit).collect(),
            certificates,
        })
    }

    /// Version of the PROXY header that this backend's targets get, if they do.
    pub(in super::super) fn send_proxy(&self, backend: &str) -> Option<u8> {
        self.send_proxy.get(backend).or_else(|| self.send_proxy.get("")).copied()
    }

    /// What does not work, in words.
    pub(in super::super) fn problem(&self) -> Option<String> {
        let port = self.port;
        self.tls.as_ref().filter(|tls| tls.is_empty()).map(|_| {
            format!("port {port} has no certificate that can be served, so it refuses all clients")
        })
    }
}
