//! What the agent keeps on disk, so that a restart, a crash or a server that is away changes nothing: who it is,
//! what its host shall run, how far its counters are, and what happened that nobody has heard of yet.
//!
//! The folder is for the agent's eyes only (mode 0700, files 0600): it holds credentials. Files are replaced as a
//! whole and synced, so that a crash leaves the old or the new one, never a torn one.

mod file;
mod journal;

use std::path::{Path, PathBuf};

use drover_core::HostAssignment;
use drover_core::protocol::Registered;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use file::Guard;
pub(crate) use file::replace;
pub use journal::Journal;

use crate::network::addresses::Addresses;
use crate::network::keys::Keys;
use crate::reconcile::Attempts;

/// Observation numbers set aside on disk at a time: after a crash, counting goes on above all that were used.
const TICKS_AT_A_TIME: u64 = 1_000;

/// The folder, opened.
pub struct Ledger {
    folder: PathBuf,
    assignment: HostAssignment,
    tick: u64,
    ticks_set_aside: u64,
}

/// Why the ledger can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk or its permissions.
    #[error("can't {what} {}: {source}; the agent needs its folder to be writable and the disk not to be full", path.display())]
    Disk {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is in use.
    #[error("another agent runs with the folder {}; stop it first, or give this one a folder of its own", .0.display())]
    InUse(PathBuf),
}

/// Why an assignment is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It was overtaken.
    #[error("assignment {got} is older than {held}, which is followed")]
    Older {
        /// Its generation.
        got: u64,
        /// The one on disk.
        held: u64,
    },
    /// The server contradicts itself.
    #[error(
        "the server sent two different assignments with the number {0}; the first is followed. This is a \
         mistake of the server's, or its database was restored from an older copy"
    )]
    Contradiction(u64),
    /// It is for someone else.
    #[error("an assignment for host {got} came to host {held}")]
    OtherHost {
        /// Whose it is.
        got: u64,
        /// Who this is.
        held: u64,
    },
}

