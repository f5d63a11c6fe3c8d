//! Datagrams: a client's go to one target while there is not too long a silence between them, and what that answers
//! goes back to the client. There is nobody to tell that nothing can be sent: such datagrams are dropped.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::UnitKey;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::Shared;
use super::pick::{Asked, Picked, pick};
use super::way::Way;

/// The largest datagram.
const LARGEST: usize = 65_535;

/// Datagrams of one client that wait to be sent; more are dropped.
const WAITING: usize = 64;

/// What was asked of a target that left the rotation may still be answered for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A client's datagrams on their way to one unit.
struct Session {
    unit: UnitKey,
    datagrams: Sender<Vec<u8>>,
}

/// Carry datagrams until closed.
pub(in super::super) async fn serve(
    door: UdpSocket,
    way: Arc<ArcSwap<Way>>,
    shared: Arc<Shared>,
    close: CancellationToken,
) {
    let door = Arc::new(door);
    let mut sessions: HashMap<SocketAddr, Session> = HashMap::new();
    let mut swept = Instant::now();
    let mut buffer = vec![0; LARGEST];
    loop {
        let received = tokio::select! {
            received = door.recv_from(&mut buffer) => received,
            () = close.cancelled() => return,
        };
        let Ok((length, client)) = received else { continue };
        let way = way.load_full();
        if swept.elapsed() > way.idle {
            sessions.retain(|_, session| !session.datagrams.is_closed());
            swept = Instant::now();
        }
        // A unit out of rotation gets nothing more; dropping the session lets its last answers through.
        let held = sessions
            .get(&client)
            .filter(|session| way.units.contains(&session.unit) && !session.datagrams.is_closed());
        if let Some(session) = held {
            session.datagrams.try_send(buffer[..length].to_vec()).ok();
        } else if let Some(session) = begin(&door, client, &way, &shared) {
            session.datagrams.try_send(buffer[..length].to_vec()).ok();
            sessions.insert(client, session);
        } else {
            sessions.remove(&client);
        }
    }
}

fn begin(
    door: &Arc<UdpSocket>,
    client: SocketAddr,
    way: &Arc<Way>,
    shared: &Arc<Shared>,
) -> Option<Session> {
    let asked = Asked { port: way.port, server: "", client: client.ip() };
    let picked = pick(shared, asked, &[])
        .inspect_err(|cause| tracing::debug!(port = way.port, %client, ?cause, "no target"))
        .ok()?;
    let (datagrams, waiting) = mpsc::channel(WAITING);
    let session = Session { unit: picked.unit(), datagrams };
    let carry = Carry {
        door: door.clone(),
        client,
        way: way.clone(),
        shared: shared.clone(),
        waiting,
        is_answered: false,
    };
    shared.work.spawn(async move {
        if let Err(error) = carry.run(picked).await {
            tracing::debug!(%client, %error, "datagrams could not be carried");
        }
    });
    Some(session)
}

/// The work of one session.
struct Carry {
    door: Arc<UdpSocket>,
    client: SocketAddr,
    way: Arc<Way>,
    shared: Arc<Shared>,
    waiting: Receiver<Vec<u8>>,
    is_answered: bool,
}

/// What one target came to.
enum Turn {
    /// The session is over.
    Over,
    /// Nobody listens there, and nothing was answered; this was to be sent.
    Refused(Vec<u8>),
}

impl Carry {
    /// Send to a target, and to the next one if nobody listens there.
    async fn run(mut self, mut picked: Picked) -> io::Result<()> {
        let mut tried = Vec::new();
        let mut first = None;
        loop {
            let socket = connect(&picked.target.address, self.way.connect).await?;
            if let Some(datagram) = first.take() {
                let datagram: Vec<u8> = datagram;
                socket.send(&datagram).await.ok();
            }
            match self.carry(&socket, picked.unit()).await {
                Turn::Over => return Ok(()),
                Turn::Refused(datagram) => first = Some(datagram),
            }
            picked.target.rest();
            tried.push(picked.target.clone());
            let asked = Asked { port: self.way.port, server: "", client: self.client.ip() };
            let next = pick(&self.shared, asked, &tried);
            picked = next.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        }
    }

    async fn carry(&mut self, socket: &UdpSocket, unit: UnitKey) -> Turn {
        let mut buffer = vec![0; LARGEST];
        let mut last = Vec::new();
        let mut until = Instant::now() + self.way.idle;
        let mut is_open = true;
        let over = self.shared.leaving.over(unit);
        tokio::pin!(over);
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
                    Ok(length) => {
                        self.is_answered = true;
                        self.door.send_to(&buffer[..length], self.client).await.ok();
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                () = sleep_until(until) => return Turn::Over,
                () = &mut over => return Turn::Over,
            };
            match moved {
                Ok(()) if is_open => until = Instant::now() + self.way.idle,
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused && !self.is_answered =>
                {
                    return Turn::Refused(last);
                }
                // Lost, as datagrams may be.
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// A socket that hears from this address alone.
async fn connect(address: &str, within: Duration) -> io::Result<UdpSocket> {
    let found = timeout(within, tokio::net::lookup_host(address)).await??.next();
    let address = found.ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}
