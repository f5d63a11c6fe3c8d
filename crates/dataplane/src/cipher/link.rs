//! One other host: where it is, and the sessions there are with it, one for each pair of keys.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::PublicKey;
use drover_core::CipherLink;
use tokio::time::Instant;

use super::keys::text;

/// A session this old is made anew by who makes them.
const RENEW: Duration = Duration::from_secs(110);
/// By the other too, should the first not have.
const RENEW_LATE: Duration = Duration::from_secs(140);
/// A host that doesn't answer for so long has no session; before, that is not known. The protocol asks every 5 s, and
/// one question, or two, may be lost.
const UNANSWERED: Duration = Duration::from_secs(12);

/// Another host.
pub(super) struct Link {
    pub(super) host: u64,
    /// Its address inside.
    pub(super) inner: Ipv6Addr,
    /// Newest keys first.
    pub(super) pairs: Vec<Arc<Pair>>,
    /// Of a key that the host replaced: what still comes by them is taken, and until there is another session they send.
    pub(super) retired: Vec<Arc<Pair>>,
    pub(super) place: Arc<Place>,
}

/// A key of this host's and one of the other's.
pub(super) struct Pair {
    pub(super) own: PublicKey,
    pub(super) key: PublicKey,
    /// Number that packets to this host carry.
    pub(super) index: u32,
    /// Of two hosts one makes sessions anew, or both would do so at a time.
    pub(super) leads: bool,
    tunn: Mutex<Tunn>,
}

/// What outlives a change of keys.
pub(super) struct Place {
    /// As the configuration has it.
    pub(super) configured: SocketAddr,
    /// Since when that is known.
    since: Instant,
    /// Where it was last heard from.
    heard: Mutex<SocketAddr>,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
}

impl Place {
    pub(super) fn new(configured: SocketAddr) -> Self {
        Self {
            configured,
            since: Instant::now(),
            heard: Mutex::new(configured),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    /// Where to send to.
    pub(super) fn address(&self) -> SocketAddr {
        *lock(&self.heard)
    }

    /// It was heard from, and proved to be who it says.
    pub(super) fn heard_from(&self, address: SocketAddr) {
        *lock(&self.heard) = address;
    }
}

impl Pair {
    pub(super) fn new(own: PublicKey, key: PublicKey, index: u32, tunn: Tunn) -> Self {
        let leads = own.as_bytes() < key.as_bytes();
        Self { own, key, index, leads, tunn: Mutex::new(tunn) }
    }

    pub(super) fn tunn(&self) -> MutexGuard<'_, Tunn> {
        lock(&self.tunn)
    }

    /// Since when there is a session; `None` if there is none.
    pub(super) fn age(&self) -> Option<Duration> {
        self.tunn().time_since_last_handshake()
    }

    /// What is due: repeating a question, keeping a session, making one.
    pub(super) fn upkeep(&self, buffer: &mut [u8], mut send: impl FnMut(&[u8])) {
        let mut tunn = self.tunn();
        if let TunnResult::WriteToNetwork(datagram) = tunn.update_timers(buffer) {
            send(datagram);
        }
        let limit = if self.leads { RENEW } else { RENEW_LATE };
        let due = tunn.time_since_last_handshake().is_none_or(|age| age > limit);
        if due
            && let TunnResult::WriteToNetwork(datagram) =
                tunn.format_handshake_initiation(buffer, false)
        {
            send(datagram);
        }
    }

    /// Let a session grow old that is not to be made anew.
    pub(super) fn fade(&self, buffer: &mut [u8]) {
        // What it would send asks for another session.
        let _ = self.tunn().update_timers(buffer);
    }
}

impl Link {
    /// The pair to send by: the newest with a session, else the newest, which makes one.
    pub(super) fn sender(&self) -> Option<&Arc<Pair>> {
        match (self.pairs.as_slice(), self.retired.as_slice()) {
            // No need to ask.
            ([only], []) => Some(only),
            (pairs, retired) => {
                let mut all = pairs.iter().chain(retired);
                all.find(|pair| pair.age().is_some()).or_else(|| pairs.first())
            }
        }
    }

    /// What is said of it. `None` while that is not known: it is asked for a session, and may still answer. Nobody is
    /// asked before `open_since`, when device and port were had.
    pub(super) fn told(&self, open_since: Option<Instant>, now: Instant) -> Option<CipherLink> {
        let pair = self.sender();
        let up = pair.and_then(|pair| Some((pair, pair.age()?)));
        if up.is_none() && now < open_since?.max(self.place.since) + UNANSWERED {
            return None;
        }
        Some(CipherLink {
            up: up.is_some(),
            own_key: up.map_or_else(String::new, |(pair, _)| text(&pair.own)),
            key: up.map_or_else(String::new, |(pair, _)| text(&pair.key)),
            address: self.place.address().to_string(),
            age_s: up.map_or(0, |(_, age)| age.as_secs()),
            sent: self.place.sent.load(Ordering::Relaxed),
            received: self.place.received.load(Ordering::Relaxed),
        })
    }
}

/// A thread that panicked left a session that is right or will be found wrong.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_a_host_that_may_still_answer() {
        let place = Arc::new(Place::new(([127, 0, 0, 1], 1).into()));
        let began = place.since;
        let (pairs, retired) = (Vec::new(), Vec::new());
        let link = Link { host: 2, inner: Ipv6Addr::LOCALHOST, pairs, retired, place };
        let second = Duration::from_secs(1);
        let check = |open_since: Option<u32>, now: u32, want: Option<bool>| {
            let open_since = open_since.map(|s| began + s * second);
            let told = link.told(open_since, began + now * second);
            assert_eq!(told.map(|told| told.up), want, "{open_since:?} {now}");
        };
        check(Some(0), 0, None);
        check(Some(0), 11, None);
        check(Some(0), 12, Some(false));
        // An older process has the port: nobody was asked.
        check(None, 99, None);
        check(Some(99), 100, None);
        check(Some(99), 111, Some(false));
    }
}
