//! The wire between hosts, for those who should learn nothing from it: everything that passes is seen, and packets can be
//! made up. Hosts hang on a bridge of the machine that the tests run on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_core::VXLAN_PORT;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

/// Every protocol, as the kernel writes it for sockets that see all.
const ALL: u32 = 3;
/// Where the addresses of IPv4 begin in a frame.
const ADDRESSES: usize = 14 + 12;

/// Somebody who listens, until dropped.
pub(crate) struct Wiretap {
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
    ended: Arc<AtomicBool>,
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
        let (frames, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, stop) = (frames.clone(), ended.clone());
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
                if ends.is_some_and(between) {
                    kept.lock().unwrap().push(frame.to_vec());
                }
            }
        });
        Self { frames, ended }
    }

    /// What was seen since the last question.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.frames.lock().unwrap())
    }
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
    let patience = Some(Duration::from_millis(100));
    set_socket_timeout(&socket, Timeout::Recv, patience).unwrap();
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
