//! When long connections to units that drain have to end. Requests end by themselves; TCP connections, tunnels and
//! UDP sessions may never.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::Duration;

use drover_core::{BalancerConfig, UnitKey};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Connections end so much before the time is over, if that is long enough: others count it too, and they began
/// earlier; the unit is stopped at its end.
const EARLY_MS: u64 = 500;

/// Until when connections to units that left the rotation may live.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    deadlines: watch::Sender<Deadlines>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Deadlines {
    units: BTreeMap<UnitKey, Instant>,
    /// The process ends, and all connections with it.
    all: bool,
}

impl Leaving {
    /// Wait until connections to this unit have to end; for ever, if it stays.
    pub(super) async fn over(&self, unit: UnitKey) {
        let mut seen = self.deadlines.subscribe();
        loop {
            let deadline = {
                let now = seen.borrow_and_update();
                if now.all { Some(Instant::now()) } else { now.units.get(&unit).copied() }
            };
            let passed = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                changed = seen.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Follow a config: time runs for units that drain, and no longer for those that are back.
    pub(super) fn follow(&self, config: &BalancerConfig) {
        self.deadlines.send_if_modified(|deadlines| {
            let units = next(&deadlines.units, config, Instant::now());
            let changed = deadlines.units != units;
            deadlines.units = units;
            changed
        });
    }

    /// All connections have to end.
    pub(super) fn end_all(&self) {
        self.deadlines.send_modify(|deadlines| deadlines.all = true);
    }
}

/// The deadlines that follow these. A unit's time begins when it is first seen draining, and a unit that is in no
/// config any more keeps its own: connections to it end as gently as they were promised.
fn next(
    held: &BTreeMap<UnitKey, Instant>,
    config: &BalancerConfig,
    now: Instant,
) -> BTreeMap<UnitKey, Instant> {
    let routes = config.listeners.values().flat_map(|listener| &listener.routes);
    let serving: BTreeSet<_> = routes.flat_map(|r| &r.targets).map(|t| t.unit).collect();
    let past = held.iter().filter(|(_, deadline)| **deadline > now).map(|(unit, at)| (*unit, *at));
    let mut next: BTreeMap<_, _> = past.collect();
    for (unit, ms) in &config.draining {
        let early = if *ms > EARLY_MS * 10 { EARLY_MS } else { 0 };
        let deadline = now + Duration::from_millis(ms - early);
        let deadline = held.get(unit).copied().unwrap_or(deadline);
        next.insert(*unit, deadline);
    }
    next.retain(|unit, _| !serving.contains(unit));
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_core::{Listener, RevisionNo, Route, ServiceId, Slot, Target};

    #[test]
    fn deadlines_follow_configs() {
        let now = Instant::now();
        // `a>5` is unit a, draining with a deadline 5 ms from the first step; each step is 10 ms later.
        for (steps, want) in [
            (&[("a", "")][..], ""),
            (&[("", "a=30")], "a>30"),
            (&[("", "a=30"), ("", "a=30")], "a>30"),
            (&[("", "a=30"), ("", "")], "a>30"),
            (&[("", "a=30"), ("a", "")], ""),
            (&[("a", "a=30")], ""),
            (&[("", "a=30"), ("a", ""), ("", "a=30")], "a>50"),
            (&[("", "a=5"), ("", "a=5")], "a>5"),
            (&[("", "a=5"), ("", "")], ""),
            (&[("", "a=5 b=50"), ("", "b=50")], "b>50"),
        ] {
            let mut held = BTreeMap::new();
            for (step, (serving, draining)) in (0..).zip(steps) {
                held =
                    next(&held, &config(serving, draining), now + Duration::from_millis(step * 10));
            }
            let line = |(unit, at): (&UnitKey, &Instant)| {
                let Slot::Number(letter) = unit.slot else { panic!("{unit}") };
                format!("{}>{}", char::from_u32(letter).unwrap(), (*at - now).as_millis())
            };
            let held: Vec<_> = held.iter().map(line).collect();
            assert_eq!(held.join(" "), want, "{steps:?}");
        }
    }

    fn config(serving: &str, draining: &str) -> BalancerConfig {
        let target = |name| Target {
            unit: unit(name),
            address: String::new(),
            host: None,
            weight: 1,
            check: None,
        };
        let targets = serving.split_whitespace().map(target).collect();
        let routes = vec![Route { targets, ..Route::default() }];
        let draining = draining.split_whitespace().map(|word| {
            let (name, ms) = word.split_once('=').unwrap();
            (unit(name), ms.parse().unwrap())
        });
        BalancerConfig {
            listeners: BTreeMap::from([(80, Listener { routes, ..Listener::default() })]),
            draining: draining.collect(),
            ..BalancerConfig::default()
        }
    }

    fn unit(name: &str) -> UnitKey {
        UnitKey {
            service: ServiceId(1),
            slot: Slot::Number(u32::from(name.as_bytes()[0])),
            revision: RevisionNo(1),
            incarnation: 1,
        }
    }
}
