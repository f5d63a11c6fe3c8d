//! Short-lived tokens that open one stream each: what a browser or an old client can put into a URL instead
//! of a key.

use std::collections::BTreeMap;
use std::sync::Mutex;

use drover_api::{Caller, StatsOf};
use drover_core::protocol::Ask;
use drover_core::{HostId, ProjectId, Rank, Rights, Time, World};

use crate::auth::hash;
use crate::lock::lock;
use crate::random::secret_key;

/// How long a token may wait for its use, milliseconds.
const LIFE_MS: u64 = 5 * 60_000;
/// Tokens that are out at a time; past it the oldest go.
const MOST: usize = 10_000;

/// The tokens that are out.
#[derive(Default)]
pub(crate) struct Tokens {
    /// By hash: finding one takes the same time, however close a guess is.
    granted: Mutex<BTreeMap<String, Granted>>,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Opens {
    /// What an agent streams.
    Ask {
        /// Whose agent is asked.
        host: HostId,
        /// For what.
        ask: Ask,
    },
    /// What hosts or containers use.
    Stats(StatsOf),
}

/// A token that is out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Granted {
    /// What it opens.
    pub(crate) opens: Opens,
    /// To whom it was granted.
    pub(crate) by: Caller,
    /// What gave it to them.
    pub(crate) say: Option<Say>,
    until: Time,
}

/// The say over a project with which something was asked for. It goes on while that is no less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Say {
    project: ProjectId,
    rank: Rank,
}

impl Say {
    /// That of these rights over the project of a host.
    pub(crate) fn over(world: &World, rights: &Rights, host: HostId) -> Option<Self> {
        let project = world.host(host)?.project;
        Some(Self { project, rank: rights.in_project(project)? })
    }

    /// Whether the caller has it still.
    pub(crate) fn holds(self, world: &World, by: &Caller) -> bool {
        by.rights(world).in_project(self.project) >= Some(self.rank)
    }
}

impl Tokens {
    /// Make a token for one stream.
    pub(crate) fn grant(&self, by: &Caller, say: Option<Say>, opens: Opens, now: Time) -> String {
        let token = secret_key();
        let mut granted = lock(&self.granted);
        granted.retain(|_, held| held.until > now);
        if granted.len() >= MOST {
            let oldest = granted.iter().min_by_key(|(_, held)| held.until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                granted.remove(&oldest);
            }
        }
        let by = by.clone();
        granted.insert(hash(&token), Granted { opens, by, say, until: now + LIFE_MS });
        token
    }

    /// Use a token; it opens nothing a second time.
    pub(crate) fn redeem(&self, token: &str, now: Time) -> Option<Granted> {
        lock(&self.granted).remove(&hash(token)).filter(|held| held.until > now)
    }
}

#[cfg(test)]
mod tests {
    use drover_core::Grant;

    use super::*;

    fn caller() -> Caller {
        Caller { access: "KEY".into(), grant: Grant::Admin, within: None }
    }

    #[test]
    fn a_token_opens_once_and_not_for_ever() {
        let tokens = Tokens::default();
        let opens = || Opens::Ask { host: HostId(1), ask: Ask::Remove { container: "c".into() } };
        let token = tokens.grant(&caller(), None, opens(), Time(0));
        assert_eq!(tokens.redeem("guess", Time(1)), None);
        assert_eq!(tokens.redeem(&token, Time(1)).map(|g| g.opens), Some(opens()));
        assert_eq!(tokens.redeem(&token, Time(1)), None);
        let token = tokens.grant(&caller(), None, opens(), Time(0));
        assert_eq!(tokens.redeem(&token, Time(LIFE_MS)), None);
    }

    #[test]
    fn they_are_bounded() {
        let tokens = Tokens::default();
        let opens = || Opens::Stats(StatsOf::Host(HostId(1)));
        let first = tokens.grant(&caller(), None, opens(), Time(0));
        for n in 1..=MOST {
            tokens.grant(&caller(), None, opens(), Time(n as u64));
        }
        assert_eq!(tokens.redeem(&first, Time(1)), None);
        assert_eq!(lock(&tokens.granted).len(), MOST);
    }
}
