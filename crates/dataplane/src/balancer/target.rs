//! One target: where it is, the connections kept to it, and whether it was reachable just now.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use drover_core::UnitKey;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::Lent;

/// A target of any number of routes; lives as long as the config names it or a request uses it.
pub(super) struct Upstream {
    pub(super) unit: UnitKey,
    /// `address:port`.
    pub(super) address: String,
    /// Its own, so that idle connections end with it.
    pub(super) client: Client<HttpConnector, Lent>,
    failed: Mutex<Option<Instant>>,
}

/// A target in the same network answers in milliseconds or is gone.
const CONNECT: Duration = Duration::from_secs(3);

/// After a failed connect, others are preferred for so long.
const REST: Duration = Duration::from_secs(1);

/// Shorter than what common servers allow (Node.js: 5 s), so that it is us who close an idle connection,
/// and no request meets a closing one.
const IDLE: Duration = Duration::from_secs(4);

impl Upstream {
    pub(super) fn new(unit: UnitKey, address: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { unit, address, client, failed: Mutex::default() }
    }

    /// It could not be reached.
    pub(super) fn rest(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it could not be reached just now.
    pub(super) fn rests(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| failed.elapsed() < REST)
    }
}
