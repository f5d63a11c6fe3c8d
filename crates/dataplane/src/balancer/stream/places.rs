//! How many connections may be open at a time. Who comes when all places are taken waits: one at each door, the others
//! in the system's queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Places for connections; clones are the same places.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Places(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: Mutex<Count>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Count {
    taken: u32,
    /// `None` is as many as come.
    limit: Option<u32>,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Place(Places);

impl Places {
    /// Allow so many; connections above that stay open.
    pub(in super::super) fn allow(&self, limit: Option<u32>) {
        self.count().limit = limit;
        self.0.changed.notify_waiters();
    }

    /// Wait for a place. Cancelling takes none.
    pub(in super::super) async fn take(&self) -> Place {
        loop {
            // Asked to be woken before looking, or else a place freed in between would be missed.
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            changed.await;
        }
    }

    fn try_take(&self) -> Option<Place> {
        let mut count = self.count();
        if count.limit.is_some_and(|limit| count.taken >= limit) {
            return None;
        }
        count.taken += 1;
        Some(Place(self.clone()))
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count().taken -= 1;
        self.0.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_back() {
        let places = Places::default();
        let first = [places.try_take(), places.try_take()];
        assert!(first.iter().all(Option::is_some), "as many as come");
        places.allow(Some(2));
        assert!(places.try_take().is_none());
        drop(first);
        let one = places.try_take();
        assert!(one.is_some());
        places.allow(Some(1));
        assert!(places.try_take().is_none());
        places.allow(None);
        assert!(places.try_take().is_some());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let places = Places::default();
        places.allow(Some(1));
        let held = places.take().await;
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, waiting).await.unwrap().unwrap();
    }
}
