//! One target: where it is, the connections kept to it, how it fares and what is counted for it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use drover_core::UnitKey;

use super::Shared;
use super::board::{Board, Tally};
use super::health::Health;
use super::ledger::Account;
use super::pool::Pool;
use super::sticky;

/// A target of any number of routes; lives as long as the config names it or a request uses it.
pub(super) struct Upstream {
    pub(super) unit: UnitKey,
    /// `address:port`.
    pub(super) address: String,
    /// The value of stickiness cookies that name it.
    pub(super) token: String,
    /// Its own, so that idle connections end with it.
    pub(super) pool: Arc<Pool>,
    pub(super) health: Health,
    /// Requests in flight to its unit.
    pub(super) tally: Arc<Tally>,
    account: ArcSwap<Account>,
}

/// A request under way to a target, counted for its unit until this is dropped.
pub(super) struct InFlight {
    target: Arc<Upstream>,
}

impl Upstream {
    pub(super) fn new(unit: UnitKey, address: String, board: &Board) -> Self {
        Self {
            token: sticky::token(unit),
            pool: Arc::default(),
            health: Health::default(),
            tally: board.tally(unit),
            account: ArcSwap::new(board.books.account(unit.service, unit.revision)),
            unit,
            address,
        }
    }

    /// Where its requests are counted.
    pub(super) fn account(&self) -> Arc<Account> {
        self.account.load_full()
    }

    /// Count in the counting that is open now.
    pub(super) fn renew(&self, board: &Board) {
        self.account.store(board.books.account(self.unit.service, self.unit.revision));
    }

    /// Its host went silent, or answers again. What is idle to a silent one would only be found out to be dead.
    pub(super) fn host_silent(&self, is_silent: bool) {
        self.health.host_silent(is_silent);
        if is_silent {
            self.pool.forget();
        }
    }

    /// Until what is joined to it is to be parted: its unit drains and the time for that is over, or its host is gone.
    pub(super) async fn over(&self, shared: &Shared) {
        tokio::select! {
            () = shared.leaving.over(self.unit) => {}
            () = self.health.until_host_is_gone() => {}
        }
    }

    /// It could not be reached.
    pub(super) fn rest(&self) {
        self.health.unreachable("it could not be connected to", false);
    }
}

impl InFlight {
    /// Count a request. The table has to be looked at again after this.
    pub(super) fn begin(target: Arc<Upstream>) -> Self {
        target.tally.begin();
        Self { target }
    }

    /// Where to.
    pub(super) fn target(&self) -> &Arc<Upstream> {
        &self.target
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.tally.end();
    }
}
