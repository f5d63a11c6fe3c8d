//! The wire between hosts, for those who should learn nothing from it: everything that passes is seen, and packets can be
//! made up. Hosts hang on a bridge of the machine that the tests run on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use drover_core::VXLAN_PORT;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

/// Every protocol, as the kernel writes it for sockets that see all.
const ALL: u32 = 3;
/// Where the addresses of IPv4 begin in a frame.
const ADDRESSES: usize = 14 + 12;
/// What a frame ends in that the listener sent to itself, before the port that it came from.
const MARK: &[u8] = b"drover-test: all before this was seen: ";
/// Frames that wait to be seen, in bytes: all that a test makes in one go.
const LINE: usize = 64 << 20;
/// How long one look for more lasts.
const PAUSE: Duration = Duration::from_millis(100);
/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who listens, until dropped.
pub(crate) struct Wiretap {
    seen: Arc<Seen>,
    ended: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seen {
    frames: Mutex<Vec<Vec<u8>>>,
    came: Condvar,
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Wiretap {
    /// Listen to what goes between two hosts.
    pub(crate) fn begin(hosts: &[Ipv4Addr]) -> Self {
        let socket = open();
        let (seen, ended) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (kept, stop) = (seen.clone(), ended.clone());
        let hosts: Vec<[u8; 4]> = hosts.iter().map(Ipv4Addr::octets).collect();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, _)) = recv(&socket, &mut buffer[..], RecvFlags::empty()) else {
                    continue;
                };
                let frame = &buffer[..length];
                let ends = frame.get(ADDRESSES..ADDRESSES + 8).map(|ends| ends.split_at(4));
                let between = |(from, to): (&[u8], &[u8])| {
                    hosts.iter().any(|h| h == from) && hosts.iter().any(|h| h == to)
                };
                if ends.is_some_and(between) || is_mark(frame) {
                    kept.frames.lock().unwrap().push(frame.to_vec());
                    kept.came.notify_all();
                }
            }
        });
        Self { seen, ended }
    }

    /// What passed since the last question. Frames wait in line to be seen: one of its own is sent after them, and waited
    /// for.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        let began = Instant::now();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let itself = socket.local_addr().unwrap();
        let mark = [MARK, &itself.port().to_be_bytes()].concat();
        loop {
            // Again and again: a line that is full takes no more.
            socket.send_to(&mark, itself).unwrap();
            let frames = self.seen.frames.lock().unwrap();
            let in_line = |frames: &mut Vec<Vec<u8>>| !frames.iter().any(|f| f.ends_with(&mark));
            let waited = self.seen.came.wait_timeout_while(frames, PAUSE, in_line).unwrap();
            let (mut frames, waited) = waited;
            if !waited.timed_out() {
                let mut taken = std::mem::take(&mut *frames);
                taken.retain(|frame| !is_mark(frame));
                return taken;
            }
            assert!(began.elapsed() < PATIENCE, "the wire was not seen to its end");
        }
    }
}

/// Whether the listener sent it to itself.
fn is_mark(frame: &[u8]) -> bool {
    frame.len().checked_sub(2).is_some_and(|end| frame[..end].ends_with(MARK))
}

/// A UDP packet's port that it goes to, if it is one.
pub(crate) fn port(frame: &[u8]) -> Option<u16> {
    let is_udp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&17);
    let port = frame.get(36..38).filter(|_| is_udp)?;
    Some(u16::from_be_bytes(port.try_into().unwrap()))
}

pub(crate) fn holds(frame: &[u8], text: &[u8]) -> bool {
    frame.windows(text.len()).any(|piece| piece == text)
}

fn open() -> OwnedFd {
    let protocol = Protocol::from_raw((ALL << 8).try_into().unwrap());
    let (family, kind) = (AddressFamily::PACKET, SocketType::RAW);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(PAUSE)).unwrap();
    set_socket_recv_buffer_size_force(&socket, LINE).unwrap();
    socket
}

/// Send a host a packet for one of its containers as if another host had sent it, in the clear: UDP to port 9, where
/// nobody listens.
pub(crate) fn forge(host: IpAddr, vni: u32, mac: [u8; 6], from: Ipv4Addr, to: Ipv4Addr) {
    let mut inner = vec![0x45, 0, 0, 28 + 4, 0, 1, 0, 0, 64, 17, 0, 0];
    inner.extend(from.octets());
    inner.extend(to.octets());
    let sum = inner.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum::<u32>();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    inner[10..12].copy_from_slice(&sum.to_be_bytes());
    inner.extend([0, 9, 0, 9, 0, 12, 0, 0]);
    inner.extend(b"evil");
    let vni = vni.to_be_bytes();
    let mut packet = vec![8, 0, 0, 0, vni[1], vni[2], vni[3], 0];
    packet.extend(mac);
    packet.extend([2, 0, 0, 0, 0, 1, 8, 0]);
    packet.extend(inner);
    let any: IpAddr = if host.is_ipv4() { [0, 0, 0, 0].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket.send_to(&packet, SocketAddr::new(host, VXLAN_PORT)).unwrap();
}
