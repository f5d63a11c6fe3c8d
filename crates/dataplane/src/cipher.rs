//! The process that encrypts what goes from host to host: WireGuard between a device of the kernel's and one UDP port,
//! for as long as the process lives. Which packets go to whom is the kernel's business; who the others are and by
//! which keys they are known is in one file.
//!
//! The device outlives the process: one that begins takes it over with all that the kernel has on it, makes new sessions
//! with everyone at once, and keeps packets until there is one. A newer process waits for the older one's port.
//!
//! Keys change without a packet lost: for every key of this host's and of the other's there is a pair of its own, and what
//! is sent goes by the newest that has a session.

mod carry;
mod device;
mod keys;
mod link;
mod socket;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::{CipherConfig, CipherStatus, WIREGUARD_PORT};
use tokio::net::UdpSocket;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::board::Board;
use crate::follow::{Follower, News};
use crate::stop::asked_to_stop;
use carry::{Shared, inward, outward, upkeep};
use device::{Device, Tun};
use table::Table;

/// Where a cipher process finds what it knows, says what it does, and takes packets from.
#[derive(Clone, Debug)]
pub struct Options {
    /// A [`CipherConfig`], replaced as a whole by rename.
    pub config: PathBuf,
    /// A [`CipherStatus`], replaced as a whole by rename whenever it changes.
    pub status: PathBuf,
    /// The TUN device; made if there is none, and left behind.
    pub device: String,
    /// UDP port.
    pub port: u16,
}

impl Options {
    /// With the port that other hosts expect.
    pub fn new(config: PathBuf, status: PathBuf, device: String) -> Self {
        Self { config, status, device, port: WIREGUARD_PORT }
    }
}

/// Why it could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not ask for signals, so it could not be stopped.
    #[error("the cipher process could not ask the system for its stop signals")]
    Signals(#[source] std::io::Error),
}

/// How often the device and the port are tried again: the older process ends about now.
const REOPEN: Duration = Duration::from_millis(20);
/// How often sessions are looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often counters are told when nothing else is new.
const COUNT: Duration = Duration::from_secs(5);

/// Encrypt until SIGTERM or SIGINT.
pub async fn run(options: Options) -> Result<(), RunError> {
    let stop = asked_to_stop().map_err(RunError::Signals)?;
    let device = options.device.clone();
    serve(options, move || Tun::open(&device), stop).await;
    Ok(())
}

/// Encrypt what a device has to say, until `stop`.
async fn serve<D: Device>(
    options: Options,
    open: impl Fn() -> Result<D, String>,
    stop: impl Future<Output = ()>,
) {
    let mut follower = Follower::new(options.config.clone());
    let mut service = Service::new(options, open);
    service.board.write().await;
    service.retry().await;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            news = follower.next() => service.take(news).await,
            _ = ticks.tick() => service.tick().await,
            () = sleep(REOPEN), if service.carried.is_none() => service.retry().await,
            () = &mut stop => break,
        }
    }
    if let Some(carried) = service.carried.take() {
        carried.end().await;
    }
}

struct Service<D, O> {
    options: Options,
    open: O,
    board: Board<CipherStatus>,
    table: Arc<ArcSwap<Table>>,
    carried: Option<Carried<D>>,
    /// Hash of the applied file; empty before the first.
    applied: String,
    /// Why the newest file is not the one applied.
    bad: String,
    /// Why nothing is carried.
    shut: String,
    counted_at: Instant,
}

/// Both ends, and who carries between them.
struct Carried<D> {
    shared: Arc<Shared<D>>,
    tasks: [JoinHandle<String>; 2],
    since: Instant,
}

impl<D> Carried<D> {
    fn is_over(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }

    /// Stop, and give device and port back. Says why it was over already, if it was.
    async fn end(self) -> Option<String> {
        end(self.tasks).await
    }
}

/// Cut off what still goes on. Says what the first said that didn't.
async fn end(tasks: [JoinHandle<String>; 2]) -> Option<String> {
    let mut reason = None;
    for task in tasks {
        let was_over = task.is_finished();
        task.abort();
        let done = task.await;
        if was_over && reason.is_none() {
            reason = Some(done.unwrap_or_else(panicked));
        }
    }
    reason
}

