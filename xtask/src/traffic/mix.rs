//! An open-loop load: requests are due at a fixed rate, whatever becomes of those before. Most are short; some take
//! five seconds, some share connections, some turn theirs into a conversation, some must not be done twice.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::tally::{End, Tally};
use super::wire::{self, Answer};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Kept connections that lie idle at a time, at most.
const IDLE: usize = 64;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A short GET on a connection of its own.
    Get,
    /// A short GET on a connection that others have used.
    Kept,
    /// A GET that takes five seconds.
    Slow,
    /// A POST with a number; the service tells which numbers reach it.
    Order,
    /// A connection that is upgraded and then carries words to and fro for two seconds.
    Conversation,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Kept, Self::Slow, Self::Order, Self::Conversation];

    /// Of every 200 requests: 1 slow, 2 conversations, 10 orders, 50 on kept connections, 137 on their own.
    fn of(number: u64) -> Self {
        match number % 200 {
            7 => Self::Slow,
            57 | 157 => Self::Conversation,
            n if n % 20 == 10 => Self::Order,
            n if n % 4 == 0 => Self::Kept,
            _ => Self::Get,
        }
    }

    /// Whether its time says something.
    pub(super) fn is_short(self) -> bool {
        matches!(self, Self::Get | Self::Kept | Self::Order)
    }
}

/// A load at work; it stops when this is dropped.
pub struct Mix {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

struct Shared {
    places: Vec<SocketAddr>,
    per_second: u32,
    /// Where the service tells of orders.
    ear: SocketAddr,
    stop: AtomicBool,
    tally: Mutex<Tally>,
    idle: Mutex<Vec<(SocketAddr, TcpStream)>>,
}

impl Mix {
    /// Start, `per_second` requests to `places` in turn; `ear` is an address of this machine that containers reach.
    pub fn start(
        places: Vec<SocketAddr>,
        per_second: u32,
        ear: SocketAddr,
        phase: &str,
    ) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(ear)?;
        socket.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            places,
            per_second,
            ear: socket.local_addr()?,
            stop: AtomicBool::new(false),
            tally: Mutex::default(),
            idle: Mutex::default(),
        });
        shared.tally().begin(phase);
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(pour(own, socket))
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From now on requests belong to another phase.
    pub fn begin(&self, phase: &str) {
        self.shared.tally().begin(phase);
    }

    /// Requests of this phase so far.
    pub fn sent(&self) -> u64 {
        self.shared.tally().phases.last().map_or(0, super::tally::Phase::requests)
    }

    /// Failures so far.
    pub fn failed(&self) -> usize {
        self.shared.tally().failures.len()
    }

    /// Send no more, wait for the answers that are due, and tell.
    pub fn finish(mut self) -> io::Result<Tally> {
        self.shared.tally().begin("end");
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let panicked = || io::Error::other("the load broke off");
        ended.transpose().map_err(|_| panicked())?.unwrap_or(Ok(()))?;
        let mut tally = std::mem::take(&mut *self.shared.tally());
        tally.phases.pop();
        Ok(tally)
    }
}

impl Drop for Mix {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(SocketAddr, TcpStream)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that lies idle and was not ended meanwhile, or a new one.
    async fn kept(&self, place: SocketAddr) -> io::Result<TcpStream> {
        loop {
            let found = {
                let mut idle = self.idle();
                idle.iter().position(|(to, _)| *to == place).map(|at| idle.swap_remove(at).1)
            };
            let Some(stream) = found else { return TcpStream::connect(place).await };
            let silent = stream.try_read(&mut [0; 1]);
            if silent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return Ok(stream);
            }
        }
    }
}

/// Send what is due until told to stop, then wait for the rest.
async fn pour(shared: Arc<Shared>, ear: std::net::UdpSocket) -> io::Result<()> {
    let listener = tokio::spawn(listen(Arc::clone(&shared), UdpSocket::from_std(ear)?));
    let mut ticks = interval(Duration::from_secs(1) / shared.per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut going = JoinSet::new();
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await;
        number += 1;
        going.spawn(one(Arc::clone(&shared), number, due));
        while going.try_join_next().is_some() {}
    }
    while going.join_next().await.is_some() {}
    listener.abort();
    Ok(())
}

/// Take down which orders reach the service.
async fn listen(shared: Arc<Shared>, ear: UdpSocket) {
    let mut word = [0; 32];
    while let Ok(length) = ear.recv(&mut word).await {
        let id = std::str::from_utf8(&word[..length]).unwrap_or_default().parse();
        if let Ok(id) = id {
            *shared.tally().arrived.entry(id).or_default() += 1;
        }
    }
}

/// One request, from when it is due to what became of it.
async fn one(shared: Arc<Shared>, number: u64, due: Instant) {
    let kind = Kind::of(number);
    let Some(phase) = shared.tally().sent(kind) else { return };
    let turn = usize::try_from(number).unwrap_or_default() % shared.places.len().max(1);
    let Some(&place) = shared.places.get(turn) else { return };
    let end = match timeout(PATIENCE, send(&shared, kind, number, place)).await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => End::Failed(format!("{error} (from {place})")),
        Err(_) => End::Failed(format!("no answer within {} s (from {place})", PATIENCE.as_secs())),
    };
    let took = due.elapsed();
    let mut tally = shared.tally();
    if kind == Kind::Order && matches!(end, End::Good) {
        tally.confirmed.insert(number);
    }
    tally.ended(phase, kind, end, took);
}

async fn send(shared: &Shared, kind: Kind, number: u64, place: SocketAddr) -> io::Result<End> {
    if kind == Kind::Kept {
        let mut stream = shared.kept(place).await?;
        let answer = wire::ask(&mut stream, "GET /", true).await?;
        let mut idle = shared.idle();
        if answer.keeps && idle.len() < IDLE {
            idle.push((place, stream));
        }
        return Ok(judge(&answer));
    }
    let mut stream = TcpStream::connect(place).await?;
    let line = match kind {
        Kind::Get | Kind::Kept => "GET /".to_owned(),
        Kind::Slow => "GET /slow?ms=5000".to_owned(),
        Kind::Order => format!("POST /order?id={number}&tell={}", shared.ear),
        Kind::Conversation => return wire::converse(&mut stream).await,
    };
    Ok(judge(&wire::ask(&mut stream, &line, false).await?))
}

fn judge(answer: &Answer) -> End {
    match answer.status {
        200 => End::Good,
        status => End::Failed(format!("status {status}: {}", answer.body.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix() {
        let count = |kind| (0..200).filter(|n| Kind::of(*n) == kind).count();
        assert_eq!(Kind::ALL.map(count), [137, 50, 1, 10, 2]);
    }
}
