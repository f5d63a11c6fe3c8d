//! The handle: everything the rest of Drover can ask of a store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_core::protocol::HostEvent;
use drover_core::{Audit, Change, Followed, HostId, Observed, Time, UnitKey, Witnessed, World};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::backend::Backend;
use crate::feed::Published;
use crate::memory::Memory;
use crate::sqlite::Sqlite;
use crate::writer::{self, Request};
use crate::{
    AuditFilter, CommitError, EventFilter, Feed, Keep, OpenError, StorageError, StoredAudit,
    StoredChange, StoredEvent,
};

/// A cluster's store. Clones are the same store; it is closed when the last one is gone.
#[derive(Clone)]
pub struct Store {
    pub(crate) backend: Arc<Backend>,
    pub(crate) published: Arc<Published>,
    pub(crate) requests: mpsc::Sender<Request>,
}

/// How long a caller waits for the database, seconds. Past that a disk is broken, not busy.
const PATIENCE_S: u64 = 60;

impl Store {
    /// Open the SQLite database at `path`, or make it. Blocks until it is loaded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_keeping(path, Keep::default())
    }

    /// The same, with bounds for the history.
    pub fn open_keeping(path: impl AsRef<Path>, keep: Keep) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        writer::start(async move || {
            let (sqlite, world) = Sqlite::open(path, keep).await?;
            Ok((Backend::Sqlite(sqlite), world))
        })
    }

    /// A new store in memory, for tests and simulations.
    pub fn memory() -> Self {
        Self::memory_keeping(Keep::default())
    }

    /// The same, with bounds for the history.
    pub fn memory_keeping(keep: Keep) -> Self {
        writer::start(async move || Ok((Backend::Memory(Memory::new(keep)), World::new())))
            .expect("only its thread could fail to start, and no test goes on without")
    }

    /// The newest world. Never waits.
    pub fn world(&self) -> Arc<World> {
        self.published.world()
    }

    /// Follow what changes from now on.
    pub fn feed(&self) -> Feed {
        self.published.feed()
    }

    /// Commit changes, all or none, and get the world right after them. `seen` is the
    /// [`World::revision`] they were made from: with any commit since, it is a conflict. `None` checks
    /// nothing. No changes are no commit.
    pub async fn commit(
        &self,
        seen: Option<u64>,
        by: &str,
        now: Time,
        changes: Vec<Change>,
    ) -> Result<Arc<World>, CommitError> {
        if changes.is_empty() {
            return Ok(self.world());
        }
        let by = by.to_owned();
        self.ask(|answer| Request::Commit { seen, by, now, changes, answer }).await?
    }

    /// Take in what a host's agent saw; what is late or not that host's to say is passed over.
    pub async fn report(
        &self,
        host: HostId,
        units: BTreeMap<UnitKey, Observed>,
        now: Time,
    ) -> Result<(), StorageError> {
        self.ask(|answer| Request::Report { host, units, now, answer }).await?
    }

    /// Take in what a host's data-plane processes acknowledged and counted; an acknowledgement never goes back.
    pub async fn follow(
        &self,
        host: HostId,
        balancers: BTreeMap<UnitKey, Followed>,
        names: Option<Followed>,
    ) -> Result<(), StorageError> {
        self.ask(|answer| Request::Follow { host, balancers, names, answer }).await?
    }

    /// Take in what a host found of units on others; what is late is passed over.
    pub async fn witness(&self, host: HostId, found: Witnessed) -> Result<(), StorageError> {
        self.ask(|answer| Request::Witness { host, found, answer }).await?
    }

    /// Keep what happened on a host. An event that is stored already (same host, number and time) is
    /// passed over, so agents may send again what was not acknowledged.
    pub async fn add_events(&self, host: HostId, events: &[HostEvent]) -> Result<(), StorageError> {
        if events.is_empty() {
            return Ok(());
        }
        let events = events.to_vec();
        self.ask(|answer| Request::Events { host, events, answer }).await?
    }

    /// The newest `limit` events that match, newest first.
    pub async fn events(
        &self,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        in_time(self.backend.events(filter, limit)).await?
    }

    /// Keep what somebody did.
    pub async fn add_audit(&self, audit: Audit) -> Result<(), StorageError> {
        self.ask(|answer| Request::Audit { audit, answer }).await?
    }

    /// The newest `limit` entries of the audit log that match, newest first.
    pub async fn audits(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<StoredAudit>, StorageError> {
        in_time(self.backend.audits(filter, limit)).await?
    }

    /// The newest `limit` entries of the change log, newest first; those of commits before revision
    /// `before`, if given.
    pub async fn log(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StorageError> {
        in_time(self.backend.changes(before, limit)).await?
    }

    /// Finish what was asked so far and give up the database. Everything asked of any clone later is
    /// answered with [`StorageError::Closed`].
    pub async fn close(&self) -> Result<(), StorageError> {
        match self.ask(|answer| Request::Close { answer }).await {
            Ok(()) | Err(StorageError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, StorageError> {
        let (sender, answer) = oneshot::channel();
        let request = request(sender);
        in_time(async {
            self.requests.send(request).await.map_err(|_| StorageError::Closed)?;
            answer.await.map_err(|_| StorageError::Closed)
        })
        .await?
    }
}

async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, StorageError> {
    let patience = Duration::from_secs(PATIENCE_S);
    timeout(patience, answer).await.map_err(|_| StorageError::Slow(PATIENCE_S))
}