/// That is a mistake in this program, and said as one.
fn panicked(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "carrying packets was cut off".into() };
    let words = payload.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    format!("carrying packets failed by a mistake in Drover: {words}")
}

impl<D: Device, O: Fn() -> Result<D, String>> Service<D, O> {
    fn new(options: Options, open: O) -> Self {
        Self {
            board: Board::new(options.status.clone()),
            options,
            open,
            table: Arc::new(ArcSwap::from_pointee(Table::default())),
            carried: None,
            applied: String::new(),
            bad: String::new(),
            shut: String::new(),
            counted_at: Instant::now(),
        }
    }

    /// A bad file changes nothing but the status.
    async fn take(&mut self, news: News<CipherConfig>) {
        let applied = match news {
            News::Config { hash, config } => {
                Table::new(&config, &self.table.load()).map(|table| (hash, table))
            }
            News::Bad(problem) => Err(problem),
        };
        match applied {
            Ok((hash, table)) => {
                self.table.store(Arc::new(table));
                self.applied = hash;
                self.bad.clear();
            }
            Err(problem) => {
                tracing::warn!(%problem, "the keys were not applied");
                self.bad = problem;
            }
        }
        self.tick().await;
    }

    /// Take hold of device and port.
    async fn retry(&mut self) {
        let opened = self.try_open();
        match opened {
            Ok(shared) => {
                let tasks =
                    [tokio::spawn(outward(shared.clone())), tokio::spawn(inward(shared.clone()))];
                self.carried = Some(Carried { shared, tasks, since: Instant::now() });
                self.shut.clear();
            }
            Err(problem) => {
                if self.shut != problem {
                    tracing::warn!("{problem}");
                }
                self.shut = problem;
            }
        }
        self.tick().await;
    }

    /// The port first: the device's other holder ends with it, and who has the port answers by it at once.
    fn try_open(&self) -> Result<Arc<Shared<D>>, String> {
        let port = self.options.port;
        let socket = socket::open(port).and_then(UdpSocket::from_std);
        let socket = socket.map_err(|e| format!("UDP port {port} can't be had: {e}; trying on"))?;
        let device = (self.open)()?;
        Ok(Arc::new(Shared { device, socket, table: self.table.clone() }))
    }

    /// Look after sessions, and say how things are.
    async fn tick(&mut self) {
        if let Some(carried) = self.carried.take_if(|carried| carried.is_over()) {
            // Most likely the device is gone, or the port: they are tried again.
            let reason = carried.end().await.unwrap_or_default();
            self.shut = format!("{reason}; trying on");
            tracing::warn!("nothing is encrypted: {}", self.shut);
        }
        if let Some(carried) = &self.carried {
            upkeep(&carried.shared).await;
        }
        self.tell().await;
    }

    async fn tell(&mut self) {
        let problems = [&self.bad, &self.shut].into_iter().filter(|text| !text.is_empty());
        let table = self.table.load_full();
        let (open_since, now) =
            (self.carried.as_ref().map(|carried| carried.since), Instant::now());
        let peers = table.links().filter_map(|link| Some((link.host, link.told(open_since, now)?)));
        let mut status = CipherStatus {
            applied: self.applied.clone(),
            open: self.carried.is_some(),
            problem: problems.cloned().collect::<Vec<_>>().join("; "),
            peers: peers.collect(),
        };
        if self.counted_at.elapsed() < COUNT {
            self.board.said().keep_counters(&mut status);
        } else {
            self.counted_at = Instant::now();
        }
        self.board.say(status).await;
    }
}

/// Counters alone are no news.
trait KeepCounters {
    fn keep_counters(&self, new: &mut CipherStatus);
}

impl KeepCounters for CipherStatus {
    fn keep_counters(&self, new: &mut CipherStatus) {
        for (host, link) in &mut new.peers {
            if let Some(old) = self.peers.get(host).filter(|old| old.up == link.up) {
                (link.age_s, link.sent, link.received) = (old.age_s, old.sent, old.received);
            }
        }
    }
}