impl Ledger {
    /// Open the folder, making it if need be. A file that can't be read is put aside: what it held comes again
    /// from the server.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        file::make_private(folder)?;
        let mut ledger = Self {
            folder: folder.to_owned(),
            assignment: HostAssignment::default(),
            tick: 0,
            ticks_set_aside: 0,
        };
        ledger.assignment = ledger.read("assignment.json")?.unwrap_or_default();
        ledger.tick = ledger.read("ticks.json")?.unwrap_or_default();
        ledger.ticks_set_aside = ledger.tick;
        Ok(ledger)
    }

    /// Keep other agents away from the folder, until the guard is dropped or the process ends.
    pub fn lock(&self) -> Result<Guard, LedgerError> {
        file::lock(&self.folder.join("lock"))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the host shall run, as last heard.
    pub fn assignment(&self) -> &HostAssignment {
        &self.assignment
    }

    /// Write down an assignment, so that it may be acted on. True if it is another one than before.
    pub fn assign(&mut self, new: HostAssignment) -> Result<Result<bool, Rejected>, LedgerError> {
        let held = &self.assignment;
        if held.host != 0 && new.host != held.host {
            return Ok(Err(Rejected::OtherHost { got: new.host, held: held.host }));
        }
        let same_cluster = held.cluster.is_empty() || held.cluster == new.cluster;
        if same_cluster && new.generation < held.generation {
            let (got, held) = (new.generation, held.generation);
            return Ok(Err(Rejected::Older { got, held }));
        }
        if same_cluster && new.generation == held.generation && held.host != 0 {
            let contradiction = Rejected::Contradiction(new.generation);
            return Ok(if *held == new { Ok(false) } else { Err(contradiction) });
        }
        self.write("assignment.json", &new)?;
        self.assignment = new;
        Ok(Ok(true))
    }

    /// The number of the next observation.
    pub fn next_tick(&mut self) -> Result<u64, LedgerError> {
        if self.tick >= self.ticks_set_aside {
            let upto = self.tick + TICKS_AT_A_TIME;
            self.write("ticks.json", &upto)?;
            self.ticks_set_aside = upto;
        }
        self.tick += 1;
        Ok(self.tick)
    }

    /// The number of the last observation.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Go on counting above `tick`: the server knows observations that this ledger doesn't.
    pub fn tick_above(&mut self, tick: u64) {
        self.tick = self.tick.max(tick);
    }

    /// Random text that says which machine this is, made at the first call.
    pub fn identity(&self) -> Result<String, LedgerError> {
        if let Some(identity) = self.read::<String>("identity.json")? {
            return Ok(identity);
        }
        let mut random = [0; 16];
        let failed = |e: getrandom::Error| std::io::Error::other(e.to_string());
        getrandom::fill(&mut random).map_err(|error| LedgerError::Disk {
            what: "find random numbers for",
            path: self.folder.join("identity.json"),
            source: failed(error),
        })?;
        let identity = random.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat();
        self.write("identity.json", &identity)?;
        Ok(identity)
    }

    /// The agent's own credential, once it is registered.
    pub fn credential(&self) -> Result<Option<Registered>, LedgerError> {
        self.read("credential.json")
    }

    /// Keep the credential. An assignment of another cluster or host is of no use with it, and goes.
    pub fn keep_credential(&mut self, credential: &Registered) -> Result<(), LedgerError> {
        let held = &self.assignment;
        let other = held.cluster != credential.cluster || held.host != credential.host.0;
        if held.host != 0 && other {
            self.write("assignment.json", &HostAssignment::default())?;
            self.assignment = HostAssignment::default();
        }
        self.write("credential.json", credential)
    }

    /// The server's address, as last told.
    pub fn server(&self) -> Result<Option<String>, LedgerError> {
        self.read("server.json")
    }

    /// Keep the server's address.
    pub fn keep_server(&self, server: &str) -> Result<(), LedgerError> {
        self.write("server.json", &server)
    }

    /// What is remembered of failed attempts.
    pub fn attempts(&self) -> Result<Attempts, LedgerError> {
        Ok(self.read("attempts.json")?.unwrap_or_default())
    }

    /// Remember failed attempts.
    pub fn keep_attempts(&self, attempts: &Attempts) -> Result<(), LedgerError> {
        self.write("attempts.json", attempts)
    }

    /// Addresses that slots keep on this host.
    pub fn addresses(&self) -> Result<Addresses, LedgerError> {
        Ok(self.read("addresses.json")?.unwrap_or_default())
    }

    /// Keep the addresses that slots keep.
    pub fn keep_addresses(&self, addresses: &Addresses) -> Result<(), LedgerError> {
        self.write("addresses.json", addresses)
    }

    /// This host's keys.
    pub(crate) fn keys(&self) -> Result<Keys, LedgerError> {
        Ok(self.read("keys.json")?.unwrap_or_default())
    }

    /// Keep the keys.
    pub(crate) fn keep_keys(&self, keys: &Keys) -> Result<(), LedgerError> {
        self.write("keys.json", keys)
    }

    /// Whether the process before this one left its lease as held. One that left no word had nothing to hold, or knew no better.
    pub(crate) fn lease(&self) -> Result<bool, LedgerError> {
        Ok(self.read("lease.json")?.unwrap_or(true))
    }

    /// Keep whether the lease is held.
    pub(crate) fn keep_lease(&self, held: bool) -> Result<(), LedgerError> {
        self.write("lease.json", &held)
    }

    /// What happened and is not known to be stored by the server.
    pub fn journal(&self) -> Result<Journal, LedgerError> {
        Ok(self.read("events.json")?.unwrap_or_default())
    }

    /// Keep what happened.
    pub fn keep_journal(&self, journal: &Journal) -> Result<(), LedgerError> {
        self.write("events.json", journal)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, LedgerError> {
        file::read(&self.folder.join(name))
    }

    fn write<T: Serialize>(&self, name: &str, what: &T) -> Result<(), LedgerError> {
        let path = self.folder.join(name);
        let written = serde_json::to_vec(what).map_err(std::io::Error::from);
        let written = written.and_then(|bytes| replace(&path, &bytes));
        written.map_err(|source| LedgerError::Disk { what: "write", path, source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use drover_core::{HostId, Secret, Time};

    use super::*;

    fn assignment(generation: u64) -> HostAssignment {
        let cluster = "c".to_owned();
        HostAssignment { cluster, host: 3, generation, ..HostAssignment::default() }
    }

    fn open(folder: &tempfile::TempDir) -> Ledger {
        Ledger::open(folder.path()).unwrap()
    }

    #[test]
    fn an_assignment_survives_and_older_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(&folder);
        assert_eq!(ledger.assign(assignment(5)).unwrap(), Ok(true));
        let mut ledger = open(&folder);
        assert_eq!(ledger.assignment(), &assignment(5));
        assert_eq!(ledger.assign(assignment(5)).unwrap(), Ok(false));
        let older = Rejected::Older { got: 4, held: 5 };
        assert_eq!(ledger.assign(assignment(4)).unwrap(), Err(older));
        let mut other = assignment(5);
        other.registries.insert(
            "r".into(),
            drover_core::RegistryLogin { username: "u".into(), password: Secret::new("p") },
        );
        assert_eq!(ledger.assign(other).unwrap(), Err(Rejected::Contradiction(5)));
        let foreign = HostAssignment { host: 4, ..assignment(9) };
        let refused = Rejected::OtherHost { got: 4, held: 3 };
        assert_eq!(ledger.assign(foreign).unwrap(), Err(refused));
        assert_eq!(ledger.assign(assignment(6)).unwrap(), Ok(true));
    }

    #[test]
    fn whether_the_lease_was_held_outlives_a_process() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(&folder).lease().unwrap(), "nobody said anything else");
        open(&folder).keep_lease(false).unwrap();
        assert!(!open(&folder).lease().unwrap());
        open(&folder).keep_lease(true).unwrap();
        assert!(open(&folder).lease().unwrap());
    }

    #[test]
    fn a_torn_file_is_put_aside_and_the_agent_starts() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).assign(assignment(5)).unwrap().unwrap();
        let path = folder.path().join("assignment.json");
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut ledger = open(&folder);
            assert_eq!(ledger.assignment().generation, 0, "cut at {cut}");
            assert!(folder.path().join("assignment.json.damaged").exists());
            assert_eq!(ledger.assign(assignment(5)).unwrap(), Ok(true));
        }
    }

    #[test]
    fn a_crash_between_writing_and_renaming_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).assign(assignment(5)).unwrap().unwrap();
        std::fs::write(folder.path().join("assignment.json.new"), "{\"cl").unwrap();
        let mut ledger = open(&folder);
        assert_eq!(ledger.assignment().generation, 5);
        assert_eq!(ledger.assign(assignment(6)).unwrap(), Ok(true));
    }

    #[test]
    fn ticks_rise_over_crashes() {
        let folder = tempfile::tempdir().unwrap();
        let mut last = 0;
        for _ in 0..3 {
            let mut ledger = open(&folder); // and never closed
            for _ in 0..1_500 {
                let tick = ledger.next_tick().unwrap();
                assert!(tick > last);
                last = tick;
            }
        }
        let mut ledger = open(&folder);
        ledger.tick_above(1_000_000);
        assert_eq!(ledger.next_tick().unwrap(), 1_000_001);
        let mut ledger = open(&folder);
        assert!(ledger.next_tick().unwrap() > 1_000_001);
    }

    #[test]
    fn nobody_else_may_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let mut ledger = Ledger::open(&folder).unwrap();
        ledger.assign(assignment(1)).unwrap().unwrap();
        let identity = ledger.identity().unwrap();
        assert_eq!((identity.len(), ledger.identity().unwrap()), (32, identity));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("assignment.json")), 0o600);
    }

    #[test]
    fn two_agents_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let guard = open(&folder).lock().unwrap();
        let refused = open(&folder).lock().map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("another agent runs with the folder"), "{refused}");
        drop(guard);
        open(&folder).lock().unwrap();
    }

    #[test]
    fn a_new_cluster_starts_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(&folder);
        ledger.assign(assignment(5)).unwrap().unwrap();
        let mut credential = Registered {
            host: HostId(3),
            access: "a".into(),
            secret: Secret::new("s"),
            cluster: "c".into(),
        };
        ledger.keep_credential(&credential).unwrap();
        assert_eq!(ledger.assignment().generation, 5);
        credential.cluster = "other".into();
        ledger.keep_credential(&credential).unwrap();
        assert_eq!(open(&folder).assignment().generation, 0);
        assert_eq!(open(&folder).credential().unwrap(), Some(credential));
    }

    #[test]
    fn events_are_kept_until_they_are_stored() {
        let folder = tempfile::tempdir().unwrap();
        let unit = "1/1/1/1".parse().unwrap();
        let mut journal = open(&folder).journal().unwrap();
        journal.add(Time(1), unit, "one".into());
        journal.add(Time(2), unit, "two".into());
        open(&folder).keep_journal(&journal).unwrap();
        let mut journal = open(&folder).journal().unwrap();
        assert!(journal.stored(1));
        let left: Vec<_> = journal.events().map(|e| (e.number, e.text.as_str())).collect();
        assert_eq!(left, [(2, "two")]);
        assert!(journal.stored(2));
        open(&folder).keep_journal(&journal).unwrap();
        let mut journal = open(&folder).journal().unwrap();
        journal.add(Time(3), unit, "three".into());
        assert_eq!(journal.events().next().unwrap().number, 3, "numbers are never used twice");
        for _ in 0..2_000 {
            journal.add(Time(4), unit, "more".into());
        }
        assert_eq!(journal.events().count(), 1_000);
        assert_eq!(journal.events().next_back().unwrap().number, 2_003);
    }
}
