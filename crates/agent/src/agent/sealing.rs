//! The agent's side of encryption: this host's keys, what the process that encrypts is told, and what follows from what
//! it says. How packets go is decided in [`crate::network::lanes`].

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_core::{
    CipherConfig, CipherLink, CipherPeer, CipherStatus, HostFacts, HostNetwork, Peer, Secret,
    WIREGUARD_PORT,
};
use tokio::time::Instant;

use super::Agent;
use crate::clock;
use crate::docker::folder;
use crate::ledger::{LedgerError, replace};
use crate::network::keys::{Keys, public, random};
use crate::network::lanes::Sealing;
use crate::network::plan::inner;
use crate::network::subnet::Subnet;
use crate::system::SystemKind;

/// Keys, and what is known of the process that uses them.
pub(super) struct Seal {
    keys: Keys,
    /// What each process said, by its container's name.
    pub(super) said: BTreeMap<String, CipherStatus>,
    /// What is in the file they follow, as far as that can be told.
    written: Option<CipherConfig>,
    /// The public half of the newest key in it: too dear to be worked out at every turn.
    told: String,
}

impl Seal {
    /// With what an earlier agent wrote into the folder.
    pub(super) fn new(keys: Keys, state: &Path) -> Self {
        let written = std::fs::read(file(state)).ok();
        let written = written.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let told = told_of(written.as_ref());
        Self { keys, said: BTreeMap::new(), written, told }
    }

    /// The public key that others are told: of the newest key that the process can answer by. Empty before there is
    /// one.
    pub(super) fn told_key(&self) -> String {
        self.told.clone()
    }

    /// When the time to change over is past, if it isn't yet.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let left_ms = self.keys.deadline()? - clock::now();
        (left_ms > 0).then(|| now + Duration::from_millis(left_ms))
    }

    /// What is in the way of encrypting; empty if nothing is. One process that waits for another to end is not.
    /// `unstarted` is why none could be started, for when none speaks.
    fn problem(&self, unstarted: &str) -> String {
        let carries = self.said.values().find(|status| status.open);
        let speaks = carries.or_else(|| self.said.values().next());
        speaks.map_or(unstarted, |status| &status.problem).to_owned()
    }

    /// Whether there is a session, by host; `None` while no process that carries anything has said so. One that
    /// begins says first that it has no file, and one that waits for another has nothing to say.
    fn sessions(&self) -> Option<BTreeMap<u64, bool>> {
        let speaks = |status: &&CipherStatus| status.open && !status.applied.is_empty();
        let mut sessions = None;
        for status in self.said.values().filter(speaks) {
            let sessions = sessions.get_or_insert_with(BTreeMap::new);
            for (host, link) in &status.peers {
                *sessions.entry(*host).or_default() |= link.up;
            }
        }
        sessions
    }

    /// Write down what the process follows, if it is something else than before.
    fn write(&mut self, state: &Path, config: CipherConfig) {
        if self.written.as_ref() == Some(&config) {
            return;
        }
        match write(state, &config) {
            Ok(()) => {
                let newest = |config: &CipherConfig| config.keys.first().cloned();
                let same = self.written.as_ref().and_then(newest) == newest(&config);
                self.written = Some(config);
                if !same {
                    self.told = told_of(self.written.as_ref());
                }
            }
            // It goes on with what it has; the next turn tries again.
            Err(error) => tracing::error!("can't write what hosts encrypt by: {error}"),
        }
    }
}

/// Whether there is a session with each of these hosts by the newest key of this one's.
fn is_current(keys: &Keys, said: &BTreeMap<String, CipherStatus>, peers: &[Peer]) -> bool {
    let newest = keys.public();
    let is_newest = |link: &CipherLink| link.up && link.own_key == newest;
    let by_newest = |peer: &Peer| {
        let mut links = said.values().filter_map(|status| status.peers.get(&peer.host));
        links.any(is_newest)
    };
    peers.iter().all(by_newest)
}

fn told_of(written: Option<&CipherConfig>) -> String {
    let newest = written.and_then(|written| written.keys.first());
    newest.map_or_else(String::new, public)
}

impl Agent {
    /// Have the keys that are needed, and the process know of them and of everyone they are for.
    pub(super) fn keep_keys(&mut self) -> Result<(), LedgerError> {
        let network = self.assignment.network.as_ref();
        let (now, encrypted) = (clock::now(), network.is_some_and(|network| network.encrypted));
        let used = self.wants_cipher() != Some(false);
        let Seal { keys, said, .. } = &mut self.seal;
        let mut changed = keys.follow(network.map(|network| network.key_number), now, random);
        changed |= keys.sealed(encrypted, now);
        // Asked of the keys as they are by now.
        let asked = keys.clone();
        let peers = network.map_or(&[][..], |network| &network.peers[..]);
        changed |= keys.forget(now, used, || is_current(&asked, said, peers));
        if changed {
            self.ledger.keep_keys(&self.seal.keys)?;
        }
        // Whoever hears of a key finds it in use.
        let takes_sealed = self.overlay.takes_sealed;
        let Seal { keys, written, .. } = &self.seal;
        let config = config(keys.secrets(), network, takes_sealed, written.as_ref());
        self.seal.write(self.ledger.folder(), config);
        let public_key = self.seal.told_key();
        self.say_facts(HostFacts { public_key, ..self.facts.clone() });
        Ok(())
    }

