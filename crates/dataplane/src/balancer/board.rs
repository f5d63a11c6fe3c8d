//! What the process says of itself, and the file it says it in.

use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_core::{BalancerStatus, UnitKey};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;

/// The newest status.
#[derive(Default)]
pub(super) struct Board {
    said: Mutex<BalancerStatus>,
    changed: Notify,
}

/// The file is written at most this often.
const PAUSE: Duration = Duration::from_millis(50);

/// Between attempts when it can't be written.
const RETRY: Duration = Duration::from_secs(1);

impl Board {
    /// Change what is said.
    pub(super) fn say(&self, change: impl FnOnce(&mut BalancerStatus)) {
        change(&mut self.said());
        self.changed.notify_one();
    }

    /// A request for this unit is under way.
    pub(super) fn begin(&self, unit: UnitKey) {
        self.say(|said| *said.in_flight.entry(unit).or_default() += 1);
    }

    /// It is over.
    pub(super) fn end(&self, unit: UnitKey) {
        self.say(|said| {
            if let Entry::Occupied(mut count) = said.in_flight.entry(unit) {
                match count.get() {
                    0 | 1 => drop(count.remove()),
                    _ => *count.get_mut() -= 1,
                }
            }
        });
    }

    fn said(&self) -> MutexGuard<'_, BalancerStatus> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keep the file as the board is, until `end` and once more then. Begins by writing it: what an earlier
/// process said there is no longer true.
pub(super) async fn keep_written(shared: Arc<Shared>, path: PathBuf, end: CancellationToken) {
    let mut written = None;
    loop {
        let ending = end.is_cancelled();
        let said = shared.board.said().clone();
        let mut pause = None;
        if written.as_ref() != Some(&said) {
            pause = Some(PAUSE);
            match write(&said, &path).await {
                Ok(()) => written = Some(said),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "the status could not be written");
                    pause = Some(RETRY);
                }
            }
        }
        if ending {
            return;
        }
        let wait = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => shared.board.changed.notified().await,
            }
        };
        tokio::select! {
            () = wait => {}
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
