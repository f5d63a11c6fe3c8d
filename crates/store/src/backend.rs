//! What a database has to do for the store: take a batch whole or not at all, and read the history back.
//!
//! One file per backend; what they have in common is above them, in the writer.

use drover_core::{Audit, HostId, Row, protocol::HostEvent};

use crate::memory::Memory;
use crate::sqlite::Sqlite;
use crate::{AuditFilter, EventFilter, StorageError, StoredAudit, StoredChange, StoredEvent};

/// A backend. Closed list: the store is tested on each.
pub(crate) enum Backend {
    Memory(Memory),
    Sqlite(Sqlite),
}

/// Everything one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Rows of the world; those without a body are removed.
    pub(crate) rows: Vec<Row>,
    /// Entries for the change log, in order.
    pub(crate) changes: Vec<StoredChange>,
    /// Events, in order; those stored already are passed over.
    pub(crate) events: Vec<(HostId, HostEvent)>,
    /// Entries for the audit log, in order.
    pub(crate) audits: Vec<Audit>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.changes.is_empty()
            && self.events.is_empty()
            && self.audits.is_empty()
    }
}

impl Backend {
    /// Write all of it, or nothing. When this returns, a crash can't undo it.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        match self {
            Self::Memory(memory) => {
                memory.write(batch);
                Ok(())
            }
            Self::Sqlite(sqlite) => sqlite.write(batch).await,
        }
    }

    /// Events, newest first.
    pub(crate) async fn events(
        &self,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        match self {
            Self::Memory(memory) => Ok(memory.events(filter, limit)),
            Self::Sqlite(sqlite) => sqlite.events(filter, limit).await,
        }
    }

    /// Changes of commits before `before`, newest first.
    pub(crate) async fn changes(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StorageError> {
        match self {
            Self::Memory(memory) => Ok(memory.changes(before, limit)),
            Self::Sqlite(sqlite) => sqlite.changes(before, limit).await,
        }
    }

    /// Entries of the audit log, newest first.
    pub(crate) async fn audits(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<StoredAudit>, StorageError> {
        match self {
            Self::Memory(memory) => Ok(memory.audits(filter, limit)),
            Self::Sqlite(sqlite) => sqlite.audits(filter, limit).await,
        }
    }

    /// Give up the database, so that another process can have it.
    pub(crate) async fn close(&self) {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}