    /// Whether the process that encrypts shall run; `None` while that is not known.
    pub(super) fn wants_cipher(&self) -> Option<bool> {
        let network = self.assignment.network.as_ref()?;
        if network.encrypted { Some(true) } else { self.overlay.takes_sealed }
    }

    /// What keeps this host from encrypting, as a problem of the host's.
    pub(super) fn seal_problem(&self) -> String {
        hosts_problem(self.assignment.network.as_ref(), self.cipher_problem())
    }

    fn cipher_problem(&self) -> String {
        self.seal.problem(self.naming.troubles.of(SystemKind::Cipher))
    }

    /// What is known of it, for deciding how packets go.
    pub(super) fn sealing(&self) -> Sealing {
        let said = &self.seal.said;
        Sealing {
            sessions: self.seal.sessions(),
            open: said.values().any(|status| status.open),
            there: self.naming.seen.values().any(|seen| seen.kind == SystemKind::Cipher),
            late: self.seal.keys.deadline().is_some_and(|deadline| clock::now() >= deadline),
            problem: self.cipher_problem(),
        }
    }
}

/// What of the process's trouble is the host's: all of it, while the host is to encrypt. Once it no longer is, everyone
/// is reached without, and whoever isn't yet is told of by itself.
fn hosts_problem(network: Option<&HostNetwork>, problem: String) -> String {
    let encrypted = network.is_some_and(|network| network.encrypted);
    if encrypted { problem } else { String::new() }
}

/// What the process is to follow. Keys are in there before anybody is told of them, and whether or not it runs. Until it
/// is known what this host can take in (`takes_sealed`), whoever it was told of before (`written`) stands.
fn config(
    keys: &[Secret],
    network: Option<&HostNetwork>,
    takes_sealed: Option<bool>,
    written: Option<&CipherConfig>,
) -> CipherConfig {
    let peers = match (network, takes_sealed) {
        (Some(network), Some(true)) => network.peers.iter().filter_map(cipher_peer).collect(),
        (Some(_), Some(false)) => BTreeMap::new(),
        (None, _) | (_, None) => written.map(|config| config.peers.clone()).unwrap_or_default(),
    };
    CipherConfig { keys: keys.to_vec(), peers }
}

/// What the process is told of another host; `None` if that one can't encrypt, or can't be found.
fn cipher_peer(peer: &Peer) -> Option<(u64, CipherPeer)> {
    let address: IpAddr = peer.address.parse().ok()?;
    let subnet: Subnet = peer.subnet.parse().ok()?;
    let key = Some(peer.public_key.clone()).filter(|key| !key.is_empty())?;
    let address = SocketAddr::new(address, WIREGUARD_PORT);
    Some((peer.host, CipherPeer { address, inner: inner(subnet.gateway()), key }))
}

/// The file that the process follows.
fn file(state: &Path) -> PathBuf {
    folder(state, SystemKind::Cipher).join("cipher.json")
}

fn write(state: &Path, config: &CipherConfig) -> std::io::Result<()> {
    std::fs::create_dir_all(folder(state, SystemKind::Cipher))?;
    replace(&file(state), &serde_json::to_vec(config)?)
}

#[cfg(test)]
mod tests {
    use drover_core::Time;

    use super::*;

    fn peer(host: u64) -> Peer {
        Peer {
            host,
            address: format!("10.0.0.{host}"),
            subnet: format!("10.42.{host}.0/24"),
            public_key: "k".into(),
            ..Peer::default()
        }
    }

    fn seal(state: &Path) -> Seal {
        let mut keys = Keys::default();
        keys.follow(Some(1), Time(0), || Some([1; 32]));
        Seal::new(keys, state)
    }

    #[test]
    fn what_the_process_follows() {
        let network = HostNetwork { peers: vec![peer(2), peer(3)], ..HostNetwork::default() };
        let before = HostNetwork { peers: vec![peer(4)], ..HostNetwork::default() };
        let keys = [Secret::new("a")];
        let written = config(&[Secret::new("b")], Some(&before), Some(true), None);
        let check = |network: Option<&HostNetwork>, takes: Option<bool>, want: &[u64]| {
            for written in [Some(&written), None] {
                let config = config(&keys, network, takes, written);
                assert_eq!(config.keys, keys, "the newest keys, whatever else is known");
                let peers: Vec<_> = config.peers.into_keys().collect();
                let unknown = network.is_none() || takes.is_none();
                assert_eq!(peers, if unknown && written.is_none() { &[] } else { want });
            }
        };
        check(Some(&network), Some(true), &[2, 3]);
        check(Some(&network), Some(false), &[]);
        check(Some(&network), None, &[4]);
        check(None, Some(true), &[4]);
    }

