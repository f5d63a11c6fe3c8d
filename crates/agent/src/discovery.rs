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

/// The pause between two writes is at least so many times as long as it took to make the text of the last one: that of a large
/// project is tens of megabytes, and a host has other things to do. How slow its disk is makes nobody wait: drains do.
const REST: u32 = 10;

/// What is kept of what the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// All.
    Whole,
    /// What drains wait for. The name service of a simulated host answers nobody, and there are thousands of these on a machine.
    Acknowledged,
}

/// The facts, and what of them is to be written yet.
pub(crate) struct Facts {
    file: PathBuf,
    held: Discovery,
    scope: Kept,
    changed: bool,
    written_at: Option<Instant>,
    pause: Duration,
}

impl Facts {
    /// Those in the folder. What can't be read comes again from the server.
    pub(crate) fn open(state: &Path, scope: Kept) -> Self {
        let file = folder(state, SystemKind::Discovery).join("discovery.json");
        let held = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let changed = held.is_none();
        let (held, pause) = (held.unwrap_or_default(), GATHER);
        Self { file, held, scope, changed, written_at: None, pause }
    }

    /// Take in what the server says.
    pub(crate) fn take(&mut self, update: DiscoveryUpdate) {
        match self.scope {
            Kept::Whole => self.held.take(update),
            Kept::Acknowledged if self.held.routing == update.routing => return,
            Kept::Acknowledged => self.held.routing = update.routing,
        }
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
        self.changed.then(|| self.written_at.map_or(now, |at| at + self.pause))
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
        let began = Instant::now();
        let text = serde_json::to_vec(&self.held)?;
        self.pause = GATHER.max(began.elapsed() * REST);
        replace(&self.file, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_host_keeps_what_is_acknowledged_and_no_more() {
        let state = tempfile::tempdir().unwrap();
        let mut facts = Facts::open(state.path(), Kept::Acknowledged);
        let host = serde_json::json!({ "routing": 5, "hosts": { "3": null }, "whole": true });
        facts.take(serde_json::from_value(host).unwrap());
        assert_eq!((facts.held.routing, facts.held.hosts.len()), (5, 0));
    }

    #[test]
    fn updates_that_come_close_together_share_a_write() {
        let state = tempfile::tempdir().unwrap();
        let read = || Facts::open(state.path(), Kept::Whole).held;
        let update = |routing| DiscoveryUpdate { routing, ..DiscoveryUpdate::default() };
        let mut facts = Facts::open(state.path(), Kept::Whole);
        let start = Instant::now();
        facts.know(3, vec!["10.0.0.53".into()]);
        facts.take(update(5));
        facts.write(start).unwrap();
        assert_eq!((read().routing, read().host, read().recursers.len()), (5, 3, 1));
        facts.take(update(6));
        facts.write(start).unwrap();
        assert_eq!((read().routing, facts.due_at(start)), (5, Some(start + facts.pause)));
        facts.write(start + facts.pause).unwrap();
        assert_eq!((read().routing, facts.due_at(start + GATHER)), (6, None));
        facts.know(3, vec!["10.0.0.53".into()]);
        assert_eq!(facts.due_at(start), None);
    }
}
