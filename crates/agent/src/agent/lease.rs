//! How long this host may run what must never run twice: until a while after a server has acknowledged it last, by words
//! that were sent after its newest orders came.

use std::time::Duration;

use drover_core::LEASE_MS;
use tokio::time::Instant;

use super::Agent;
use crate::ledger::LedgerError;
use crate::reconcile::is_leased;
use crate::view::Lease;

/// What an agent that just started waits for its server, if whoever ran before it may have been acknowledged until then. It is
/// given once: who starts again before a server answers has none left.
const AT_FIRST: Duration = Duration::from_secs(2);

/// How long the lease lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    until: Instant,
    /// Orders came over this connection: older ones may be about what others run by now.
    has_orders: bool,
    /// A server acknowledged this very process.
    is_proven: bool,
    /// On disk stands that it is held: what who comes after this process may build on.
    is_kept: bool,
}

impl Term {
    /// That of a process that begins; `was_held` says whether the one before it left it as held.
    pub(super) fn begin(now: Instant, was_held: bool) -> Self {
        let until = if was_held { now + AT_FIRST } else { now };
        Self { until, has_orders: false, is_proven: false, is_kept: was_held }
    }

    /// A new connection.
    pub(super) fn connected(&mut self) {
        self.has_orders = false;
    }

    /// Orders came.
    pub(super) fn ordered(&mut self) {
        self.has_orders = true;
    }

    /// The server acknowledged what was sent then. Whether anything else is allowed now than was before.
    pub(super) fn acknowledged(&mut self, sent_at: Instant, now: Instant) -> bool {
        let before = self.now(now);
        if self.has_orders {
            self.until = self.until.max(sent_at + Duration::from_millis(LEASE_MS));
            self.is_proven = true;
        }
        self.now(now) != before
    }

    /// What it allows now.
    pub(super) fn now(self, now: Instant) -> Lease {
        match (now >= self.until, self.is_proven) {
            (true, _) => Lease::Over,
            (false, true) => Lease::Held,
            (false, false) => Lease::Unproven,
        }
    }
}

impl Agent {
    /// Have it on disk whether the lease is held, before anything is done about it: a process that dies now leaves that.
    pub(super) fn keep_lease(&mut self) -> Result<(), LedgerError> {
        let held = self.lease.now(Instant::now()) == Lease::Held;
        if held != self.lease.is_kept {
            self.ledger.keep_lease(held)?;
            self.lease.is_kept = held;
        }
        Ok(())
    }

    /// When it ends, if anything here depends on it.
    pub(super) fn lease_ends_at(&self) -> Option<Instant> {
        let depends = self.assignment.templates.values().any(|held| is_leased(&held.template));
        Some(self.lease.until).filter(|at| depends && *at > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_from_what_was_sent_and_not_before_orders_came() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut lease = Term::begin(start, true);
        assert_eq!([lease.now(at(1_999)), lease.now(at(2_000))], [Lease::Unproven, Lease::Over]);
        lease.connected();
        assert!(!lease.acknowledged(at(1_000), at(1_500)));
        assert_eq!(lease.now(at(1_999)), Lease::Unproven, "what it is to run may be old");
        lease.ordered();
        assert!(lease.acknowledged(at(3_000), at(3_001)), "it was over");
        assert!(!lease.acknowledged(at(3_000), at(3_002)), "it only lasts longer");
        let end = 3_000 + LEASE_MS;
        assert_eq!([lease.now(at(end - 1)), lease.now(at(end))], [Lease::Held, Lease::Over]);
        assert!(!lease.acknowledged(at(2_000), at(end - 1)));
        assert_eq!(lease.now(at(end - 1)), Lease::Held, "one that comes late takes nothing back");
    }

    #[test]
    fn who_starts_again_before_a_server_answered_has_no_lease() {
        let start = Instant::now();
        let mut lease = Term::begin(start, false);
        assert_eq!(lease.now(start), Lease::Over);
        lease.connected();
        lease.ordered();
        assert!(lease.acknowledged(start, start));
        assert_eq!(lease.now(start), Lease::Held);
    }
}