    #[test]
    fn others_are_told_of_a_key_when_the_process_has_it() {
        let state = tempfile::tempdir().unwrap();
        let mut seal = seal(state.path());
        assert_eq!(seal.told_key(), "");
        let follow = |seal: &mut Seal| {
            let config = config(seal.keys.secrets(), None, None, seal.written.as_ref());
            seal.write(state.path(), config);
            seal.told_key()
        };
        let first = follow(&mut seal);
        assert_eq!(first, seal.keys.public());
        // A new one, and the file can't be written.
        seal.keys.follow(Some(2), Time(1), || Some([2; 32]));
        let blocked = file(state.path()).with_extension("json.new");
        std::fs::create_dir(&blocked).unwrap();
        assert_eq!(follow(&mut seal), first);
        // Not by the next agent either.
        seal = Seal::new(seal.keys, state.path());
        assert_eq!(follow(&mut seal), first);
        std::fs::remove_dir(&blocked).unwrap();
        assert_eq!(follow(&mut seal), seal.keys.public());
        assert_ne!(seal.told_key(), first);
    }

    /// `2 !3 own:4` – a session with 2, none with 3, one with 4 by the newest key.
    fn status(seal: &Seal, is_open: bool, applied: &str, peers: &str) -> CipherStatus {
        let link = |word: &str| {
            let host = word.trim_start_matches(['!', 'o', 'w', 'n', ':']).parse().unwrap();
            let own_key = if word.starts_with("own") { seal.keys.public() } else { "old".into() };
            (host, CipherLink { up: !word.starts_with('!'), own_key, ..CipherLink::default() })
        };
        CipherStatus {
            applied: applied.into(),
            open: is_open,
            problem: if is_open { String::new() } else { "the port can't be had".into() },
            peers: peers.split_whitespace().map(link).collect(),
        }
    }

    #[test]
    fn what_is_known_of_sessions() {
        let state = tempfile::tempdir().unwrap();
        let check = |said: &[(bool, &str, &str)], want: Option<&[(u64, bool)]>| {
            let mut seal = seal(state.path());
            for (number, (is_open, applied, peers)) in said.iter().enumerate() {
                let status = status(&seal, *is_open, applied, peers);
                seal.said.insert(number.to_string(), status);
            }
            assert_eq!(seal.sessions(), want.map(|want| want.iter().copied().collect()));
        };
        check(&[], None);
        // It begins: it has read nothing, or has nothing to send by.
        check(&[(false, "", "")], None);
        check(&[(true, "", "")], None);
        check(&[(false, "f", "")], None);
        check(&[(true, "f", "")], Some(&[]));
        check(&[(true, "f", "2 !3")], Some(&[(2, true), (3, false)]));
        // One waits for the other to end.
        check(&[(true, "f", "2"), (false, "f", "!2")], Some(&[(2, true)]));
        check(&[(true, "f", "!2"), (true, "f", "2")], Some(&[(2, true)]));
    }

    #[test]
    fn an_old_key_is_needed_until_everyone_uses_the_new_one() {
        let state = tempfile::tempdir().unwrap();
        for (said, want) in [("", false), ("2", false), ("!2", false), ("own:2", true)] {
            let mut seal = seal(state.path());
            let status = status(&seal, true, "f", said);
            seal.said.insert("c".into(), status);
            assert_eq!(is_current(&seal.keys, &seal.said, &[peer(2)]), want, "{said}");
            assert!(is_current(&seal.keys, &seal.said, &[]));
        }
    }

    #[test]
    fn what_is_in_the_way() {
        let state = tempfile::tempdir().unwrap();
        let check = |said: &[bool], want: &str| {
            let mut seal = seal(state.path());
            for (number, is_open) in said.iter().enumerate() {
                let status = status(&seal, *is_open, "f", "");
                seal.said.insert(number.to_string(), status);
            }
            assert_eq!(seal.problem("can't start it"), want, "{said:?}");
        };
        check(&[], "can't start it");
        check(&[false], "the port can't be had");
        check(&[false, true], "");
        let network = |encrypted| HostNetwork { encrypted, ..HostNetwork::default() };
        let of_host = |network: Option<HostNetwork>| hosts_problem(network.as_ref(), "p".into());
        assert_eq!(of_host(Some(network(true))), "p");
        // Encryption was switched off: the host is as good as any.
        assert_eq!([of_host(Some(network(false))), of_host(None)], ["", ""]);
    }
}
