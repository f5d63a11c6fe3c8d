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
/// How many are kept, whatever their time: a few MB.
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
    pub(crate) async fn find(&self, world: &World, container: u64) -> BTreeMap<u64, Departed> {
        if Departed::is_there(world, container) {
            return BTreeMap::new();
        }
        let mut version = self.version.subscribe();
        // If it is late all the same, the answer is that there is no such container, as it will be some day.
        let _ = timeout(PATIENCE, version.wait_for(|seen| *seen >= world.version)).await;
        let held = lock(&self.held);
        let found = Departed::of(&held.by_serial, container);
        found.map(|found| (found.unit.serial, found.clone())).into_iter().collect()
    }

    fn take(&self, before: &World, update: &Update, now: Time) {
        let mut held = lock(&self.held);
        for departed in Departed::between(before, &update.world, &update.touched, now) {
            held.order.push_back((now, departed.unit.serial));
            held.by_serial.insert(departed.unit.serial, departed);
        }
        let is_over = |at: Time| now >= at + KEPT_MS;
        while let Some((at, serial)) = held.order.front().copied()
            && (held.order.len() > KEPT || is_over(at))
        {
            held.order.pop_front();
            held.by_serial.remove(&serial);
        }
        drop(held);
        self.version.send_replace(update.world.version);
    }
}
