//! The name service process of one host: DNS and metadata, answered from one file for as long as the process lives.
//!
//! What the file says becomes one table that is swapped in whole. `routing` in the status file is a promise: every
//! answer from then on follows a file that knows that withdrawal. So it is written only when nobody holds an older
//! table any more. A host whose server or agent is away answers on.
//!
//! Two such processes may share the ports for a while; a new one opens them only once it has something to say.

mod answer;
mod askers;
mod cache;
mod catalog;
mod dns;
mod edition;
mod endpoints;
#[cfg(test)]
mod facts;
mod form;
mod lookup;
mod message;
mod metadata;
mod names;
mod objects;
mod recurse;
mod recursers;
mod socket;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::{Discovery, DiscoveryStatus};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::follow::{Follower, News};
use crate::stop::asked_to_stop;
use catalog::Catalog;
use names::Names;
use recurse::Recursion;

/// Where a name service finds what it knows, says what it does, and listens.
#[derive(Clone, Debug)]
pub struct Options {
    /// A [`Discovery`], replaced as a whole by rename.
    pub config: PathBuf,
    /// A [`DiscoveryStatus`], replaced as a whole by rename whenever it changes.
    pub status: PathBuf,
    /// Address to listen on.
    pub listen: IpAddr,
    /// Port of DNS, UDP and TCP.
    pub dns_port: u16,
    /// Port of metadata.
    pub metadata_port: u16,
}

/// Why a name service could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not ask for signals, so it could not be stopped with grace.
    #[error("the name service could not ask the system for its stop signals")]
    Signals(#[source] std::io::Error),
}

/// How long answers under way may take when the process is asked to end: as long as one server outside may.
const GRACE: Duration = Duration::from_secs(3);

/// How often ports that could not be opened are tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// An answer that is still under way by an older table this long after the swap was sent into a full socket.
const SETTLE: Duration = Duration::from_secs(1);

/// Answer until SIGTERM or SIGINT, then finish what is under way.
pub async fn run(options: Options) -> Result<(), RunError> {
    let stop = asked_to_stop().map_err(RunError::Signals)?;
    serve(options, stop).await;
    Ok(())
}

/// Answer until `stop`, then finish what is under way.
pub async fn serve(options: Options, stop: impl Future<Output = ()>) {
    let mut follower = Follower::new(options.config.clone());
    let mut service = Service::new(options);
    service.board.write().await;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            news = follower.next() => service.take(news).await,
            () = sleep(REOPEN), if service.must_retry() => service.retry().await,
            () = &mut stop => break,
        }
    }
    service.end.cancel();
    service.shared.work.close();
    if timeout(GRACE, service.shared.work.wait()).await.is_err() {
        tracing::warn!("answers were cut off: they took longer than {GRACE:?} after the stop");
    }
}

/// What every answer follows.
struct Table {
    names: Names,
    catalog: Catalog,
}

/// What sockets need of the process.
struct Shared {
    table: ArcSwap<Table>,
    recursion: Recursion,
    /// Told of every new table.
    changed: watch::Sender<()>,
    /// Sockets, connections and questions to others, to be waited for at the end.
    work: TaskTracker,
}

struct Service {
    options: Options,
    shared: Arc<Shared>,
    board: Board<DiscoveryStatus>,
    end: CancellationToken,
    /// The applied file's hash and routing; `None` before the first.
    applied: Option<(String, u64)>,
    /// Why the newest file is not the one applied.
    bad: String,
    is_open: bool,
    /// Why it is not.
    shut: String,
}

impl Service {
    fn new(options: Options) -> Self {
        let table = Table::new(Discovery::default(), String::new(), &options);
        let shared = Shared {
            table: ArcSwap::from_pointee(table),
            recursion: Recursion::default(),
            changed: watch::Sender::new(()),
            work: TaskTracker::new(),
        };
        Self {
            board: Board::new(options.status.clone()),
            options,
            shared: Arc::new(shared),
            end: CancellationToken::new(),
            applied: None,
            bad: String::new(),
            is_open: false,
            shut: String::new(),
        }
    }

    /// A bad file changes nothing but the status.
    async fn take(&mut self, news: News<Discovery>) {
        match news {
            News::Config { hash, config } => {
                let routing = config.routing;
                let table = Table::new(config, hash.clone(), &self.options);
                let old = self.shared.table.swap(Arc::new(table));
                settle(old).await;
                self.shared.changed.send_replace(());
                self.applied = Some((hash, routing));
                self.bad.clear();
                self.open();
            }
            News::Bad(problem) => {
                tracing::warn!(%problem, "the facts were not applied");
                self.bad = problem;
            }
        }
        self.tell().await;
    }

    fn must_retry(&self) -> bool {
        self.board.is_behind() || self.applied.is_some() && !self.is_open
    }

    async fn retry(&mut self) {
        self.open();
        self.tell().await;
    }

    async fn tell(&mut self) {
        let problems = [&self.bad, &self.shut].into_iter().filter(|text| !text.is_empty());
        let problem = problems.cloned().collect::<Vec<_>>().join("; ");
        let (applied, routing) = self.applied.clone().unwrap_or_default();
        self.board.say(DiscoveryStatus { applied, routing, problem }).await;
    }

    /// Open the ports, all or none, unless they are.
    fn open(&mut self) {
        if self.is_open || self.applied.is_none() {
            return;
        }
        match self.try_open() {
            Ok(()) => {
                self.is_open = true;
                self.shut.clear();
            }
            Err(problem) => {
                if self.shut != problem {
                    tracing::warn!("{problem}");
                }
                self.shut = problem;
            }
        }
    }

    fn try_open(&self) -> Result<(), String> {
        let dns = SocketAddr::new(self.options.listen, self.options.dns_port);
        let metadata = SocketAddr::new(self.options.listen, self.options.metadata_port);
        let words = |what: &str, address: SocketAddr| {
            let what = what.to_owned();
            move |error| format!("{what} can't be answered on {address}: {error}; trying on")
        };
        let sockets = available_parallelism().map_or(1, usize::from);
        let udp: Result<Vec<_>, _> = (0..sockets).map(|_| socket::udp(dns)).collect();
        let udp = udp.map_err(words("names", dns))?;
        let tcp = socket::tcp(dns).map_err(words("names", dns))?;
        let http = socket::tcp(metadata).map_err(words("metadata", metadata))?;
        let (shared, end) = (&self.shared, &self.end);
        for socket in udp {
            shared.work.spawn(dns::serve_udp(socket, shared.clone(), end.clone()));
        }
        shared.work.spawn(dns::serve_tcp(tcp, shared.clone(), end.clone()));
        shared.work.spawn(metadata::serve(http, shared.clone(), end.clone()));
        Ok(())
    }
}

impl Table {
    fn new(facts: Discovery, version: String, options: &Options) -> Self {
        let own = SocketAddr::new(options.listen, options.dns_port);
        Self { names: Names::new(&facts, own), catalog: Catalog::new(facts, version) }
    }
}

/// Wait until nobody answers by this table any more.
async fn settle(old: Arc<Table>) {
    let deadline = Instant::now() + SETTLE;
    while Arc::strong_count(&old) > 1 && Instant::now() < deadline {
        sleep(Duration::from_millis(1)).await;
    }
}
