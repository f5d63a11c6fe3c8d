//! The backend that keeps nothing: for tests and simulations. The world itself is held by the writer, so
//! only the history is here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use drover_core::{HostId, Time, protocol::HostEvent};

use crate::backend::Batch;
use crate::{AuditFilter, EventFilter, Keep, StoredAudit, StoredChange, StoredEvent};

/// History in memory.
pub(crate) struct Memory {
    keep: Keep,
    history: Mutex<History>,
}

#[derive(Default)]
struct History {
    changes: VecDeque<StoredChange>,
    events: VecDeque<StoredEvent>,
    /// Which events are held: host, number, time.
    held: BTreeSet<(HostId, u64, Time)>,
    last_id: u64,
    audits: VecDeque<StoredAudit>,
    last_audit: u64,
}

impl Memory {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, history: Mutex::default() }
    }

    pub(crate) fn write(&self, batch: &Batch) {
        let mut history = self.history();
        history.changes.extend(batch.changes.iter().cloned());
        while history.changes.len() > self.keep.changes as usize {
            history.changes.pop_front();
        }
        for audit in &batch.audits {
            history.last_audit += 1;
            let id = history.last_audit;
            history.audits.push_back(StoredAudit { id, audit: audit.clone() });
        }
        while history.audits.len() > self.keep.audits as usize {
            history.audits.pop_front();
        }
        for (host, event) in &batch.events {
            history.add(*host, event);
        }
        while history.events.len() > self.keep.events as usize {
            if let Some(old) = history.events.pop_front() {
                history.held.remove(&(old.host, old.event.number, old.event.at));
            }
        }
    }

    pub(crate) fn events(&self, filter: &EventFilter, limit: usize) -> Vec<StoredEvent> {
        let wanted = |e: &&StoredEvent| {
            e.id > filter.after
                && filter.host.is_none_or(|host| e.host == host)
                && filter.service.is_none_or(|service| e.event.unit.service == service)
        };
        self.history().events.iter().rev().filter(wanted).take(limit).cloned().collect()
    }

    pub(crate) fn changes(&self, before: Option<u64>, limit: usize) -> Vec<StoredChange> {
        let wanted = |c: &&StoredChange| before.is_none_or(|before| c.revision < before);
        self.history().changes.iter().rev().filter(wanted).take(limit).cloned().collect()
    }

    pub(crate) fn audits(&self, filter: &AuditFilter, limit: usize) -> Vec<StoredAudit> {
        let history = self.history();
        let wanted = history.audits.iter().rev().filter(|held| filter.passes(&held.audit));
        wanted.take(limit).cloned().collect()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    fn add(&mut self, host: HostId, event: &HostEvent) {
        if self.held.insert((host, event.number, event.at)) {
            self.last_id += 1;
            self.events.push_back(StoredEvent { id: self.last_id, host, event: event.clone() });
        }
    }
}
