//! Telling others that there is a newer world, and what is new in it.
//!
//! Each feed gathers what was touched since it was last asked, so a slow reader sees fewer, larger updates
//! and never a wrong or missing one. What a feed holds is bounded by the number of rows there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use drover_core::{RowKey, Scope, World};
use tokio::sync::Notify;

/// What changed since the feed was last asked.
#[derive(Clone, Debug)]
pub struct Update {
    /// The newest world; holds everything named below, and perhaps more that the next update will name.
    pub world: Arc<World>,
    /// Rows that were written or removed.
    pub touched: BTreeSet<RowKey>,
    /// Services that could be planned differently because of it.
    pub scope: Scope,
}

/// A reader's own view of what is new. Starts with its making: whoever needs the state before the first
/// update takes [`crate::Store::world`] after making the feed.
#[derive(Debug)]
pub struct Feed(Arc<Mailbox>);

impl Feed {
    /// Wait until something changed, and take all of it. Cancelling loses nothing. A closed store
    /// changes no more: then this waits for ever.
    pub async fn next(&mut self) -> Update {
        loop {
            if let Some(update) = lock(&self.0.update).take() {
                return update;
            }
            self.0.bell.notified().await;
        }
    }
}

/// The newest world and those who follow it.
#[derive(Debug)]
pub(crate) struct Published {
    world: RwLock<Arc<World>>,
    followers: Mutex<Vec<Weak<Mailbox>>>,
}

#[derive(Debug, Default)]
struct Mailbox {
    update: Mutex<Option<Update>>,
    bell: Notify,
}

impl Published {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world: RwLock::new(world), followers: Mutex::default() }
    }

    pub(crate) fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn feed(&self) -> Feed {
        let mailbox = Arc::new(Mailbox::default());
        lock(&self.followers).push(Arc::downgrade(&mailbox));
        Feed(mailbox)
    }

    /// Show a newer world. The world first, then the feeds: whoever makes a feed and then reads the world
    /// misses nothing, at worst it hears of something it has seen.
    pub(crate) fn publish(&self, world: &Arc<World>, touched: &BTreeSet<RowKey>, scope: &Scope) {
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = world.clone();
        lock(&self.followers).retain(|follower| {
            let Some(mailbox) = follower.upgrade() else { return false };
            mailbox.add(world, touched, scope);
            true
        });
    }
}

impl Mailbox {
    fn add(&self, world: &Arc<World>, touched: &BTreeSet<RowKey>, scope: &Scope) {
        let mut held = lock(&self.update);
        let update = held.get_or_insert_with(|| Update {
            world: world.clone(),
            touched: BTreeSet::new(),
            scope: Scope::default(),
        });
        update.world = world.clone();
        update.touched.extend(touched.iter().cloned());
        update.scope.merge(scope.clone());
        drop(held);
        self.bell.notify_one();
    }
}

/// Nothing that holds these locks can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
