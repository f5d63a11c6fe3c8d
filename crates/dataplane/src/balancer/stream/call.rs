//! What a target is wanted for where no HTTP is spoken: a connection, or a client's datagrams.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::Shared;
use super::super::ledger::Account;
use super::super::pick::{Picked, Tried, Want, pick};
use super::super::refusal::Refusal;
use super::super::sticky::Sticky;
use super::super::table::LiveRoute;

/// A client that wants to be connected.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) port: u16,
    /// The server name of its TLS hello; empty if there is none.
    pub(super) server: String,
    pub(super) client: IpAddr,
}

impl Want for Call {
    fn port(&self) -> u16 {
        self.port
    }

    fn host(&self) -> &str {
        &self.server
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn token(&self, _: Option<&Sticky>) -> Option<&str> {
        None
    }
}

/// The targets of one call that were tried, and where its failure would be counted.
#[derive(Default)]
pub(super) struct Tries {
    tried: Tried,
    last: Option<Arc<Account>>,
}

impl Tries {
    /// The next target; held until there is one, if the route says so. A failure is counted.
    pub(super) async fn next(&mut self, call: &Call, shared: &Shared) -> Result<Picked, Refusal> {
        let (refusal, route) = match pick(call, shared, &mut self.tried).await {
            Ok(picked) => return Ok(picked),
            Err(nobody) => nobody,
        };
        let nobody = route.and_then(|route: Arc<LiveRoute>| route.account.clone());
        let last = self.last.take().filter(|_| refusal == Refusal::Unreachable);
        if let (Some(account), Some(failure)) = (last.or(nobody), refusal.failure()) {
            account.failed(failure);
            shared.board.renew();
        }
        Err(refusal)
    }

    /// This one was reached.
    pub(super) fn reached(&self, picked: &Picked) {
        let target = picked.in_flight.target();
        target.health.answered();
        self.tried.found(&target.account());
    }

    /// This one could not be reached.
    pub(super) fn unreachable(&mut self, picked: &Picked) {
        let target = picked.in_flight.target();
        target.rest();
        let account = target.account();
        account.retried();
        self.last = Some(account);
        self.tried.push(target.clone());
    }
}
