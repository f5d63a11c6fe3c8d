//! The load balancer process: HTTP, TCP, TLS and datagrams to units, for as long as its config file says so.
//!
//! A new config is a new `table::Table`, swapped in whole; open connections never notice. What is spoken on a port
//! is the business of `door` and `stream`; which target gets it that of `pick` and `table`.
//!
//! How a drain is acknowledged: `applied` in the status file is the config that every request from then on
//! follows, and `in_flight` counts those that follow older ones too. A unit that is in neither gets nothing
//! more from this process.

mod access;
mod asked;
mod board;
mod body;
mod choice;
mod clock;
mod door;
mod exchange;
#[cfg(test)]
mod facts;
mod forward;
mod headers;
mod health;
mod joined;
mod leaving;
mod ledger;
mod pattern;
mod pick;
mod pool;
mod probe;
mod refusal;
mod rotation;
mod settings;
mod sticky;
mod stream;
mod table;
mod target;
mod tls;
mod tunnel;
mod upkeep;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::BalancerConfig;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::follow::{Follower, News};
use crate::stop::asked_to_stop;
pub use access::AccessFormat;
use access::AccessLog;
use board::Board;
use door::Doors;
use leaving::Leaving;
use probe::Probes;
use table::Table;

/// Where a balancer process finds what it shall do and says what it does.
#[derive(Clone, Debug)]
pub struct Options {
    /// A [`BalancerConfig`], replaced as a whole by rename.
    pub config: PathBuf,
    /// A [`drover_core::BalancerStatus`], replaced as a whole by rename whenever it changes.
    pub status: PathBuf,
    /// How requests and connections are told on standard output, if they are to be: one line for each at its end.
    pub access_log: Option<AccessFormat>,
}

/// Why a balancer could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not ask for signals, so it could not be stopped with grace.
    #[error("the balancer could not ask the system for its stop signals")]
    Signals(#[source] std::io::Error),
}

/// How long requests in flight may take to end when the process is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What long connections get after that, once told that they have to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How often a port that could not be opened is tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// Balance until SIGTERM or SIGINT, then finish what is in flight.
pub async fn run(options: Options) -> Result<(), RunError> {
    let stop = asked_to_stop().map_err(RunError::Signals)?;
    serve(options, stop).await;
    Ok(())
}

/// Balance until `stop`, then finish what is in flight.
pub async fn serve(options: Options, stop: impl Future<Output = ()>) {
    let shared = Arc::new(Shared::default());
    let end = CancellationToken::new();
    let writing = board::keep_written(shared.clone(), options.status, end.clone());
    let writing = tokio::spawn(writing);
    let tell = |format| tokio::spawn(tell(shared.clone(), format, end.clone()));
    let telling = options.access_log.map(tell);
    let upkeep = tokio::spawn(upkeep::upkeep(shared.clone()));
    let mut balancer = Balancer {
        doors: Doors::new(shared.clone()),
        probes: Probes::default(),
        shared: shared.clone(),
        config: BalancerConfig::default(),
        bad: String::new(),
    };
    let mut follower = Follower::new(options.config);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            news = follower.next() => balancer.take(news).await,
            () = sleep(REOPEN), if balancer.doors.any_shut() => balancer.reopen().await,
            () = &mut stop => break,
        }
    }
    shared.is_stopping.store(true, Ordering::Relaxed);
    balancer.doors.close_all();
    shared.work.close();
    if timeout(GRACE, shared.work.wait()).await.is_err() {
        shared.leaving.end_all();
        if timeout(LAST_WORDS, shared.work.wait()).await.is_err() {
            tracing::warn!("requests were cut off: they took longer than {GRACE:?} after the stop");
        }
    }
    upkeep.abort();
    end.cancel();
    writing.await.ok();
    if let Some(telling) = telling {
        telling.await.ok();
    }
}

/// Write the access log.
async fn tell(shared: Arc<Shared>, format: AccessFormat, end: CancellationToken) {
    let visits = shared.access.open();
    let written = access::keep_written(&shared.access, visits, format, std::io::stdout(), end);
    if let Err(error) = written.await {
        tracing::warn!(%error, "the access log can't be written and ends");
    }
}

/// What connections and requests need of the process.
#[derive(Default)]
struct Shared {
    /// What every new request follows.
    table: ArcSwap<Table>,
    /// What the process says of itself.
    board: Board,
    /// What is told of each request.
    access: AccessLog,
    /// Told of every other table.
    swaps: watch::Sender<()>,
    /// When connections to units that drain have to end.
    leaving: Leaving,
    /// Connections and tunnels, to be waited for at the end.
    work: TaskTracker,
    /// The process was asked to end.
    is_stopping: AtomicBool,
}

impl Shared {
    /// Whether the process was asked to end.
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

struct Balancer {
    shared: Arc<Shared>,
    doors: Doors,
    probes: Probes,
    config: BalancerConfig,
    /// Why the newest config is not the one applied.
    bad: String,
}

impl Balancer {
    /// A bad config changes nothing but the status.
    async fn take(&mut self, news: News<BalancerConfig>) {
        match news {
            News::Config { hash, config } => {
                self.config = config;
                self.bad.clear();
                self.swap();
                let problem = self.doors.open(&self.config).await;
                let routing = self.config.routing;
                self.shared.board.say(|said| {
                    (said.applied, said.routing, said.problem) = (hash, routing, problem);
                });
            }
            News::Bad(problem) => {
                tracing::warn!(%problem, "the config was not applied");
                self.bad = problem;
                self.reopen().await;
            }
        }
    }

    /// Route by the config from now on.
    fn swap(&mut self) {
        let Shared { table, board, swaps, leaving, .. } = &*self.shared;
        let old = table.load_full();
        let new = Arc::new(old.next(&self.config, board));
        table.store(new.clone());
        // Counts are read after this and seen by whoever looked at the old table, see `board`.
        fence(Ordering::SeqCst);
        swaps.send_replace(());
        leaving.follow(&self.config);
        old.close_all_but(&new);
        let units = new.units();
        board.stays(|unit| units.contains(&unit));
        self.probes.follow(&new, &self.shared);
    }

    /// Try the ports again that could not be opened.
    async fn reopen(&mut self) {
        let shut = self.doors.open(&self.config).await;
        let problems = [self.bad.clone(), shut].into_iter().filter(|text| !text.is_empty());
        let problem = problems.collect::<Vec<_>>().join("; ");
        self.shared.board.say(|said| said.problem = problem);
    }
}
