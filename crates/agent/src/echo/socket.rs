//! A socket for ICMP echo: what is sent must not be cut into pieces, and everything that arrives is seen, other hosts'
//! requests too. Needs CAP_NET_RAW, which an agent that sets up a network has.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, set_ip_mtu_discover, set_socket_recv_buffer_size,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::UdpSocket;

/// Room for what arrives while nobody reads, bytes.
const WAITING: usize = 1 << 20;

/// The socket. It is no UDP socket, but waiting, sending and receiving are the same calls for both.
pub(crate) struct EchoSocket(UdpSocket);

impl EchoSocket {
    /// Open one.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let icmp = Some(ipproto::ICMP);
        let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, icmp)?;
        // Whatever was learned of the way before: this is to find out how it is now.
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
        set_socket_recv_buffer_size(&socket, WAITING)?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// Send.
    pub(crate) async fn send(&self, to: Ipv4Addr, message: &[u8]) -> io::Result<()> {
        self.0.send_to(message, SocketAddrV4::new(to, 0)).await.map(drop)
    }

    /// The next packet, IP header and all; its length.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }
}
