//! Which target a request goes to: by its cookie, else in turn, by load or by the client's address; those that fail
//! only when there is no other.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use drover_core::Balance;

pub(super) use super::rotation::Rotation;
use super::table::LiveRoute;
use super::target::Upstream;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) client: IpAddr,
    /// What its stickiness cookie says.
    pub(super) token: Option<&'a str>,
}

#[cfg(test)]
impl Asker<'_> {
    /// Anybody.
    pub(super) const ANYBODY: Self =
        Self { client: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), token: None };
}

impl LiveRoute {
    /// Whether no target could be connected to when that was last tried.
    pub(super) fn is_unreachable(&self) -> bool {
        self.targets.iter().all(|target| target.health.is_unreachable())
    }

    /// Whose turn it is, but for those that were tried; those that fail just now only if there is no other.
    pub(super) fn choose_for(
        &self,
        asker: Asker<'_>,
        tried: &[Arc<Upstream>],
    ) -> Option<Arc<Upstream>> {
        self.choose_fit(asker, tried).or_else(|| {
            let left = self.rotation.next().map(|place| &self.targets[place]);
            left.into_iter().find(|target| !is_among(tried, target)).cloned()
        })
    }

    /// The same, but nobody rather than one that fails.
    pub(super) fn choose_fit(
        &self,
        asker: Asker<'_>,
        tried: &[Arc<Upstream>],
    ) -> Option<Arc<Upstream>> {
        let probation = self.settings.connect;
        let is_fit =
            |target: &Arc<Upstream>| !is_among(tried, target) && target.health.is_fit(probation);
        let own = asker.token.and_then(|token| self.targets.iter().find(|t| t.token == token));
        if let Some(own) = own.filter(|own| is_fit(own)) {
            return Some(own.clone());
        }
        let fit = |place: &usize| is_fit(&self.targets[*place]);
        let place = match self.settings.balance {
            Balance::RoundRobin => self.rotation.next().find(fit),
            // Nearly always the first is fit, so that nobody else is asked for a try.
            Balance::LeastConnections => self.ranked(|place| self.load(place)).find(fit),
            Balance::Source => self.ranked(|place| Reverse(self.pull(place, asker))).find(fit),
        };
        place.map(|place| self.targets[place].clone())
    }

    /// Places with a weight, least first; of equals the one whose turn it is.
    fn ranked<K: Ord>(&self, key: impl Fn(usize) -> K) -> impl Iterator<Item = usize> {
        let mut places = Vec::with_capacity(self.targets.len());
        for place in self.rotation.next() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places.sort_by_key(|place| key(*place));
        places.into_iter()
    }

    /// Requests in flight for each share of the weight, in thousandths.
    fn load(&self, place: usize) -> u64 {
        let weight = u64::from(self.weights[place].max(1));
        (self.targets[place].tally.in_flight() * 256_000) / weight
    }

    /// How strongly a target draws a client. Each target's is its own affair (rendezvous hashing), so that a client
    /// moves only if the target it had goes, or a new one draws it more.
    fn pull(&self, place: usize, asker: Asker<'_>) -> u128 {
        let mut hasher = DefaultHasher::new();
        (asker.client, &self.targets[place].address).hash(&mut hasher);
        // Of `weight` throws the best would be exact; the power of a quotient needs floats. Near enough: as many
        // throws as weights differ, each of its own.
        let weight = self.weights[place].max(1);
        let throws = (0..weight).map(|throw| {
            let mut hasher = hasher.clone();
            throw.hash(&mut hasher);
            u128::from(hasher.finish())
        });
        throws.max().unwrap_or_default()
    }
}

fn is_among(tried: &[Arc<Upstream>], target: &Arc<Upstream>) -> bool {
    tried.iter().any(|tried| Arc::ptr_eq(tried, target))
}
