//! What requests came to, counted by the service that was asked and the revision that answered, as
//! [`drover_core::Counts`] has it. A request is counted where it ends: if its counting began anew meanwhile, in the
//! new one. Counting takes no lock; reading the counters is rare.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_core::{BalancerConfig, Counts, Failure, Ledger, RevisionNo, ServiceId};

/// Requests for one revision of a service, in one counting.
#[derive(Debug)]
pub(super) struct Account {
    answered: AtomicU64,
    server_errors: AtomicU64,
    failed: [AtomicU64; CAUSES.len()],
    retried: AtomicU64,
    held: AtomicU64,
    longest_held_ms: AtomicU64,
    longest_ms: AtomicU64,
    within_ms: [AtomicU64; BUCKETS],
}

/// All accounts that are open, by service.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<BTreeMap<ServiceId, Book>>);

/// One counting of one service.
#[derive(Debug, Default)]
struct Book {
    number: u64,
    accounts: BTreeMap<RevisionNo, Arc<Account>>,
}

const CAUSES: [Failure; 6] = [
    Failure::NoTarget,
    Failure::HeldTooLong,
    Failure::Unreachable,
    Failure::Broken,
    Failure::CutOff,
    Failure::TimedOut,
];

/// Powers of two and halfway between them, up to weeks.
const BUCKETS: usize = 64;

/// The revision of requests that no unit was found for.
pub(super) const NOBODY: RevisionNo = RevisionNo(0);

