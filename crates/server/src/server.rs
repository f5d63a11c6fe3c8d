//! What all parts of one server share, and the way every decision is committed.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use drover_api::Library;
use drover_core::plan::Note;
use drover_core::{Change, ServiceId, Time, World};
use drover_store::{CommitError, Store};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::consul::Catalogs;
use crate::directory::Directory;
use crate::errands::Errands;
use crate::graveyard::Graveyard;
use crate::host_access::Places;
use crate::hub::Hub;
use crate::logins::Logins;
use crate::pulls::Pulls;
use crate::sightings::Sightings;
use crate::subscribe::Press;
use crate::throttle::Throttle;
use crate::tokens::Tokens;

/// What the planner last said of each service.
pub(crate) type Notes = BTreeMap<ServiceId, Vec<Note>>;

/// How long the server waits for this and that, milliseconds. The defaults are the product's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two plans of everything.
    pub sweep_ms: u64,
    /// Without a sign of life from an agent, before its host counts as disconnected.
    pub silence_ms: u64,
    /// For agents to come back after a start of the server, before their hosts count as disconnected.
    pub reconnect_ms: u64,
    /// Between two pings to a subscriber of events.
    pub ping_ms: u64,
    /// Between two looks for removed things whose time is over.
    pub purge_ms: u64,
    /// For a stack's rollout, from when it was asked for, before the stack says that it has failed.
    pub rollout_ms: u64,
    /// How long trouble that its services keep working at may last in a rollout.
    pub trouble_ms: u64,
    /// Between two tries to make a stack's services, while something stands in the way.
    pub retry_ms: u64,
    /// For requests in flight, when the server stops.
    pub stop_ms: u64,
    /// For a host to refuse what it is asked to do once with a container: what fails sooner is the answer to who asked,
    /// what does not is looked up.
    pub refuse_ms: u64,
    /// Between two frames of what hosts and containers use.
    pub stats_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            sweep_ms: 15_000,
            silence_ms: 5_000,
            reconnect_ms: 10_000,
            ping_ms: 5_000,
            purge_ms: 60_000,
            rollout_ms: 3_600_000,
            trouble_ms: 60_000,
            retry_ms: 15_000,
            stop_ms: 10_000,
            refuse_ms: 300,
            stats_ms: 1_000,
        }
    }
}

/// One running server.
pub(crate) struct Server {
    /// The cluster.
    pub(crate) store: Store,
    /// The agents that are connected.
    pub(crate) hub: Hub,
    /// What they say of hosts, until it is committed.
    pub(crate) sightings: Sightings,
    /// What they are told of names.
    pub(crate) directory: Directory,
    /// What Consul's clients see.
    pub(crate) catalogs: Catalogs,
    /// What can be launched.
    pub(crate) library: watch::Sender<Arc<Library>>,
    /// Events that are rendered for several subscribers.
    pub(crate) press: Press,
    /// The planner's notes.
    pub(crate) notes: watch::Sender<Arc<Notes>>,
    /// Streams that were granted and not opened yet.
    pub(crate) tokens: Tokens,
    /// Streams that may be open.
    pub(crate) streams: Places,
    /// Tokens that stand for keys.
    pub(crate) logins: Logins,
    /// How often wrong keys may be tried.
    pub(crate) throttle: Throttle,
    /// Pulls that users asked for.
    pub(crate) pulls: Pulls,
    /// What hosts were asked to do once with single containers.
    pub(crate) errands: Errands,
    /// Units that were forgotten of late.
    pub(crate) graveyard: Graveyard,
    /// Forecasts that may be worked at.
    pub(crate) forecasts: Arc<Semaphore>,
    /// Lists that may be worked at.
    pub(crate) lists: Semaphore,
    /// How long it waits.
    pub(crate) timing: Timing,
    /// Who commits next. Commits are checked against the snapshot they were made from, so of several made
    /// at once all but one are made in vain; in a queue each takes its turn, and none starves.
    pub(crate) turn: Mutex<()>,
    /// Rings when the server is to stop.
    pub(crate) stop: CancellationToken,
    /// Open WebSockets: a server that stops waits until each has said goodbye.
    pub(crate) sockets: TaskTracker,
    /// What links in answers start with; without it, what the request's own headers say.
    pub(crate) url: Option<String>,
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undone<E> {
    /// It was decided against.
    #[error("{0}")]
    Decided(E),
    /// The store did not take it.
    #[error(transparent)]
    Commit(CommitError),
    /// Its turn did not come.
    #[error("the server is too busy: nothing was changed; try again")]
    Busy,
}

/// Forecasts that are worked at at a time: each keeps a processor busy, and the server has other things to do.
const FORECASTS: usize = 1;

/// How long a decision waits for its turn.
const TURN: Duration = Duration::from_secs(30);

/// Snapshots a decision is made on, before it is given up. Only commits that don't queue (other servers',
/// some day) make a second one necessary.
const ATTEMPTS: u32 = 50;

/// Lists that are worked at at a time: one processor is left to whoever asks for one thing, and to agents.
fn lanes() -> usize {
    let processors = available_parallelism().map_or(2, NonZero::get);
    processors.saturating_sub(1).max(1)
}

impl Server {
    /// A server on an open store.
    pub(crate) fn new(
        store: Store,
        url: Option<String>,
        timing: Timing,
        stop: CancellationToken,
    ) -> Self {
        Self {
            store,
            hub: Hub::default(),
            sightings: Sightings::default(),
            directory: Directory::default(),
            catalogs: Catalogs::default(),
            library: watch::Sender::new(Arc::default()),
            press: Press::default(),
            notes: watch::Sender::new(Arc::default()),
            tokens: Tokens::default(),
            streams: Places::default(),
            logins: Logins::default(),
            throttle: Throttle::default(),
            pulls: Pulls::default(),
            errands: Errands::default(),
            graveyard: Graveyard::default(),
            forecasts: Arc::new(Semaphore::new(FORECASTS)),
            lists: Semaphore::new(lanes()),
            timing,
            turn: Mutex::default(),
            stop,
            sockets: TaskTracker::new(),
            url: url.map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    /// Decide on the newest snapshot and commit; if the snapshot is not the newest any more, decide again.
    /// Returns the world after the commit and whatever else was decided.
    pub(crate) async fn decide<T, E>(
        &self,
        by: &str,
        mut decision: impl FnMut(&World, Time) -> Result<(Vec<Change>, T), E>,
    ) -> Result<(Arc<World>, T), Undone<E>> {
        let _turn = timeout(TURN, self.turn.lock()).await.map_err(|_| Undone::Busy)?;
        for _ in 0..ATTEMPTS {
            let (world, now) = (self.store.world(), clock::now());
            let (changes, decided) = decision(&world, now).map_err(Undone::Decided)?;
            match self.store.commit(Some(world.revision), by, now, changes).await {
                Ok(world) => return Ok((world, decided)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(Undone::Commit(error)),
            }
        }
        Err(Undone::Commit(CommitError::Conflict))
    }
}
