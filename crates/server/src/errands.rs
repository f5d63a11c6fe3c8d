//! What users asked hosts to do once with single containers: carried out beside the answer, and shown to everybody while
//! it lasts.
//!
//! Kept in memory only: after a restart of the server, what was seen of the container is the whole truth again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drover_api::{Errand, Once};
use drover_core::HostId;
use drover_core::protocol::Ask;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::asks;
use crate::server::Server;

/// By number of the container.
pub(crate) type Held = BTreeMap<u64, Errand>;

/// How long an agent may take.
const LIMIT: Duration = Duration::from_mins(15);
/// How long a failure is shown.
const SHOWN: Duration = Duration::from_mins(1);

/// All that are under way, or failed of late.
#[derive(Default)]
pub(crate) struct Errands {
    held: watch::Sender<Arc<Held>>,
    begun: AtomicU64,
}

impl Errands {
    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Held> {
        self.held.borrow().clone()
    }

    /// To be told of changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Held>> {
        self.held.subscribe()
    }

    fn add(&self, container: u64, what: Once) -> u64 {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let errand = Errand { number, what, failed: None };
        self.held.send_modify(|held| drop(Arc::make_mut(held).insert(container, errand)));
        number
    }

    /// Change one, or end it, unless another took its place.
    fn change(&self, container: u64, number: u64, to: Option<Errand>) {
        self.held.send_if_modified(|held| {
            let is_it = held.get(&container).is_some_and(|held| held.number == number);
            if is_it {
                let held = Arc::make_mut(held);
                held.remove(&container);
                held.extend(to.map(|errand| (container, errand)));
            }
            is_it
        });
    }
}

/// Begin one. What is to be shown with the answer, in which it is under way, also if it is over by then; or why it failed at
/// once.
pub(crate) async fn begin(
    server: &Arc<Server>,
    host: HostId,
    ask: Ask,
    container: u64,
    what: Once,
) -> Result<Arc<Held>, String> {
    let number = server.errands.add(container, what);
    let shown = server.errands.now();
    let (tell, told) = oneshot::channel();
    tokio::spawn({
        let server = server.clone();
        async move {
            let done = carry_out(&server, host, ask).await;
            let failed = done.clone().err();
            // Who asked has its answer, or is gone.
            let _ = tell.send(done);
            if failed.is_some() {
                server.errands.change(container, number, Some(Errand { number, what, failed }));
                sleep(SHOWN).await;
            }
            server.errands.change(container, number, None);
        }
    });
    match timeout(Duration::from_millis(server.timing.refuse_ms), told).await {
        Ok(Ok(Err(why))) => Err(why),
        _ => Ok(shown),
    }
}

async fn carry_out(server: &Server, host: HostId, ask: Ask) -> Result<(), String> {
    let done = timeout(LIMIT, asks::finish(server, host, ask)).await;
    done.unwrap_or_else(|_| {
        Err(format!("its host did not come to an end within {} min", LIMIT.as_secs() / 60))
    })
}
