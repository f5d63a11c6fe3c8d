//! A socket for ICMP echo: what is sent must not be cut into pieces, and everything that arrives is seen, other hosts'
//! requests too. Needs CAP_NET_RAW, which an agent that sets up a network has.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, set_ip_mtu_discover, set_socket_recv_buffer_size,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with,
};
use tokio::io::unix::AsyncFd;

/// Room for what arrives while nobody reads, bytes.
const WAITING: usize = 1 << 20;

/// The socket.
pub(super) struct EchoSocket(AsyncFd<OwnedFd>);

impl EchoSocket {
    /// Open one.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let icmp = Some(ipproto::ICMP);
        let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, icmp)?;
        // Whatever was learned of the way before: this is to find out how it is now.
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
        set_socket_recv_buffer_size(&socket, WAITING)?;
        Ok(Self(AsyncFd::register(socket)?))
    }

    /// Send, or not: what doesn't go at once is lost, as on the way.
    pub(super) fn send(&self, to: Ipv4Addr, message: &[u8]) -> io::Result<()> {
        let to = SocketAddrV4::new(to, 0);
        sendto(self.0.get_ref(), message, SendFlags::empty(), &to)?;
        Ok(())
    }

    /// The next packet, IP header and all; its length.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let read = |socket: &AsyncFd<OwnedFd>| {
                let (length, _) = recv(socket.get_ref(), &mut *buffer, RecvFlags::empty())?;
                Ok(length)
            };
            if let Ok(done) = ready.try_io(read) {
                return done;
            }
        }
    }
}
