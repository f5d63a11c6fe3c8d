//! An open-loop load: requests are due at a fixed rate, whatever becomes of those before. Most are short; some take
//! five seconds, some share connections, some turn theirs into a conversation, some must not be done twice.
//!
//! Where the machine can't carry the rate, requests are sent later than they are due, and the time that they waited is part of
//! theirs: they are late, but neither lost nor piled up.

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
use super::who::{Seen, Who};
use super::wire::{self, Answer};

/// How long a request may take: a late answer is not a lost one, also where the machine has other things to do.
const PATIENCE: Duration = Duration::from_mins(1);
/// Requests that are under way at a time, at most: ten times as many as a machine has that keeps up.
const UNDER_WAY: usize = 500;
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
    look: Mutex<Look>,
    idle: Mutex<Vec<(SocketAddr, TcpStream)>>,
}

/// Who answered what was sent since a moment.
#[derive(Default)]
struct Look {
    /// Raised with each new look: what was sent before is not of this one.
    number: u64,
    seen: Seen,
}

/// The most that the kernel prefers a thread, as `nice` counts.
const PREFERRED: i32 = -20;

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
            look: Mutex::default(),
            idle: Mutex::default(),
        });
        shared.tally().begin(phase);
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            // Who asks stands for other machines: that this one is busy must not keep it from asking, or from looking
            // at its clock. Without the right to be preferred it asks all the same.
            let _ = rustix::process::setpriority_process(None, PREFERRED);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(pour(own, socket))
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From now on requests belong to another phase, or again to one that was before.
    pub fn begin(&self, phase: &str) {
        self.shared.tally().begin(phase);
    }

    /// Requests so far.
    pub fn sent(&self) -> u64 {
        self.shared.tally().requests()
    }

    /// How a phase went so far, all times that it was done, in words.
    pub fn words(&self, name: &str) -> String {
        let tally = self.shared.tally();
        let Some(phase) = tally.phases.iter().find(|phase| phase.name == name) else {
            return name.to_owned();
        };
        let [p50, p999] = [500, 999].map(|per_mille| phase.latencies.quantile_ms(per_mille));
        let (sent, failed, all) = (phase.requests(), phase.failed, tally.requests());
        format!(
            "{name}: {sent} requests, {failed} failed, p50 {p50:.1} ms, p99.9 {p999:.1} ms ({all} in all)"
        )
    }

    /// Look anew who answers: only what is sent from now on counts.
    pub fn look(&self) {
        let mut look = self.shared.look();
        *look = Look { number: look.number + 1, seen: Seen::default() };
    }

    /// Who has answered what was sent since [`Self::look`].
    pub fn seen(&self) -> Seen {
        self.shared.look().seen.clone()
    }

    /// Send no more, wait for the answers that are due, and tell.
    pub fn finish(mut self) -> io::Result<Tally> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let panicked = || io::Error::other("the load broke off");
        ended.transpose().map_err(|_| panicked())?.unwrap_or(Ok(()))?;
        let mut tally = std::mem::take(&mut *self.shared.tally());
        tally.end();
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

    fn look(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
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
        while going.try_join_next().is_some() {}
        while going.len() >= UNDER_WAY {
            going.join_next().await;
        }
        going.spawn(one(Arc::clone(&shared), number, due));
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
            shared.tally().orders.arrive(id);
        }
    }
}

/// One request, from when it is due to what became of it.
async fn one(shared: Arc<Shared>, number: u64, due: Instant) {
    let kind = Kind::of(number);
    let Some(phase) = shared.tally().sent(kind) else { return };
    let look = shared.look().number;
    let Some(&place) = shared.places.get(turn(number, shared.places.len())) else { return };
    let (end, who) = match timeout(PATIENCE, send(&shared, kind, number, place)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => (End::Failed(format!("{error} (from {place})")), None),
        Err(_) => {
            let why = format!("no answer within {} s (from {place})", PATIENCE.as_secs());
            (End::Failed(why), None)
        }
    };
    let took = due.elapsed();
    if let Some(who) = who {
        let mut now = shared.look();
        if now.number == look {
            *now.seen.answers.entry(who).or_default() += 1;
        }
    }
    let mut tally = shared.tally();
    if kind == Kind::Order && matches!(end, End::Good) {
        tally.orders.confirm(order(number));
    }
    tally.ended(phase, kind, end, took);
}

/// What became of a request, and who answered it if it says so.
async fn send(
    shared: &Shared,
    kind: Kind,
    number: u64,
    place: SocketAddr,
) -> io::Result<(End, Option<Who>)> {
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
        Kind::Order => format!("POST /order?id={}&tell={}", order(number), shared.ear),
        Kind::Conversation => return Ok((wire::converse(&mut stream).await?, None)),
    };
    let (end, who) = judge(&wire::ask(&mut stream, &line, false).await?);
    Ok((end, who.filter(|_| kind != Kind::Order)))
}

fn judge(answer: &Answer) -> (End, Option<Who>) {
    match answer.status {
        200 => (End::Good, Some(Who::of(answer))),
        status => (End::Failed(format!("status {status}: {}", answer.body.trim())), None),
    }
}

/// The number of an order among orders.
fn order(number: u64) -> u64 {
    number / 20
}

/// Whom a request goes to, of so many. Kinds come round every 200 requests: each shall go to all.
fn turn(number: u64, places: usize) -> usize {
    let turn = usize::try_from(number + number / 200).unwrap_or_default();
    turn.checked_rem(places).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_goes_everywhere() {
        for kind in Kind::ALL {
            let numbers = (0..400).filter(|n| Kind::of(*n) == kind);
            let places: std::collections::BTreeSet<_> = numbers.map(|n| turn(n, 2)).collect();
            assert_eq!(places.len(), 2, "{kind:?}");
        }
    }

    #[test]
    fn the_mix() {
        let count = |kind| (0..200).filter(|n| Kind::of(*n) == kind).count();
        assert_eq!(Kind::ALL.map(count), [137, 50, 1, 10, 2]);
    }
}
