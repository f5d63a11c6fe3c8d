//! How large a packet may be at each layer on its way to another host. The one place where that is counted.
//!
//! | | bytes | leaves of 1500 |
//! |---|---|---|
//! | clear: outer IPv4 20 (IPv6 40), UDP 8, VXLAN 8, inner Ethernet 14 | 50 (70) | 1450 (1430) for containers |
//! | wire: outer IPv4 20 (IPv6 40), UDP 8, WireGuard 16, its seal 16 | 60 (80) | 1440 (1420) |
//! | sealed, on the wire: IPv6 40, UDP 8, VXLAN 8, inner Ethernet 14 | 70 | 1370 (1350) for containers |

use std::net::IpAddr;

use super::lanes::Tunnel;

const IPV4: u32 = 20;
const IPV6: u32 = 40;
/// UDP, VXLAN, inner Ethernet.
const VXLAN: u32 = 8 + 8 + 14;
/// UDP, WireGuard, its seal.
const WIREGUARD: u32 = 8 + 16 + 16;
/// The smallest packet every host must take, by IPv4.
const SMALLEST: u32 = 576;
/// The same by IPv6, without which the kernel has no IPv6 on a device. Where the way is narrower still the network cuts
/// encrypted packets in two.
const SMALLEST_V6: u32 = 1280;

/// Room on the way to the other hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    underlay: u32,
    /// The header that packets between hosts begin with.
    outer: u32,
}

impl Room {
    /// Where packets between these hosts may have `underlay` bytes. One that is reached by IPv6 takes the room from all.
    pub fn between(hosts: &[IpAddr], underlay: u32) -> Self {
        let outer = if hosts.iter().any(IpAddr::is_ipv6) { IPV6 } else { IPV4 };
        Self { underlay, outer }
    }

    /// For a packet on the wire, bytes.
    pub fn wire(self) -> u32 {
        self.underlay.saturating_sub(self.outer + WIREGUARD).max(SMALLEST_V6)
    }

    /// For a container's packet, bytes.
    pub fn tunnel(self, tunnel: Tunnel) -> u32 {
        match tunnel {
            Tunnel::Clear => self.underlay.saturating_sub(self.outer + VXLAN).max(SMALLEST),
            // On the wire it is IPv6 whatever is outside.
            Tunnel::Sealed => self.wire() - (IPV6 + VXLAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left() {
        let check = |host: &str, underlay: u32, want: (u32, u32, u32)| {
            let room = Room::between(&[host.parse().unwrap()], underlay);
            let got = (room.tunnel(Tunnel::Clear), room.wire(), room.tunnel(Tunnel::Sealed));
            assert_eq!(got, want, "{host} {underlay}");
        };
        check("10.0.0.2", 1500, (1450, 1440, 1370));
        check("fd00::2", 1500, (1430, 1420, 1350));
        check("10.0.0.2", 9000, (8950, 8940, 8870));
        check("10.0.0.2", 1300, (1250, 1280, 1210));
        check("10.0.0.2", 500, (576, 1280, 1210));
    }
}
