//! The agent's side of encryption: this host's keys, what the process that encrypts is told, and what follows from what
//! it says. How packets go is decided in [`crate::network::lanes`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use drover_core::{CipherConfig, CipherPeer, CipherStatus, HostFacts, Peer, WIREGUARD_PORT};
use tokio::time::Instant;

use super::Agent;
use crate::clock;
use crate::docker::folder;
use crate::ledger::{LedgerError, replace};
use crate::network::keys::{Keys, random};
use crate::network::lanes::Sealing;
use crate::network::plan::inner;
use crate::network::subnet::Subnet;
use crate::system::SystemKind;

/// Keys, and what is known of the process that uses them.
pub(super) struct Seal {
    keys: Keys,
    /// What each process said, by its container's name.
    pub(super) said: BTreeMap<String, CipherStatus>,
    /// Why none could be started; empty if that is not known to be so.
    pub(super) unstarted: String,
    /// What they were last told.
    written: Option<CipherConfig>,
}

impl Seal {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, said: BTreeMap::new(), unstarted: String::new(), written: None }
    }

    pub(super) fn public_key(&self) -> String {
        self.keys.public()
    }

    /// When the time to change over is past, if it isn't yet.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let left_ms = self.keys.deadline()? - clock::now();
        (left_ms > 0).then(|| now + Duration::from_millis(left_ms))
    }

    /// What is in the way of encrypting; empty if nothing is. One process that waits for another to end is not.
    pub(super) fn problem(&self) -> String {
        let carries = self.said.values().find(|status| status.open);
        let speaks = carries.or_else(|| self.said.values().next());
        speaks.map_or(&self.unstarted, |status| &status.problem).clone()
    }

    /// Hosts with which there is a session; with `own_key`, by that key of this host's.
    fn up(&self, own_key: Option<&str>) -> BTreeSet<u64> {
        let links = self.said.values().flat_map(|status| &status.peers);
        let up = links.filter(|(_, link)| link.up && own_key.is_none_or(|key| link.own_key == key));
        up.map(|(host, _)| *host).collect()
    }
}

impl Agent {
    /// Have the keys that are needed, and the process know of them and of everyone they are for.
    pub(super) fn keep_keys(&mut self) -> Result<(), LedgerError> {
        let network = self.assignment.network.as_ref();
        let (now, encrypted) = (clock::now(), network.is_some_and(|network| network.encrypted));
        let newest = self.seal.up(Some(&self.seal.keys.public()));
        let peers = network.into_iter().flat_map(|network| &network.peers);
        let current = { peers }.all(|peer| newest.contains(&peer.host));
        let used = self.wants_cipher() != Some(false);
        let keys = &mut self.seal.keys;
        let mut changed = keys.follow(network.map(|network| network.key_number), now, random);
        changed |= keys.sealed(encrypted, now);
        changed |= keys.forget(now, used, current);
        if changed {
            self.ledger.keep_keys(&self.seal.keys)?;
        }
        // Whoever hears of a key finds it in use.
        self.tell_cipher();
        let public_key = self.seal.public_key();
        self.say_facts(HostFacts { public_key, ..self.facts.clone() });
        Ok(())
    }

    /// Whether the process that encrypts shall run; `None` while that is not known.
    pub(super) fn wants_cipher(&self) -> Option<bool> {
        let network = self.assignment.network.as_ref()?;
        if network.encrypted { Some(true) } else { self.overlay.takes_sealed }
    }

    /// What is known of it, for deciding how packets go.
    pub(super) fn sealing(&self) -> Sealing {
        let said = &self.seal.said;
        Sealing {
            up: self.seal.up(None),
            open: said.values().any(|status| status.open),
            there: self.naming.seen.values().any(|seen| seen.kind == SystemKind::Cipher),
            late: self.seal.keys.deadline().is_some_and(|deadline| clock::now() >= deadline),
            problem: self.seal.problem(),
        }
    }

    /// Write down what the process follows, if it is something else than before.
    fn tell_cipher(&mut self) {
        let Some(network) = &self.assignment.network else { return };
        // Until it is known what this host can take in, what was told before stands.
        let Some(takes_sealed) = self.overlay.takes_sealed else { return };
        let peers = network.peers.iter().filter(|_| takes_sealed).filter_map(cipher_peer);
        let config =
            CipherConfig { keys: self.seal.keys.secrets().to_vec(), peers: peers.collect() };
        let wanted = self.wants_cipher() == Some(true);
        if !wanted || self.seal.written.as_ref() == Some(&config) {
            return;
        }
        match write(&folder(self.ledger.folder(), SystemKind::Cipher), &config) {
            Ok(()) => self.seal.written = Some(config),
            // It goes on with what it has; the next turn tries again.
            Err(error) => tracing::error!("can't write what hosts encrypt by: {error}"),
        }
    }
}

/// What the process is told of another host; `None` if that one can't encrypt, or can't be found.
fn cipher_peer(peer: &Peer) -> Option<(u64, CipherPeer)> {
    let address: IpAddr = peer.address.parse().ok()?;
    let subnet: Subnet = peer.subnet.parse().ok()?;
    let key = Some(peer.public_key.clone()).filter(|key| !key.is_empty())?;
    let address = SocketAddr::new(address, WIREGUARD_PORT);
    Some((peer.host, CipherPeer { address, inner: inner(subnet.gateway()), key }))
}

fn write(folder: &std::path::Path, config: &CipherConfig) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    replace(&folder.join("cipher.json"), &serde_json::to_vec(config)?)
}