impl Default for Account {
    fn default() -> Self {
        Self {
            answered: AtomicU64::default(),
            server_errors: AtomicU64::default(),
            failed: Default::default(),
            retried: AtomicU64::default(),
            held: AtomicU64::default(),
            longest_held_ms: AtomicU64::default(),
            longest_ms: AtomicU64::default(),
            within_ms: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Account {
    /// An answer that began after `ms`.
    pub(super) fn answered(&self, ms: u64, is_server_error: bool) {
        self.answered.fetch_add(1, Relaxed);
        if is_server_error {
            self.server_errors.fetch_add(1, Relaxed);
        }
        raise(&self.longest_ms, ms);
        self.within_ms[bucket(ms)].fetch_add(1, Relaxed);
    }

    /// No answer.
    pub(super) fn failed(&self, cause: Failure) {
        let place = CAUSES.iter().position(|known| *known == cause).unwrap_or_default();
        self.failed[place].fetch_add(1, Relaxed);
    }

    /// It went to another unit.
    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    /// It was held for so long and found a unit.
    pub(super) fn held(&self, ms: u64) {
        self.held.fetch_add(1, Relaxed);
        raise(&self.longest_held_ms, ms);
    }

    fn counts(&self) -> Counts {
        let failed = CAUSES.iter().zip(&self.failed).map(|(cause, n)| (*cause, n.load(Relaxed)));
        let within = self.within_ms.iter().enumerate();
        let within = within.map(|(place, n)| (bucket_ms(place), n.load(Relaxed)));
        Counts {
            answered: self.answered.load(Relaxed),
            server_errors: self.server_errors.load(Relaxed),
            failed: failed.filter(|(_, n)| *n > 0).collect(),
            retried: self.retried.load(Relaxed),
            held: self.held.load(Relaxed),
            longest_held_ms: self.longest_held_ms.load(Relaxed),
            in_flight: 0,
            longest_ms: self.longest_ms.load(Relaxed),
            within_ms: within.filter(|(_, n)| *n > 0).collect(),
        }
    }
}

impl Books {
    /// Begin the countings of a config: those whose number changed start anew. Services that it does not name keep
    /// what was counted: their last requests may still be under way.
    pub(super) fn open(&self, config: &BalancerConfig) {
        let mut books = self.books();
        let routes = config.listeners.values().flat_map(|listener| &listener.routes);
        let named = routes.flat_map(|r| r.targets.iter().map(|t| t.unit.service).chain(r.service));
        for service in named.chain(config.ledgers.keys().copied()) {
            let number = config.ledgers.get(&service).copied().unwrap_or_default();
            if books.get(&service).is_none_or(|book| book.number != number) {
                books.insert(service, Book { number, ..Book::default() });
            }
        }
    }

    /// Where requests for this revision are counted now.
    pub(super) fn account(&self, service: ServiceId, revision: RevisionNo) -> Arc<Account> {
        let mut books = self.books();
        books.entry(service).or_default().accounts.entry(revision).or_default().clone()
    }

    /// Everything counted; services that nothing was counted for are left out, unless a counting was asked for.
    pub(super) fn read(&self) -> BTreeMap<ServiceId, Ledger> {
        let books = self.books();
        let ledgers = books.iter().map(|(service, book)| {
            let counted = book.accounts.iter().map(|(no, account)| (*no, account.counts()));
            let revisions = counted.filter(|(_, counts)| *counts != Counts::default()).collect();
            (*service, Ledger { number: book.number, revisions })
        });
        ledgers.filter(|(_, ledger)| ledger.number > 0 || !ledger.revisions.is_empty()).collect()
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Book>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rarely raised, so that mostly nothing is written.
fn raise(longest: &AtomicU64, ms: u64) {
    if longest.load(Relaxed) < ms {
        longest.fetch_max(ms, Relaxed);
    }
}

/// Place of [`Counts::bucket_ms`] in the row.
fn bucket(ms: u64) -> usize {
    let bound = Counts::bucket_ms(ms);
    let power = usize::try_from(bound.ilog2()).unwrap_or_default();
    (2 * power + usize::from(!bound.is_power_of_two())).min(BUCKETS - 1)
}

fn bucket_ms(place: usize) -> u64 {
    let power = 1 << (place / 2);
    if place.is_multiple_of(2) { power } else { power + power / 2 }
}

#[cfg(test)]
mod tests {
    use drover_core::{Listener, Route};

    use super::*;

    #[test]
    fn a_place_in_the_row_is_a_bucket() {
        for ms in 0..5_000 {
            assert_eq!(bucket_ms(bucket(ms)), Counts::bucket_ms(ms), "{ms}");
        }
        assert_eq!(bucket(u64::from(u32::MAX) * 1_000), BUCKETS - 1);
    }

    #[test]
    fn counters_say_what_core_would() {
        let account = Account::default();
        let mut want = Counts::default();
        for ms in [0, 3, 70, 5] {
            account.answered(ms, ms == 70);
            want.answer(ms);
        }
        account.failed(Failure::Broken);
        account.retried();
        account.held(38);
        account.held(12);
        want.server_errors = 1;
        want.failed.insert(Failure::Broken, 1);
        (want.retried, want.held, want.longest_held_ms) = (1, 2, 38);
        assert_eq!(account.counts(), want);
    }

    #[test]
    fn another_number_starts_anew_and_what_leaves_the_config_stays() {
        let books = Books::default();
        let (one, two) = (ServiceId(1), ServiceId(2));
        let check = |named: &[ServiceId],
                     ledgers: &[(ServiceId, u64)],
                     want: &[(u64, u64, u64)]| {
            let route = |service: &ServiceId| Route { service: Some(*service), ..Route::default() };
            let routes = named.iter().map(route).collect();
            let listener = Listener { routes, ..Listener::default() };
            books.open(&BalancerConfig {
                listeners: [(80, listener)].into(),
                ledgers: ledgers.iter().copied().collect(),
                ..BalancerConfig::default()
            });
            books.account(one, NOBODY).failed(Failure::NoTarget);
            let read = books.read();
            let read: Vec<_> =
                read.iter().map(|(id, l)| (id.0, l.number, l.total().failures())).collect();
            assert_eq!(read, want, "{named:?} {ledgers:?}");
        };
        check(&[one, two], &[], &[(1, 0, 1)]);
        check(&[one, two], &[(two, 7)], &[(1, 0, 2), (2, 7, 0)]);
        check(&[one, two], &[(one, 3), (two, 7)], &[(1, 3, 1), (2, 7, 0)]);
        check(&[], &[], &[(1, 3, 2), (2, 7, 0)]);
        check(&[one], &[], &[(1, 0, 1), (2, 7, 0)]);
    }
}
