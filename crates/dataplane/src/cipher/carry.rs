//! Carrying packets: from the device, encrypted, to whoever they are for; from the port, if they are from whom they say
//! and came not twice, to the device. What can't be carried is dropped, as a wire would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519::PublicKey;
use tokio::net::UdpSocket;

use super::device::Device;
use super::link::{Link, Pair};
use super::table::Table;

/// The largest packet there is, and what encrypting adds.
const LARGEST: usize = 65_535;
/// What the kernel says of a device that was removed.
const GONE: i32 = rustix::io::Errno::BADFD.raw_os_error();

/// Both ends, and everyone.
pub(super) struct Shared<D> {
    pub(super) device: D,
    pub(super) socket: UdpSocket,
    pub(super) table: Arc<ArcSwap<Table>>,
}

impl<D> Shared<D> {
    /// What can't be sent now is lost, as it may be on any wire.
    async fn send(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(datagram, mapped(to)).await {
            tracing::debug!(%to, %error, "a packet could not be sent");
        }
    }
}

/// Carry what comes from the device, until it says no more. Says why.
pub(super) async fn outward<D: Device>(shared: Arc<Shared<D>>) -> String {
    let (mut packet, mut sealed) = (vec![0; LARGEST], vec![0; LARGEST + 32]);
    loop {
        let length = match shared.device.read(&mut packet).await {
            Ok(length) => length,
            Err(error) => return format!("the device can't be read: {error}"),
        };
        let packet = &packet[..length];
        let table = shared.table.load();
        let Some(link) = table.to(packet) else { continue };
        let Some(pair) = link.sender() else { continue };
        // Without a session it is kept until there is one, and asks for it.
        let result = pair.tunn().encapsulate(packet, &mut sealed);
        if let TunnResult::WriteToNetwork(datagram) = result {
            link.place.sent.fetch_add(length as u64, Ordering::Relaxed);
            shared.send(datagram, link.place.address()).await;
        }
    }
}

/// Carry what comes from others, until the port says no more. Says why.
pub(super) async fn inward<D: Device>(shared: Arc<Shared<D>>) -> String {
    let (mut datagram, mut opened) = (vec![0; LARGEST], vec![0; LARGEST + 32]);
    loop {
        let (length, from) = match shared.socket.recv_from(&mut datagram).await {
            Ok(received) => received,
            // The answer to a packet that nobody wanted.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return format!("the UDP port can't be read: {error}"),
        };
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let table = shared.table.load_full();
        let Some(sender) = who(&table, &datagram[..length], from, &shared).await else { continue };
        if let Err(reason) = take(&shared, sender, &datagram[..length], from, &mut opened).await {
            return reason;
        }
    }
}

/// Look after every session.
pub(super) async fn upkeep<D>(shared: &Shared<D>) {
    let mut buffer = vec![0; LARGEST + 32];
    let table = shared.table.load_full();
    for own in &table.own {
        own.limiter.reset_count();
    }
    for link in table.links() {
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for pair in &link.pairs {
            pair.upkeep(&mut buffer, |datagram| datagrams.push(datagram.to_vec()));
        }
        for pair in &link.retired {
            pair.fade(&mut buffer);
        }
        for datagram in datagrams {
            shared.send(&datagram, link.place.address()).await;
        }
        for pair in &link.pairs {
            flush(shared, link, pair, &mut buffer).await;
        }
    }
}

/// Whose session a datagram is about; `None` if it is nobody's, or was answered already.
async fn who<'t, D>(
    table: &'t Table,
    datagram: &[u8],
    from: SocketAddr,
    shared: &Shared<D>,
) -> Option<&'t (Arc<Link>, Arc<Pair>)> {
    match Tunn::parse_incoming_packet(datagram).ok()? {
        Packet::HandshakeInit(_) => {
            let mut cookie = [0; 64];
            match asker(table, datagram, from, &mut cookie)? {
                Asker::Known(own, key) => table.keyed(&own, key),
                Asker::Prove(length) => {
                    shared.send(&cookie[..length], from).await;
                    None
                }
            }
        }
        Packet::HandshakeResponse(p) => table.numbered(p.receiver_idx),
        Packet::PacketCookieReply(p) => table.numbered(p.receiver_idx),
        Packet::PacketData(p) => table.numbered(p.receiver_idx),
    }
}

enum Asker {
    /// It asked for a session with a key of ours, by its own.
    Known(PublicKey, [u8; 32]),
    /// Too many ask: it has to prove that its address is its own.
    Prove(usize),
}

/// Who asks for a session.
fn asker(table: &Table, datagram: &[u8], from: SocketAddr, cookie: &mut [u8; 64]) -> Option<Asker> {
    for own in &table.own {
        match own.limiter.verify_packet(Some(from.ip()), datagram, cookie) {
            Ok(Packet::HandshakeInit(question)) => {
                let half = parse_handshake_anon(&own.secret, &own.public, &question).ok()?;
                return Some(Asker::Known(own.public, half.peer_static_public));
            }
            Err(TunnResult::WriteToNetwork(answer)) => return Some(Asker::Prove(answer.len())),
            // It was meant for another key.
            Ok(_) | Err(_) => {}
        }
    }
    None
}

/// Take in a datagram of a session. An error is the device's.
async fn take<D: Device>(
    shared: &Shared<D>,
    (link, pair): &(Arc<Link>, Arc<Pair>),
    datagram: &[u8],
    from: SocketAddr,
    opened: &mut [u8],
) -> Result<(), String> {
    let result = pair.tunn().decapsulate(Some(from.ip()), datagram, opened);
    match result {
        // Forged, damaged, or here before.
        TunnResult::Err(_) | TunnResult::WriteToTunnelV4(..) => Ok(()),
        TunnResult::Done => {
            link.place.heard_from(from);
            // Who was asked for a session may send by it from the first packet that came by it.
            flush(shared, link, pair, opened).await;
            Ok(())
        }
        TunnResult::WriteToNetwork(answer) => {
            link.place.heard_from(from);
            shared.send(answer, from).await;
            flush(shared, link, pair, opened).await;
            Ok(())
        }
        TunnResult::WriteToTunnelV6(packet, inner) => {
            link.place.heard_from(from);
            // One host can't speak for another.
            if inner != link.inner {
                return Ok(());
            }
            link.place.received.fetch_add(packet.len() as u64, Ordering::Relaxed);
            match shared.device.write(packet).await {
                Err(error) if error.raw_os_error() == Some(GONE) => {
                    Err(format!("the device can't be written: {error}"))
                }
                // Else the kernel has no room for it, or the device is not up yet.
                Ok(_) | Err(_) => Ok(()),
            }
        }
    }
}

/// Send what was kept until there is a session, if there is one. Who was asked has one only when the other has spoken:
/// asked for earlier, what is kept would be put back behind the rest, out of order.
async fn flush<D>(shared: &Shared<D>, link: &Link, pair: &Pair, buffer: &mut [u8]) {
    while pair.age().is_some() {
        let result = pair.tunn().decapsulate(None, &[], buffer);
        let TunnResult::WriteToNetwork(datagram) = result else { return };
        shared.send(datagram, link.place.address()).await;
    }
}

/// The socket is of the newer family and speaks both.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}
