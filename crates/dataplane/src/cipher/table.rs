//! Everyone there is, by whatever a packet may be asked for. Replaced as a whole when the file is; sessions, places and
//! counters go over to the next.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use boringtun::noise::Tunn;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::x25519::{PublicKey, StaticSecret};
use drover_core::{CipherConfig, CipherPeer, Secret};

use super::keys::bytes;
use super::link::{Link, Pair, Place};

/// Questions for a session that are answered without asking back, per second: each costs a calculation. Every one is
/// counted twice.
const QUESTIONS_PER_S: u64 = 400;

/// Everyone.
#[derive(Default)]
pub(super) struct Table {
    /// This host's keys, newest first.
    pub(super) own: Vec<Arc<OwnKey>>,
    links: BTreeMap<u64, Arc<Link>>,
    by_inner: HashMap<Ipv6Addr, Arc<Link>>,
    by_index: HashMap<u32, (Arc<Link>, Arc<Pair>)>,
    by_keys: HashMap<([u8; 32], [u8; 32]), u32>,
    next_index: u32,
}

/// A key of this host's.
pub(super) struct OwnKey {
    pub(super) secret: StaticSecret,
    pub(super) public: PublicKey,
    pub(super) limiter: Arc<RateLimiter>,
}

impl Table {
    /// As the file says, with what `old` has of the same.
    pub(super) fn new(config: &CipherConfig, old: &Self) -> Result<Self, String> {
        let own = config.keys.iter().map(|key| old.own_key(key)).collect::<Result<Vec<_>, _>>()?;
        let mut table = Self { own, next_index: old.next_index, ..Self::default() };
        for (host, peer) in &config.peers {
            table.add(*host, peer, old)?;
        }
        Ok(table)
    }

    /// Every other host.
    pub(super) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.values()
    }

    /// Whom a packet from the device is for.
    pub(super) fn to(&self, packet: &[u8]) -> Option<&Arc<Link>> {
        match Tunn::dst_address(packet)? {
            IpAddr::V6(inner) => self.by_inner.get(&inner),
            IpAddr::V4(_) => None,
        }
    }

    /// Whom a packet that carries a number is from, by what it says.
    pub(super) fn numbered(&self, receiver: u32) -> Option<&(Arc<Link>, Arc<Pair>)> {
        self.by_index.get(&(receiver >> 8))
    }

    /// Whom a question for a session is from, by the two keys.
    pub(super) fn keyed(&self, own: &PublicKey, key: [u8; 32]) -> Option<&(Arc<Link>, Arc<Pair>)> {
        self.by_index.get(self.by_keys.get(&(own.to_bytes(), key))?)
    }

    fn own_key(&self, key: &Secret) -> Result<Arc<OwnKey>, String> {
        let secret = bytes(key.reveal()).ok_or("a key of this host's own is no WireGuard key")?;
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret);
        if let Some(held) = self.own.iter().find(|held| held.public == public) {
            return Ok(held.clone());
        }
        let limiter = Arc::new(RateLimiter::new(&public, QUESTIONS_PER_S));
        Ok(Arc::new(OwnKey { secret, public, limiter }))
    }

    fn add(&mut self, host: u64, peer: &CipherPeer, old: &Self) -> Result<(), String> {
        let key = bytes(&peer.key)
            .ok_or_else(|| format!("the public key of host {host} is no WireGuard key"))?;
        let key = PublicKey::from(key);
        let held = old.links.get(&host);
        let place = held.map(|link| &link.place).filter(|p| p.configured == peer.address);
        let place = place.cloned().unwrap_or_else(|| Arc::new(Place::new(peer.address)));
        let pairs: Vec<_> = self.own.clone().iter().map(|own| self.pair(own, key, old)).collect();
        let known = |pair: &&Arc<Pair>| self.own.iter().any(|own| own.public == pair.own);
        let retired = held.into_iter().flat_map(|link| link.pairs.iter().chain(&link.retired));
        let retired = retired.filter(|pair| pair.key != key && pair.age().is_some());
        let retired: Vec<_> = retired.filter(known).cloned().collect();
        let link = Arc::new(Link { host, inner: peer.inner, pairs, retired, place });
        for pair in link.pairs.iter().chain(&link.retired) {
            self.by_index.insert(pair.index, (link.clone(), pair.clone()));
        }
        for pair in &link.pairs {
            self.by_keys.insert((pair.own.to_bytes(), key.to_bytes()), pair.index);
        }
        self.by_inner.insert(peer.inner, link.clone());
        self.links.insert(host, link);
        Ok(())
    }

    /// The sessions of two keys.
    fn pair(&mut self, own: &OwnKey, key: PublicKey, old: &Self) -> Arc<Pair> {
        if let Some((_, pair)) = old.keyed(&own.public, key.to_bytes()) {
            return pair.clone();
        }
        self.next_index += 1;
        let index = self.next_index;
        let (secret, limiter) = (own.secret.clone(), own.limiter.clone());
        let tunn = Tunn::new(secret, key, None, None, index, Some(limiter));
        Arc::new(Pair::new(own.public, key, index, tunn))
    }
}
