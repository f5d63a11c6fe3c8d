//! What requests follow: the routes of each port and who answers behind them. Made whole from a config and
//! never changed; what two configs have in common (connections, turns) is carried over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use drover_core::{BalancerConfig, HealthCheck, Hold, Route, Target, Tuning, UnitKey};

use super::board::Board;
use super::choice::Rotation;
use super::joined::joined;
use super::ledger::{Account, NOBODY};
use super::pattern::Pattern;
use super::settings::{DoorSettings, RouteSettings};
use super::sticky::Sticky;
use super::target::Upstream;

/// One config, ready for requests.
#[derive(Default)]
pub(super) struct Table {
    ports: BTreeMap<u16, Port>,
    targets: Targets,
    /// The check of each target that has one.
    checks: BTreeMap<(UnitKey, String), HealthCheck>,
}

type Targets = BTreeMap<(UnitKey, String), Arc<Upstream>>;

#[derive(Default)]
struct Port {
    settings: DoorSettings,
    routes: Vec<Arc<LiveRoute>>,
}

/// A route with its targets.
pub(super) struct LiveRoute {
    pattern: Pattern,
    pub(super) targets: Vec<Arc<Upstream>>,
    /// Of each target.
    pub(super) weights: Vec<u16>,
    pub(super) rotation: Rotation,
    pub(super) settings: RouteSettings,
    pub(super) sticky: Option<Sticky>,
    /// How requests wait for a target, if they do.
    pub(super) hold: Option<Hold>,
    /// Requests that wait now; goes on over a reload.
    pub(super) waiting: Arc<AtomicU32>,
    /// Where requests without a target are counted.
    pub(super) account: Option<Arc<Account>>,
}

impl Table {
    /// The table of the config that follows this one.
    pub(super) fn next(&self, config: &BalancerConfig, board: &Board) -> Self {
        board.books.open(config);
        let mut next = Self::default();
        for (&port, listener) in &config.listeners {
            let mut routes = Vec::new();
            for route in joined(listener).iter() {
                routes.push(Arc::new(self.live(port, route, &config.tuning, &mut next, board)));
            }
            let settings = DoorSettings::of(&config.tuning, port);
            next.ports.insert(port, Port { settings, routes });
        }
        next.targets.values().for_each(|target| target.renew(board));
        let on_silent =
            |target: &Target| target.host.is_some_and(|host| config.silent.contains(&host));
        let routes = config.listeners.values().flat_map(|listener| &listener.routes);
        for target in routes.flat_map(|route| &route.targets) {
            let key = (target.unit, target.address.clone());
            if let Some(upstream) = next.targets.get(&key) {
                upstream.host_silent(on_silent(target));
            }
        }
        next
    }

    /// The first route of a port that takes the request.
    pub(super) fn route(&self, port: u16, host: &str, path: &str) -> Option<&Arc<LiveRoute>> {
        self.ports.get(&port)?.routes.iter().find(|route| route.pattern.takes(host, path))
    }

    /// What holds for a port.
    pub(super) fn door(&self, port: u16) -> Option<&DoorSettings> {
        self.ports.get(&port).map(|port| &port.settings)
    }

    /// All targets.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.targets.values()
    }

    /// Targets with the check each is to pass.
    pub(super) fn checks(&self) -> impl Iterator<Item = (&Arc<Upstream>, &HealthCheck)> {
        self.checks.iter().filter_map(|(key, check)| Some((self.targets.get(key)?, check)))
    }

    /// Whose requests it sends.
    pub(super) fn units(&self) -> BTreeSet<UnitKey> {
        self.targets.keys().map(|(unit, _)| *unit).collect()
    }

    /// Close what is idle to targets that the newer table has no more.
    pub(super) fn close_all_but(&self, newer: &Self) {
        let gone = self.targets.iter().filter(|(key, _)| !newer.targets.contains_key(*key));
        gone.for_each(|(_, target)| target.pool.close());
    }

    /// Targets that get nothing for now, and why.
    pub(super) fn ejected(&self) -> BTreeMap<UnitKey, String> {
        let targets = self.targets.values();
        targets
            .filter_map(|t| Some((t.unit, format!("{}: {}", t.address, t.health.ejected()?))))
            .collect()
    }

    fn live(
        &self,
        port: u16,
        route: &Route,
        tuning: &Tuning,
        next: &mut Self,
        board: &Board,
    ) -> LiveRoute {
        let pattern = Pattern::of(route);
        let held = self.ports.get(&port).map_or(&[][..], |port| &port.routes);
        let held = held.iter().find(|held| held.pattern == pattern);
        let weights: Vec<u16> = route.targets.iter().map(|target| target.weight).collect();
        let mut targets = Vec::new();
        for target in &route.targets {
            let key = (target.unit, target.address.clone());
            let make = || Arc::new(Upstream::new(target.unit, target.address.clone(), board));
            let upstream = next.targets.entry(key.clone());
            let upstream =
                upstream.or_insert_with(|| self.targets.get(&key).cloned().unwrap_or_else(make));
            targets.push(upstream.clone());
            if let Some(check) = &target.check {
                next.checks.entry(key).or_insert_with(|| check.clone());
            }
        }
        let turn = held.map(|held| held.rotation.turn()).unwrap_or_default();
        LiveRoute {
            pattern,
            targets,
            rotation: Rotation::new(&weights, turn),
            weights,
            settings: RouteSettings::of(tuning, port, &route.backend),
            sticky: route.stickiness.as_ref().map(|policy| Sticky::of(policy, &route.backend)),
            hold: route.hold,
            waiting: held.map(|held| held.waiting.clone()).unwrap_or_default(),
            account: route.service.map(|service| board.books.account(service, NOBODY)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::Asker;
    use super::*;
    use drover_core::{Listener, RevisionNo, ServiceId, Slot};

    const PORT: u16 = 80;

    #[test]
    fn what_stays_is_carried_over() {
        let board = Board::default();
        let old = Table::default().next(&config(&[("a", 1), ("b", 1), ("c", 1)]), &board);
        let next = |table: &Table| {
            let route = table.route(PORT, "h", "/").unwrap();
            route.choose_for(Asker::ANYBODY, &[]).unwrap().address.clone()
        };
        assert_eq!(next(&old), "a");
        let new = old.next(&config(&[("a", 1), ("b", 1), ("d", 1)]), &board);
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
        let table =
            Table::default().next(&config(&[("a", 1), ("b", 1), ("off", 0)]), &Board::default());
        let route = table.route(PORT, "h", "/").unwrap();
        let a = route.choose_for(Asker::ANYBODY, &[]).unwrap();
        let b = route.choose_for(Asker::ANYBODY, &[]).unwrap();
        assert_eq!((a.address.as_str(), b.address.as_str()), ("a", "b"));
        a.rest();
        for _ in 0..4 {
            assert_eq!(route.choose_for(Asker::ANYBODY, &[]).unwrap().address, "b");
        }
        assert_eq!(
            route.choose_for(Asker::ANYBODY, std::slice::from_ref(&b)).unwrap().address,
            "a"
        );
        assert!(route.choose_for(Asker::ANYBODY, &[a, b]).is_none());
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
            host: None,
            weight: *weight,
            check: None,
        };
        let targets = (1..).zip(targets).map(target).collect();
        let routes = vec![Route { targets, ..Route::default() }];
        let listener = Listener { routes, ..Listener::default() };
        let listeners = BTreeMap::from([(PORT, listener)]);
        BalancerConfig { listeners, ..BalancerConfig::default() }
    }
}
