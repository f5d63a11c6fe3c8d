//! The facts that this host's name service answers from: kept whole in the agent's folder, so that names and metadata
//! are answered while the server is away, and by whoever's process reads the file.
//!
//! What of them answers which question is the name service's business.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_core::{Discovery, DiscoveryUpdate, HostId};
use tokio::time::Instant;

use crate::docker::folder;
use crate::ledger::replace;
use crate::system::SystemKind;

/// The file is written at most this often: a deploy sends many updates, and every one costs a write of the whole.
const GATHER: Duration = Duration::from_millis(20);

/// The facts, and what of them is to be written yet.
pub(crate) struct Facts {
    file: PathBuf,
    held: Discovery,
    changed: bool,
    written_at: Option<Instant>,
}

impl Facts {
    /// Those in the folder. What can't be read comes again from the server.
    pub(crate) fn open(state: &Path) -> Self {
        let file = folder(state, SystemKind::Discovery).join("discovery.json");
        let held = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let changed = held.is_none();
        Self { file, held: held.unwrap_or_default(), changed, written_at: None }
    }

    /// Take in what the server says.
    pub(crate) fn take(&mut self, update: DiscoveryUpdate) {
        self.held.take(update);
        self.changed = true;
    }

    /// Take in what the agent itself knows: which host this is, and whom it asks for names that aren't ours.
    pub(crate) fn know(&mut self, host: u64, recursers: Vec<String>) {
        let known = (self.held.host, &self.held.recursers) == (host, &recursers);
        if !known {
            (self.held.host, self.held.recursers) = (host, recursers);
            self.changed = true;
        }
    }

    /// Take in which hosts don't answer this one.
    pub(crate) fn avoid(&mut self, silent: BTreeSet<HostId>) {
        self.changed |= self.held.silent != silent;
        self.held.silent = silent;
    }

    /// When the file is to be written.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        self.changed.then(|| self.written_at.map_or(now, |at| at + GATHER))
    }

    /// Write the file if that is due.
    pub(crate) fn write(&mut self, now: Instant) -> std::io::Result<()> {
        if self.due_at(now).is_none_or(|at| at > now) {
            return Ok(());
        }
        // A write that fails is tried again with the next change: until then the old file is a true one.
        (self.changed, self.written_at) = (false, Some(now));
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        replace(&self.file, &serde_json::to_vec(&self.held)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_that_come_close_together_share_a_write() {
        let state = tempfile::tempdir().unwrap();
        let read = || Facts::open(state.path()).held;
        let update = |routing| DiscoveryUpdate { routing, ..DiscoveryUpdate::default() };
        let mut facts = Facts::open(state.path());
        let start = Instant::now();
        facts.know(3, vec!["10.0.0.53".into()]);
        facts.take(update(5));
        facts.write(start).unwrap();
        assert_eq!((read().routing, read().host, read().recursers.len()), (5, 3, 1));
        facts.take(update(6));
        facts.write(start).unwrap();
        assert_eq!((read().routing, facts.due_at(start)), (5, Some(start + GATHER)));
        facts.write(start + GATHER).unwrap();
        assert_eq!((read().routing, facts.due_at(start + GATHER)), (6, None));
        facts.know(3, vec!["10.0.0.53".into()]);
        assert_eq!(facts.due_at(start), None);
    }
}
