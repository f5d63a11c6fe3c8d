//! Tokens that browsers hold in place of a key: a key pair is changed for one, which opens what the key opens, for some
//! hours and for as long as the key does.
//!
//! Kept in memory, by hash: who has one when the server is started again logs in again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use drover_core::Time;

use crate::auth::hash;
use crate::lock::lock;
use crate::random::secret_key;

/// How long a token is good for, milliseconds.
pub(crate) const LIFE_MS: u64 = 8 * 3_600_000;
/// Tokens that are out at a time; past it the oldest go.
const MOST: usize = 10_000;

/// The tokens that are out.
#[derive(Default)]
pub(crate) struct Logins {
    held: Mutex<BTreeMap<String, Login>>,
}

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The access key it was given for.
    pub(crate) access: String,
    /// What a page that writes has to send along: other pages can have the browser send the token, and can't read this.
    pub(crate) csrf: String,
    /// When it ends.
    pub(crate) until: Time,
}

impl Logins {
    /// A new token for a key.
    pub(crate) fn give(&self, access: &str, now: Time) -> (String, Login) {
        let token = secret_key();
        let (access, csrf, until) = (access.to_owned(), secret_key(), now + LIFE_MS);
        let login = Login { access, csrf, until };
        let mut held = lock(&self.held);
        held.retain(|_, login| login.until > now);
        if held.len() >= MOST {
            let oldest = held.iter().min_by_key(|(_, login)| login.until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                held.remove(&oldest);
            }
        }
        held.insert(hash(&token), login.clone());
        (token, login)
    }

    /// What a token stands for.
    pub(crate) fn find(&self, token: &str, now: Time) -> Option<Login> {
        lock(&self.held).get(&hash(token)).filter(|login| login.until > now).cloned()
    }

    /// Take a token back.
    pub(crate) fn forget(&self, token: &str) {
        lock(&self.held).remove(&hash(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_a_while_and_until_it_is_taken_back() {
        let logins = Logins::default();
        let (token, login) = logins.give("KEY", Time(0));
        assert_eq!(logins.find(&token, Time(1)), Some(login));
        assert_eq!(logins.find("guess", Time(1)), None);
        assert_eq!(logins.find(&token, Time(LIFE_MS)), None);
        logins.forget(&token);
        assert_eq!(logins.find(&token, Time(1)), None);
    }

    #[test]
    fn they_are_bounded() {
        let logins = Logins::default();
        let (first, _) = logins.give("KEY", Time(0));
        for n in 1..=MOST {
            logins.give("KEY", Time(n as u64));
        }
        assert_eq!(logins.find(&first, Time(1)), None);
        assert_eq!(lock(&logins.held).len(), MOST);
    }

    #[test]
    fn neither_token_is_kept_as_it_is() {
        let logins = Logins::default();
        let (token, _) = logins.give("KEY", Time(0));
        assert!(!lock(&logins.held).contains_key(&token));
    }
}
