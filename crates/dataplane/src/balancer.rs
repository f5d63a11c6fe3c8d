//! The load balancer process: HTTP by host and path to units, for as long as its config file says so.
//!
//! A new config is a new `table::Table`, swapped in whole; open connections never notice. What it does *not*
//! do yet: TCP, TLS and SNI listeners, stickiness. A listener of another protocol is another kind of
//! `door`; how a target is chosen is `table`'s business alone.
//!
//! How a drain is acknowledged: `applied` in the status file is the config that every request from then on
//! follows, and `in_flight` counts those that follow older ones too. A unit that is in neither gets nothing
//! more from this process.

mod board;
mod body;
mod door;
#[cfg(test)]
mod facts;
mod forward;
mod headers;
mod pattern;
mod rotation;
mod table;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::BalancerConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::follow::{Follower, News};
use board::Board;
use door::Doors;
use table::Table;

/// Where a balancer process finds what it shall do and says what it does.
#[derive(Clone, Debug)]
pub struct Options {
    /// A [`BalancerConfig`], replaced as a whole by rename.
    pub config: PathBuf,
    /// A [`drover_core::BalancerStatus`], replaced as a whole by rename whenever it changes.
    pub status: PathBuf,
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

/// How often a port that could not be opened is tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// Balance until SIGTERM or SIGINT, then finish what is in flight.
pub async fn run(options: Options) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(options, stop).await;
    Ok(())
}

/// Balance until `stop`, then finish what is in flight.
pub async fn serve(options: Options, stop: impl Future<Output = ()>) {
    let shared = Arc::new(Shared {
        table: ArcSwap::from_pointee(Table::default()),
        board: Board::default(),
        work: TaskTracker::new(),
    });
    let end = CancellationToken::new();
    let writing = board::keep_written(shared.clone(), options.status, end.clone());
    let writing = tokio::spawn(writing);
    let mut balancer = Balancer {
        doors: Doors::new(shared.clone()),
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
    balancer.doors.close_all();
    shared.work.close();
    if timeout(GRACE, shared.work.wait()).await.is_err() {
        tracing::warn!("requests were cut off: they took longer than {GRACE:?} after the stop");
    }
    end.cancel();
    writing.await.ok();
}

/// What connections and requests need of the process.
struct Shared {
    /// What every new request follows.
    table: ArcSwap<Table>,
    /// What the process says of itself.
    board: Board,
    /// Connections and tunnels, to be waited for at the end.
    work: TaskTracker,
}

struct Balancer {
    shared: Arc<Shared>,
    doors: Doors,
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
                let table = self.shared.table.load().next(&self.config);
                self.shared.table.store(Arc::new(table));
                let problem = self.doors.open(&self.config.listeners).await;
                self.shared.board.say(|said| (said.applied, said.problem) = (hash, problem));
            }
            News::Bad(problem) => {
                tracing::warn!(%problem, "the config was not applied");
                self.bad = problem;
                self.reopen().await;
            }
        }
    }

    /// Try the ports again that could not be opened.
    async fn reopen(&mut self) {
        let shut = self.doors.open(&self.config.listeners).await;
        let problems = [self.bad.clone(), shut].into_iter().filter(|text| !text.is_empty());
        let problem = problems.collect::<Vec<_>>().join("; ");
        self.shared.board.say(|said| said.problem = problem);
    }
}
