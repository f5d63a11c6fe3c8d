//! What the process says of itself, and the file it says it in.
//!
//! Requests in flight are counted by unit, whichever table they follow, and for as long as they take. Whoever puts a
//! newer table in place and then reads the counts misses none: a request is counted first and looks at the table
//! again afterwards, with a fence between the two on both sides. One of them sees the other.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_core::{BalancerStatus, RevisionNo, ServiceId, UnitKey};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::ledger::Books;

/// The newest status.
#[derive(Default)]
pub(super) struct Board {
    /// What is said in so many words; what is counted is read when it is written.
    said: Mutex<BalancerStatus>,
    tallies: Mutex<BTreeMap<UnitKey, Arc<Tally>>>,
    bell: Arc<Bell>,
    /// What was counted.
    pub(super) books: Books,
}

/// Requests in flight to one unit.
#[derive(Debug, Default)]
pub(super) struct Tally {
    in_flight: AtomicU64,
    /// Somebody waits for it to come to nothing.
    is_leaving: AtomicBool,
    bell: Arc<Bell>,
}

/// Wakes whoever writes the file.
#[derive(Debug, Default)]
struct Bell {
    /// Numbers changed: soon is soon enough.
    numbers: AtomicBool,
    /// Somebody waits for it.
    urgent: AtomicBool,
    rung: Notify,
}

/// What is urgent is written this long after it happened: more may come with it.
const SOON: Duration = Duration::from_millis(5);

/// Numbers alone are written at most this often.
const NUMBERS: Duration = Duration::from_secs(1);

/// Between attempts when it can't be written.
const RETRY: Duration = Duration::from_secs(1);

impl Board {
    /// Change what is said.
    pub(super) fn say(&self, change: impl FnOnce(&mut BalancerStatus)) {
        change(&mut self.said());
        self.bell.ring_now();
    }

    /// Numbers that nobody counts here changed.
    pub(super) fn renew(&self) {
        self.bell.ring();
    }

    /// Where requests for a unit are counted.
    pub(super) fn tally(&self, unit: UnitKey) -> Arc<Tally> {
        let mut tallies = self.tallies();
        let make = || Arc::new(Tally { bell: self.bell.clone(), ..Tally::default() });
        tallies.entry(unit).or_insert_with(make).clone()
    }

    /// Say at once when requests in flight end, for all units but these.
    pub(super) fn stays(&self, stays: impl Fn(UnitKey) -> bool) {
        for (unit, tally) in self.tallies().iter() {
            tally.is_leaving.store(!stays(*unit), Ordering::Relaxed);
        }
    }

    /// The status now. What it says was said before its numbers are read, see above.
    fn status(&self, shared: &Shared) -> BalancerStatus {
        let mut status = self.said().clone();
        fence(Ordering::SeqCst);
        let mut under_way: BTreeMap<(ServiceId, RevisionNo), u64> = BTreeMap::new();
        self.tallies().retain(|unit, tally| {
            let count = tally.in_flight.load(Ordering::SeqCst);
            if count > 0 {
                status.in_flight.insert(*unit, count);
                *under_way.entry((unit.service, unit.revision)).or_default() += count;
            }
            count > 0 || Arc::strong_count(tally) > 1
        });
        status.ledgers = self.books.read();
        for ((service, revision), count) in under_way {
            let ledger = status.ledgers.entry(service).or_default();
            ledger.revisions.entry(revision).or_default().in_flight = count;
        }
        status.ejected = shared.table.load().ejected();
        status
    }

    fn said(&self) -> MutexGuard<'_, BalancerStatus> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<UnitKey, Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// A request is under way. The table has to be looked at again after this.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.changed();
    }

    /// It is over.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.changed();
    }

    /// Now.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn changed(&self) {
        if self.is_leaving.load(Ordering::Relaxed) {
            self.bell.ring_now();
        } else {
            self.bell.ring();
        }
    }
}

impl Bell {
    /// Costs next to nothing while it is ringing already, as it does under load.
    fn ring(&self) {
        if !self.numbers.load(Ordering::Relaxed) && !self.numbers.swap(true, Ordering::Relaxed) {
            self.rung.notify_one();
        }
    }

    fn ring_now(&self) {
        if !self.urgent.swap(true, Ordering::Relaxed) {
            self.rung.notify_one();
        }
    }

    /// Wait until something is to be written; numbers alone not before `numbers_at`. Returns whether it was urgent.
    async fn listen(&self, numbers_at: Instant) -> bool {
        loop {
            if self.urgent.load(Ordering::Relaxed) {
                return true;
            }
            if !self.numbers.load(Ordering::Relaxed) {
                self.rung.notified().await;
            } else if timeout_at(numbers_at, self.rung.notified()).await.is_err() {
                return false;
            }
        }
    }

    fn hush(&self) {
        self.urgent.store(false, Ordering::SeqCst);
        self.numbers.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

/// Keep the file as the board is, until `end` and once more then. Begins by writing it: what an earlier
/// process said there is no longer true.
pub(super) async fn keep_written(shared: Arc<Shared>, path: PathBuf, end: CancellationToken) {
    let bell = shared.board.bell.clone();
    let mut written = None;
    let mut numbers_at = Instant::now();
    loop {
        let ending = end.is_cancelled();
        bell.hush();
        let status = shared.board.status(&shared);
        if written.as_ref() != Some(&status) {
            match write(&status, &path).await {
                Ok(()) => written = Some(status),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "the status could not be written");
                    bell.ring_now();
                    sleep(RETRY).await;
                }
            }
        }
        if ending {
            return;
        }
        let next = async {
            if bell.listen(numbers_at).await {
                sleep(SOON).await;
            } else {
                numbers_at = Instant::now() + NUMBERS;
            }
        };
        tokio::select! {
            () = next => {}
            () = end.cancelled() => {}
        }
    }
}

/// Whole, by rename, so that no reader ever sees half of it.
async fn write(said: &BalancerStatus, path: &Path) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    tokio::fs::write(&new, serde_json::to_vec(said)?).await?;
    tokio::fs::rename(&new, path).await
}
