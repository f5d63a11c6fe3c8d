//! This host's keys for WireGuard: made here, kept in the agent's folder, told to nobody but the process that encrypts.
//! Only public keys go to the server, and from there to the other hosts.
//!
//! A new key doesn't put the old one out of use: that goes when all others use the new one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drover_core::{Secret, Time};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};

/// How long an old key is answered to at least: sessions made with it live no longer.
const AT_LEAST_MS: u64 = 3 * 60_000;
/// And at most, for hosts that are away.
const AT_MOST_MS: u64 = 60 * 60_000;
/// How long the clear tunnel stays once encryption is on, for hosts with which there is no session.
const CHANGE_OVER_MS: u64 = 2 * 60_000;

/// The keys, and since when they are needed; a file in the agent's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keys {
    /// Which number of the setting the newest was made for; `None` before anybody told one.
    number: Option<u64>,
    /// When the newest was made.
    made_at: Time,
    /// Private keys, base64, newest first.
    secrets: Vec<Secret>,
    /// Since when encryption is on.
    sealed_since: Option<Time>,
}

impl Keys {
    /// Have a key, for what is told of them; `random` is asked for 32 bytes that nobody else has. True if anything
    /// changed.
    pub(crate) fn follow(
        &mut self,
        number: Option<u64>,
        now: Time,
        random: impl FnOnce() -> Option<[u8; 32]>,
    ) -> bool {
        let asked = number.is_some() && self.number.is_some() && number != self.number;
        let adopts = number.is_some() && self.number.is_none();
        if self.secrets.is_empty() || asked {
            // Without random numbers there is no key, and the next turn tries again.
            let Some(bytes) = random() else { return false };
            let secret = StaticSecret::from(bytes);
            self.secrets.insert(0, Secret::new(STANDARD.encode(secret.to_bytes())));
            self.made_at = now;
        } else if !adopts {
            return false;
        }
        self.number = number.or(self.number);
        true
    }

    /// Forget older keys, if there are any, and all others use the newest (`current`), or had their time, or nobody encrypts.
    /// True if anything changed.
    pub(crate) fn forget(&mut self, now: Time, used: bool, current: impl FnOnce() -> bool) -> bool {
        if self.secrets.len() <= 1 {
            return false;
        }
        let age_ms = now - self.made_at;
        let over = !used || age_ms >= AT_MOST_MS || age_ms >= AT_LEAST_MS && current();
        if over {
            self.secrets.truncate(1);
        }
        over
    }

    /// Remember since when encryption is on. True if that changed.
    pub(crate) fn sealed(&mut self, sealed: bool, now: Time) -> bool {
        if sealed == self.sealed_since.is_some() {
            return false;
        }
        self.sealed_since = sealed.then_some(now);
        true
    }

    /// When the time to change over is past; `None` if nothing changes over.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.sealed_since.map(|since| since + CHANGE_OVER_MS)
    }

    /// The private keys, newest first.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The newest public key, base64; empty if there is none.
    pub(crate) fn public(&self) -> String {
        self.secrets.first().map_or_else(String::new, public)
    }
}

/// A private key's public half, base64; empty if it is no key.
pub(crate) fn public(secret: &Secret) -> String {
    let secret = STANDARD.decode(secret.reveal()).ok();
    let secret = secret.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let public = secret.map(|bytes| PublicKey::from(&StaticSecret::from(bytes)));
    public.map_or_else(String::new, |key| STANDARD.encode(key.as_bytes()))
}

/// 32 bytes that nobody else has; `None` if the system has none.
pub(crate) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            tracing::error!("can't make a key, because there are no random numbers: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> Time {
        Time(minutes * 60_000)
    }

    #[test]
    fn a_key_is_made_once_and_anew_when_asked_for() {
        let mut keys = Keys::default();
        assert!(!keys.follow(None, minutes(0), || None) && keys.public().is_empty());
        assert!(keys.follow(None, minutes(0), || Some([1; 32])));
        // The public half is of the key, as WireGuard's tools say.
        assert_eq!(keys.public(), "pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk=");
        let first = keys.public();
        // The first number told is what it was made for.
        assert!(keys.follow(Some(4), minutes(1), || panic!()) && keys.public() == first);
        assert!(!keys.follow(Some(4), minutes(1), || panic!()));
        assert!(!keys.follow(None, minutes(1), || panic!()));
        assert!(keys.follow(Some(5), minutes(1), || Some([2; 32])) && keys.public() != first);
        assert_eq!(keys.secrets().len(), 2);
    }

    #[test]
    fn an_old_key_goes_when_all_use_the_new_one() {
        let check = |minute: u64, used: bool, current: bool, want: bool| {
            let mut keys = Keys::default();
            keys.follow(Some(1), minutes(0), || Some([1; 32]));
            assert!(!keys.forget(minutes(999), used, || current), "the only one");
            keys.follow(Some(2), minutes(1_000), || Some([2; 32]));
            assert_eq!(keys.forget(minutes(1_000 + minute), used, || current), want, "{minute}");
            assert_eq!(keys.secrets().len(), if want { 1 } else { 2 });
        };
        check(0, false, false, true);
        check(2, true, true, false);
        check(3, true, true, true);
        check(59, true, false, false);
        check(60, true, false, true);
    }

    #[test]
    fn changing_over_has_an_end() {
        let mut keys = Keys::default();
        assert_eq!(keys.deadline(), None);
        assert!(keys.sealed(true, minutes(5)) && !keys.sealed(true, minutes(6)));
        assert_eq!(keys.deadline(), Some(minutes(7)));
        assert!(keys.sealed(false, minutes(8)) && keys.deadline().is_none());
    }
}
