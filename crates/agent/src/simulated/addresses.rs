//! Addresses as a simulated engine gives them: the first that is free, or the one that is asked for. Pure.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bollard::models::NetworkCreateRequest;

use crate::network::Subnet;

/// Docker's own bridge, and its addresses.
const BRIDGE: (&str, &str) = ("bridge", "172.17.0.0/16");

/// An address on the network of this name; `asked` is how it was made, if it was. A status and Docker's words if there is
/// none to be had.
pub(super) fn give(
    name: &str,
    asked: Option<&NetworkCreateRequest>,
    wish: Option<Ipv4Addr>,
    taken: &BTreeSet<Ipv4Addr>,
) -> Result<Ipv4Addr, (u16, String)> {
    if let Some(wish) = wish {
        let is_free = !taken.contains(&wish);
        return is_free.then_some(wish).ok_or_else(|| (403, "Address already in use".to_owned()));
    }
    let range = match asked {
        Some(asked) => range(asked),
        None if name == BRIDGE.0 => BRIDGE.1.parse().ok(),
        None => return Err((404, format!("network {name} not found"))),
    };
    let free = range.and_then(|range| range.all().find(|address| !taken.contains(address)));
    free.ok_or_else(|| (500, "no available IPv4 addresses on this network".to_owned()))
}

/// Whether an address is one of Docker's own bridge, of which every host has one.
pub(super) fn is_on_bridge(address: Ipv4Addr) -> bool {
    BRIDGE.1.parse::<Subnet>().is_ok_and(|bridge| bridge.has(address))
}

/// The addresses of a network.
pub(super) fn subnet(network: &NetworkCreateRequest) -> Option<Subnet> {
    let config = network.ipam.as_ref()?.config.as_ref()?.first()?;
    config.subnet.as_ref()?.parse().ok()
}

/// The part of it that addresses are given from.
fn range(network: &NetworkCreateRequest) -> Option<Subnet> {
    let config = network.ipam.as_ref()?.config.as_ref()?.first()?;
    let given = config.ip_range.as_ref().and_then(|range| range.parse().ok());
    given.or_else(|| subnet(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_free_or_the_one_asked_for() {
        let taken = ["172.17.0.2", "172.17.0.9"].map(|a| a.parse().unwrap()).into();
        let check = |name: &str, wish: Option<&str>, want: Result<&str, u16>| {
            let given = give(name, None, wish.map(|wish| wish.parse().unwrap()), &taken);
            let given = given.map(|address| address.to_string()).map_err(|(status, _)| status);
            assert_eq!(given, want.map(str::to_owned), "{name} {wish:?}");
        };
        check("bridge", None, Ok("172.17.0.3"));
        check("bridge", Some("172.17.0.7"), Ok("172.17.0.7"));
        check("bridge", Some("172.17.0.9"), Err(403));
        check("drover", None, Err(404));
    }
}
