//! What is done now and then: connections that were idle for too long are closed, and the status says when a target's
//! rest is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Shared;

const EVERY: Duration = Duration::from_secs(1);

/// For ever.
pub(super) async fn upkeep(shared: Arc<Shared>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ejected = shared.table.load().ejected();
    loop {
        ticks.tick().await;
        let table = shared.table.load_full();
        table.targets().for_each(|target| target.pool.sweep());
        let now = table.ejected();
        if ejected != now {
            shared.board.renew();
            ejected = now;
        }
    }
}
