//! Units that the snapshot forgot of late: who reads one of their containers by its id is told that it is removed.
//!
//! Kept in memory only: after a restart of the server there is nothing left of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_api::Departed;
use drover_core::{Time, World};
use drover_store::Update;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::lock::lock;
use crate::server::Server;

/// How long they are kept, milliseconds: Rancher's clients need ten minutes.
const KEPT_MS: u64 = 15 * 60_000;
/// How many are kept, whatever their time. Units of a revision share most of what there is of each.
const KEPT: usize = 10_000;
/// How long who asks waits until the newest snapshot is looked through, which takes no time on a server that is well.
const PATIENCE: Duration = Duration::from_secs(1);

/// All that are kept.
#[derive(Default)]
pub(crate) struct Graveyard {
    held: Mutex<Held>,
    /// Version of the snapshot up to which it is true.
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    by_serial: BTreeMap<u64, Departed>,
    /// Serials, oldest first.
    order: VecDeque<(Time, u64)>,
}

/// Keep what is forgotten, until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut feed = server.store.feed();
    let mut before = server.store.world();
    server.graveyard.version.send_replace(before.version);
    loop {
        let update = tokio::select! {
            () = server.stop.cancelled() => return,
            update = feed.next() => update,
        };
        server.graveyard.take(&before, &update, clock::now());
        before = update.world;
    }
}

impl Graveyard {
    /// The unit that a container of this number was of, if a snapshot forgot it of late; by its serial.
    pub(crate) async fn find(
        &self,
        world: &World,
        container: u64,
        now: Time,
    ) -> BTreeMap<u64, Departed> {
        if Departed::is_there(world, container) {
            return BTreeMap::new();
        }
        let mut version = self.version.subscribe();
        // If it is late all the same, the answer is that there is no such container, as it will be some day.
        let _ = timeout(PATIENCE, version.wait_for(|seen| *seen >= world.version)).await;
        let held = lock(&self.held);
        let found =
            Departed::of(&held.by_serial, container).filter(|found| !is_over(found.at, now));
        found.map(|found| (found.unit.serial, found.clone())).into_iter().collect()
    }

    fn take(&self, before: &World, update: &Update, now: Time) {
        let mut held = lock(&self.held);
        for departed in Departed::between(before, &update.world, &update.touched, now) {
            held.order.push_back((now, departed.unit.serial));
            held.by_serial.insert(departed.unit.serial, departed);
        }
        while let Some((at, serial)) = held.order.front().copied()
            && (held.order.len() > KEPT || is_over(at, now))
        {
            held.order.pop_front();
            held.by_serial.remove(&serial);
        }
        drop(held);
        self.version.send_replace(update.world.version);
    }
}

fn is_over(at: Time, now: Time) -> bool {
    now >= at + KEPT_MS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use drover_core::{Change, Desired, RowKey};

    use super::*;
    use crate::sample::{WEB, key, unit, world};

    /// A world with a unit of this number, and the update that makes it forget that.
    fn forgotten(serial: u64) -> (World, Update) {
        let unit_key = key(WEB, 9);
        let (before, _) = world().commit(&[unit(WEB, 9, 10, serial)]).unwrap();
        let (desired, run, until) = (Desired::Removed, None, None);
        let gone = Change::SetDesired { unit: unit_key, desired, run, until };
        let (after, _) = before.commit(&[gone, Change::DropUnit(unit_key)]).unwrap();
        let (world, touched) = (Arc::new(after), BTreeSet::from([RowKey::Unit(unit_key)]));
        (before, Update { world, touched, scope: drover_core::Scope::default() })
    }

    #[tokio::test]
    async fn what_is_forgotten_is_kept_for_its_time() {
        let graveyard = Graveyard::default();
        let (before, update) = forgotten(5_000);
        graveyard.take(&before, &update, Time(0));
        let found = |now| graveyard.find(&update.world, 5_000, now);
        assert_eq!(found(Time(KEPT_MS - 1)).await.len(), 1);
        assert_eq!(found(Time(KEPT_MS)).await.len(), 0, "also where nothing changes any more");
        assert_eq!(
            graveyard.find(&update.world, 5_001, Time(0)).await.len(),
            0,
            "of another number"
        );
        assert_eq!(graveyard.find(&before, 5_000, Time(0)).await.len(), 0, "it is there");
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_is_kept() {
        let graveyard = Graveyard::default();
        let many = u64::try_from(KEPT).unwrap();
        for serial in 0..=many {
            let (before, update) = forgotten(5_000 + serial);
            graveyard.take(&before, &update, Time(0));
        }
        let (_, update) = forgotten(5_000);
        let mut kept = Vec::new();
        for serial in [5_000, 5_001, 5_000 + many] {
            kept.push(graveyard.find(&update.world, serial, Time(0)).await.len());
        }
        assert_eq!(kept, [0, 1, 1], "the oldest goes");
    }
}
