//! The UDP socket that encrypted packets go through, for both families at once.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// Room for what comes while the process does something else, bytes: a burst of one host to another.
const BUFFER: usize = 4 << 20;

/// A socket at `port`; 0 is any.
pub(super) fn open(port: u16) -> io::Result<std::net::UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, None)?;
    sockopt::set_ipv6_v6only(&socket, false)?;
    // Where the way is narrower than this host's own device the network cuts packets up, as it does those in the clear.
    sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?;
    sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DONT)?;
    for size in [sockopt::set_socket_recv_buffer_size, sockopt::set_socket_send_buffer_size] {
        size(&socket, BUFFER)?;
    }
    // With the right to set up networks, more than others may have.
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER);
    bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))?;
    Ok(socket.into())
}
