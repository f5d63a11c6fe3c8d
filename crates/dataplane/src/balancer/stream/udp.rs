//! Datagrams: a client's go to one target while there is not too long a silence between them, and what that answers
//! goes back to the client. There is nobody to tell that nothing can be sent: such datagrams are dropped.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::Shared;
use super::super::access::Visit;
use super::super::clock::millis;
use super::super::pick::Picked;
use super::call::{Call, Tries};
use super::way::Way;

/// The largest datagram.
const LARGEST: usize = 65_535;

/// Datagrams of one client that wait to be sent; more are dropped.
const WAITING: usize = 64;

/// Clients at a time; what others send is dropped. Each costs a socket.
const CLIENTS: usize = 16_384;

/// What was asked of a target that left the rotation may still be answered for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The clients that datagrams came from lately.
type Sessions = HashMap<SocketAddr, Sender<Vec<u8>>>;

/// Carry datagrams until closed.
pub(in super::super) async fn serve(
    door: UdpSocket,
    way: Arc<ArcSwap<Way>>,
    shared: Arc<Shared>,
    close: CancellationToken,
) {
    let door = Arc::new(door);
    let mut sessions = Sessions::new();
    let mut swept = Instant::now();
    let mut buffer = vec![0; LARGEST];
    loop {
        let received = tokio::select! {
            received = door.recv_from(&mut buffer) => received,
            () = close.cancelled() => return,
        };
        // An error is about something sent earlier, to a client that is gone.
        let Ok((length, client)) = received else { continue };
        let way = way.load_full();
        if swept.elapsed() > way.idle || sessions.len() >= CLIENTS {
            sessions.retain(|_, session| !session.is_closed());
            swept = Instant::now();
        }
        let datagram = buffer[..length].to_vec();
        let held = sessions.get(&client).map(|session| session.try_send(datagram));
        let datagram = match held {
            Some(Ok(()) | Err(TrySendError::Full(_))) => continue,
            Some(Err(TrySendError::Closed(datagram))) => datagram,
            None => buffer[..length].to_vec(),
        };
        if sessions.len() < CLIENTS || sessions.contains_key(&client) {
            let session = begin(&door, client, &way, &shared);
            session.try_send(datagram).ok();
            sessions.insert(client, session);
        }
    }
}

fn begin(
    door: &Arc<UdpSocket>,
    client: SocketAddr,
    way: &Arc<Way>,
    shared: &Arc<Shared>,
) -> Sender<Vec<u8>> {
    let (datagrams, waiting) = mpsc::channel(WAITING);
    let session = Session {
        door: door.clone(),
        client,
        way: way.clone(),
        shared: shared.clone(),
        waiting,
        is_answered: false,
        visit: Visit::begin(client, way.port, "UDP"),
    };
    shared.work.spawn(session.run_and_tell());
    datagrams
}

/// A client's datagrams on their way to one unit.
struct Session {
    door: Arc<UdpSocket>,
    client: SocketAddr,
    way: Arc<Way>,
    shared: Arc<Shared>,
    /// What the client sent. Closed, it gets another session for what it sends next.
    waiting: Receiver<Vec<u8>>,
    is_answered: bool,
    visit: Visit,
}

/// What one target came to.
enum Turn {
    /// The session is over.
    Over,
    /// Nobody listens there, and nothing was answered; this was to be sent.
    Refused(Vec<u8>),
}

impl Session {
    async fn run_and_tell(mut self) {
        if let Err(error) = self.run().await {
            tracing::debug!(client = %self.client, %error, "datagrams could not be carried");
            self.visit.cause = Some(error.to_string());
        }
        self.shared.access.tell(self.visit);
    }

    /// Send to a target, and to the next one if nobody listens there.
    async fn run(&mut self) -> io::Result<()> {
        let call = Call { port: self.way.port, server: String::new(), client: self.client.ip() };
        let mut tries = Tries::default();
        let mut again = None;
        loop {
            let Ok(picked) = tries.next(&call, &self.shared).await else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let target = picked.in_flight.target();
            self.visit.unit = Some(target.unit);
            let socket = connect(&target.address, self.way.connect).await?;
            if let Some(datagram) = again.take() {
                let datagram: Vec<u8> = datagram;
                socket.send(&datagram).await.ok();
            }
            match self.carry(&socket, &picked).await {
                Turn::Over => return Ok(()),
                Turn::Refused(datagram) => again = Some(datagram),
            }
            tries.unreachable(&picked);
        }
    }

    async fn carry(&mut self, socket: &UdpSocket, picked: &Picked) -> Turn {
        let target = picked.in_flight.target();
        let began = Instant::now();
        let mut buffer = vec![0; LARGEST];
        let mut last = Vec::new();
        let mut until = began + self.way.idle;
        let mut is_open = true;
        let shared = self.shared.clone();
        let over = target.over(&shared);
        tokio::pin!(over);
        let mut swaps = self.shared.swaps.subscribe();
        swaps.mark_changed();
        loop {
            let moved = tokio::select! {
                datagram = self.waiting.recv(), if is_open => {
                    let Some(datagram) = datagram else {
                        is_open = false;
                        until = until.min(Instant::now() + LAST_ANSWERS);
                        continue;
                    };
                    last = datagram;
                    socket.send(&last).await.map(drop)
                }
                received = socket.recv(&mut buffer) => match received {
                    Ok(length) => self.answer(&buffer[..length], picked, began).await,
                    Err(error) => Err(error),
                },
                // A unit out of rotation gets what is waiting, and nothing more.
                _ = swaps.changed(), if is_open => {
                    if !self.is_in_rotation(picked) {
                        self.waiting.close();
                    }
                    continue;
                }
                () = sleep_until(until) => return Turn::Over,
                () = &mut over => return Turn::Over,
            };
            match moved {
                Ok(()) if is_open => until = Instant::now() + self.way.idle,
                Err(error) if is_refused(&error) && !self.is_answered => {
                    return Turn::Refused(last);
                }
                // Lost, as datagrams may be.
                Ok(()) | Err(_) => {}
            }
        }
    }

    async fn answer(&mut self, datagram: &[u8], picked: &Picked, began: Instant) -> io::Result<()> {
        if !self.is_answered {
            self.is_answered = true;
            picked.in_flight.target().account().answered(millis(began.elapsed()), false);
        }
        self.visit.bytes += u64::try_from(datagram.len()).unwrap_or_default();
        self.door.send_to(datagram, self.client).await.ok();
        Ok(())
    }

    fn is_in_rotation(&self, picked: &Picked) -> bool {
        let table = self.shared.table.load();
        let unit = picked.in_flight.target().unit;
        let route = table.route(self.way.port, "", "");
        route.is_some_and(|route| route.targets.iter().any(|target| target.unit == unit))
    }
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// A socket that hears from this address alone.
async fn connect(address: &str, within: Duration) -> io::Result<UdpSocket> {
    let found = timeout(within, tokio::net::lookup_host(address)).await??.next();
    let address = found.ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}
