//! Which servers are asked for names that are not ours, as users and hosts write them down. Never this one: a question
//! would come back for ever.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use drover_core::DISCOVERY_ADDRESS;

/// Where nothing else is known, as Rancher has it.
const LAST: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];

/// The host's servers, or else public ones.
pub(super) fn recursers(given: &[String], own: SocketAddr) -> Vec<SocketAddr> {
    let found = readable(given, own).collect::<Vec<_>>();
    if !found.is_empty() {
        return found;
    }
    LAST.map(|server| (server, 53).into()).into()
}

/// Servers of a container's spec. Its own loopback is not ours to reach.
pub(super) fn usable_by_containers(given: &[String], own: SocketAddr) -> Vec<SocketAddr> {
    readable(given, own).filter(|server| !server.ip().is_loopback()).collect()
}

/// `address` or `address:port`.
fn readable(given: &[String], own: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let with_port = |text: &String| {
        let alone = text.trim().parse::<IpAddr>().map(|address| (address, 53).into());
        alone.or_else(|_| text.trim().parse::<SocketAddr>()).ok()
    };
    let here = DISCOVERY_ADDRESS.parse::<IpAddr>().ok();
    given
        .iter()
        .filter_map(with_port)
        .filter(move |server| Some(server.ip()) != here && *server != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_never_this_one() {
        let own = "127.0.0.1:5300".parse().unwrap();
        let check = |find: fn(&[String], SocketAddr) -> Vec<SocketAddr>,
                     given: &[&str],
                     want: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            let found: Vec<String> = find(&given, own).iter().map(ToString::to_string).collect();
            assert_eq!(found, want, "{given:?}");
        };
        check(recursers, &["10.0.0.2", " 10.0.0.3:5353"], &["10.0.0.2:53", "10.0.0.3:5353"]);
        check(
            recursers,
            &["169.254.169.250", "127.0.0.1:5300", "x"],
            &["8.8.8.8:53", "8.8.4.4:53"],
        );
        check(recursers, &["127.0.0.53"], &["127.0.0.53:53"]);
        check(recursers, &[], &["8.8.8.8:53", "8.8.4.4:53"]);
        check(usable_by_containers, &["127.0.0.53", "10.0.0.2", "::1"], &["10.0.0.2:53"]);
        check(usable_by_containers, &["169.254.169.250"], &[]);
    }
}
