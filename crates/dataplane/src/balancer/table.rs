//! What requests follow: the routes of each port and who answers behind them. Made whole from a config and
//! never changed; what two configs have in common (connections, turns) is carried over.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::{BalancerConfig, Route, UnitKey};

use super::pattern::Pattern;
use super::rotation::Rotation;
use super::target::Upstream;

/// One config, ready for requests.
#[derive(Default)]
pub(super) struct Table {
    ports: BTreeMap<u16, Vec<LiveRoute>>,
    targets: Targets,
}

type Targets = BTreeMap<(UnitKey, String), Arc<Upstream>>;

/// A route with its targets.
pub(super) struct LiveRoute {
    pattern: Pattern,
    targets: Vec<Arc<Upstream>>,
    rotation: Rotation,
}

impl Table {
    /// The table of the config that follows this one.
    pub(super) fn next(&self, config: &BalancerConfig) -> Self {
        let mut targets = Targets::new();
        let mut ports = BTreeMap::new();
        for (&port, listener) in &config.listeners {
            let held = self.ports.get(&port).map_or(&[][..], Vec::as_slice);
            let live = |route| self.live(held, route, &mut targets);
            ports.insert(port, listener.routes.iter().map(live).collect());
        }
        Self { ports, targets }
    }

    /// The first route of a port that takes the request.
    pub(super) fn route(&self, port: u16, host: &str, path: &str) -> Option<&LiveRoute> {
        self.ports.get(&port)?.iter().find(|route| route.pattern.takes(host, path))
    }

    fn live(&self, held: &[LiveRoute], route: &Route, targets: &mut Targets) -> LiveRoute {
        let pattern = Pattern::of(route);
        let turn =
            held.iter().find(|held| held.pattern == pattern).map(|held| held.rotation.turn());
        let weights: Vec<u16> = route.targets.iter().map(|target| target.weight).collect();
        let upstreams = route.targets.iter().map(|target| {
            let key = (target.unit, target.address.clone());
            let kept = self.targets.get(&key);
            let make = || {
                let make = || Arc::new(Upstream::new(target.unit, target.address.clone()));
                kept.cloned().unwrap_or_else(make)
            };
            targets.entry(key).or_insert_with(make).clone()
        });
        LiveRoute {
            pattern,
            targets: upstreams.collect(),
            rotation: Rotation::new(&weights, turn.unwrap_or_default()),
        }
    }
}

impl LiveRoute {
    /// Whose turn it is, but for those that were tried; those that failed just now only if there is no
    /// other.
    pub(super) fn choose(&self, tried: &[Arc<Upstream>]) -> Option<Arc<Upstream>> {
        let mut resting = None;
        for target in self.rotation.next().map(|position| &self.targets[position]) {
            if tried.iter().any(|tried| Arc::ptr_eq(tried, target)) {
                continue;
            }
            if !target.rests() {
                return Some(target.clone());
            }
            resting.get_or_insert(target);
        }
        resting.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_core::{Listener, RevisionNo, ServiceId, Slot, Target};

    const PORT: u16 = 80;

    #[test]
    fn what_stays_is_carried_over() {
        let old = Table::default().next(&config(&[("a", 1), ("b", 1), ("c", 1)]));
        let next = |table: &Table| {
            let route = table.route(PORT, "h", "/").unwrap();
            route.choose(&[]).unwrap().address.clone()
        };
        assert_eq!(next(&old), "a");
        let new = old.next(&config(&[("a", 1), ("b", 1), ("d", 1)]));
        assert_eq!(next(&new), "b", "turns go on");
        let target = |table: &Table, name: &str| {
            table.targets.values().find(|t| t.address == name).unwrap().clone()
        };
        assert!(Arc::ptr_eq(&target(&old, "a"), &target(&new, "a")), "connections are kept");
        let gone = Arc::downgrade(&target(&old, "c"));
        drop(old);
        assert!(gone.upgrade().is_none(), "and dropped with their target");
    }

    #[test]
    fn tried_targets_are_out_and_resting_ones_last() {
        let table = Table::default().next(&config(&[("a", 1), ("b", 1), ("off", 0)]));
        let route = table.route(PORT, "h", "/").unwrap();
        let a = route.choose(&[]).unwrap();
        let b = route.choose(&[]).unwrap();
        assert_eq!((a.address.as_str(), b.address.as_str()), ("a", "b"));
        a.rest();
        for _ in 0..4 {
            assert_eq!(route.choose(&[]).unwrap().address, "b");
        }
        assert_eq!(route.choose(std::slice::from_ref(&b)).unwrap().address, "a");
        assert!(route.choose(&[a, b]).is_none());
    }

    fn config(targets: &[(&str, u16)]) -> BalancerConfig {
        let target = |(n, (address, weight)): (u32, &(&str, u16))| Target {
            unit: UnitKey {
                service: ServiceId(1),
                slot: Slot::Number(n),
                revision: RevisionNo(1),
                incarnation: 1,
            },
            address: (*address).to_owned(),
            weight: *weight,
        };
        let targets = (1..).zip(targets).map(target).collect();
        let routes = vec![Route { targets, ..Route::default() }];
        let listener = Listener { routes, ..Listener::default() };
        let listeners = BTreeMap::from([(PORT, listener)]);
        BalancerConfig { listeners, ..BalancerConfig::default() }
    }
}
