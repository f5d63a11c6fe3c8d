//! An IPv4 subnet of one host: its gateway, the part Docker gives addresses from, and the part we do.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The longest prefix that leaves room for containers.
const LONGEST: u8 = 28;

/// A subnet, `10.42.3.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: u32,
    length: u8,
}

/// Text that is no subnet a host can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no IPv4 subnet with room for containers, such as 10.42.3.0/24")]
pub struct BadSubnet(String);

impl Subnet {
    /// The subnet of this length that holds an address.
    pub fn of(address: Ipv4Addr, length: u8) -> Option<Self> {
        (1..=LONGEST).contains(&length).then(|| {
            let host_bits = u32::MAX.checked_shr(u32::from(length)).unwrap_or_default();
            Self { base: u32::from(address) & !host_bits, length }
        })
    }

    /// Its first address.
    pub fn base(self) -> Ipv4Addr {
        self.base.into()
    }

    /// Bits that all its addresses have in common.
    pub fn length(self) -> u8 {
        self.length
    }

    /// The bridge's address.
    pub fn gateway(self) -> Ipv4Addr {
        (self.base + 1).into()
    }

    /// The lower half, which Docker gives addresses from.
    pub fn dynamic(self) -> String {
        format!("{}/{}", self.base(), self.length + 1)
    }

    /// The upper half without the last address, which means everyone.
    pub fn chosen(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = 1_u32 << (32 - u32::from(self.length));
        (self.base + size / 2..self.base + size - 1).map(Ipv4Addr::from)
    }

    /// Every address a container here can have.
    pub fn all(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = 1_u32 << (32 - u32::from(self.length));
        (self.base + 2..self.base + size - 1).map(Ipv4Addr::from)
    }

    /// Whether a container here can have an address.
    pub fn has(self, address: Ipv4Addr) -> bool {
        let size = 1_u32 << (32 - u32::from(self.length));
        let place = u32::from(address).checked_sub(self.base);
        place.is_some_and(|place| place > 1 && place < size - 1)
    }
}

impl FromStr for Subnet {
    type Err = BadSubnet;

    fn from_str(text: &str) -> Result<Self, BadSubnet> {
        let parsed = text
            .split_once('/')
            .and_then(|(address, length)| Self::of(address.parse().ok()?, length.parse().ok()?));
        parsed.ok_or_else(|| BadSubnet(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let subnet: Subnet = "10.42.3.77/24".parse().unwrap();
        assert_eq!(
            (subnet.to_string(), subnet.gateway().to_string()),
            ("10.42.3.0/24".into(), "10.42.3.1".into())
        );
        assert_eq!(subnet.dynamic(), "10.42.3.0/25");
        let chosen: Vec<_> = subnet.chosen().map(|a| a.to_string()).collect();
        assert_eq!(
            (chosen.len(), chosen[0].as_str(), chosen[126].as_str()),
            (127, "10.42.3.128", "10.42.3.254")
        );
        for (text, want) in [
            ("10.42.3.2", true),
            ("10.42.3.254", true),
            ("10.42.3.1", false),
            ("10.42.3.0", false),
            ("10.42.3.255", false),
            ("10.42.4.9", false),
        ] {
            assert_eq!(subnet.has(text.parse().unwrap()), want, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in ["", "10.42.3.0", "10.42.3.0/31", "10.42.3.0/0", "fd00::/64", "10.42.3.0/x"] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }
}
