//! Short-lived tokens that open one stream each: what a browser or an old client can put into a URL instead
//! of a key.

use std::collections::BTreeMap;
use std::sync::Mutex;

use drover_core::protocol::Ask;
use drover_core::{HostId, Time};

use crate::auth::hash;
use crate::lock::lock;
use crate::random::secret_key;

/// How long a token may wait for its use, milliseconds.
const LIFE_MS: u64 = 5 * 60_000;

/// The tokens that are out.
#[derive(Default)]
pub(crate) struct Tokens {
    /// By hash: finding one takes the same time, however close a guess is.
    granted: Mutex<BTreeMap<String, Granted>>,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Granted {
    /// Whose agent is asked.
    pub(crate) host: HostId,
    /// For what.
    pub(crate) ask: Ask,
    /// Access key it was granted to.
    pub(crate) by: String,
    until: Time,
}

impl Tokens {
    /// Make a token for one stream.
    pub(crate) fn grant(&self, by: &str, host: HostId, ask: Ask, now: Time) -> String {
        let token = secret_key();
        let mut granted = lock(&self.granted);
        granted.retain(|_, held| held.until > now);
        let by = by.to_owned();
        granted.insert(hash(&token), Granted { host, ask, by, until: now + LIFE_MS });
        token
    }

    /// Use a token; it opens nothing a second time.
    pub(crate) fn redeem(&self, token: &str, now: Time) -> Option<Granted> {
        lock(&self.granted).remove(&hash(token)).filter(|held| held.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_once_and_not_for_ever() {
        let tokens = Tokens::default();
        let ask = || Ask::Remove { container: "c".into() };
        let token = tokens.grant("KEY", HostId(1), ask(), Time(0));
        assert_eq!(tokens.redeem("guess", Time(1)), None);
        assert_eq!(tokens.redeem(&token, Time(1)).map(|g| g.ask), Some(ask()));
        assert_eq!(tokens.redeem(&token, Time(1)), None);
        let token = tokens.grant("KEY", HostId(1), ask(), Time(0));
        assert_eq!(tokens.redeem(&token, Time(LIFE_MS)), None);
    }
}
