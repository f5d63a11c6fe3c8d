//! The agent's part of the network doctor: looking at its own host, and probing the ways to others. It measures; what
//! that means is decided by [`drover_core::doctor`], from all hosts' findings at once.

mod endpoints;
mod names;
mod pings;
mod ways;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use drover_core::HostNetwork;
use drover_core::doctor::{Endpoint, Examined, ProbeTarget, Probed, WrongNeighbour};

use crate::docker::Engine;
use crate::network::{self, Checked, Sealing};
use endpoints::Given;

/// What the agent knows without looking.
pub(crate) struct Known {
    /// Which host this is.
    pub(crate) host: u64,
    /// The network as it is assigned.
    pub(crate) network: Option<HostNetwork>,
    /// What is known of the process that encrypts.
    pub(crate) sealing: Sealing,
    /// Why it is not as it shall be; empty if it is.
    pub(crate) problem: String,
    /// Why the name service could not be started; empty if that is not known to be so.
    pub(crate) no_names: String,
    /// Addresses that slots keep.
    pub(crate) kept: BTreeMap<String, String>,
}

/// Look at the host's own part of the network. `name` is one that its name service must answer; empty for none.
pub(crate) async fn examine(engine: &Engine, known: &Known, name: &str) -> Examined {
    let Known { network, sealing, problem, no_names, kept, .. } = known;
    let mut found = Examined {
        network: network.clone(),
        problem: problem.clone(),
        kept: kept.clone(),
        ..Examined::default()
    };
    let Some(network) = network.as_ref().filter(|_| problem.is_empty()) else { return found };
    let given = match endpoints::given(engine).await {
        Ok(given) => given,
        Err(why) => {
            found.problem = format!("Docker can't say who is on it: {why}");
            return found;
        }
    };
    // After these, the kernel has asked for every neighbour.
    let container = endpoints::name_service(engine).await;
    let (answering, names) =
        tokio::join!(ways::answering(known.host, &given), names::ask(&given, container, name));
    found.names = names;
    if !found.names.running {
        found.names.dns.clone_from(no_names);
    }
    match network::check(network, sealing).await {
        Ok(checked) => {
            let Checked { underlay_mtu, mtu, deviations, neighbours } = checked;
            found.neighbours = wrong_neighbours(&given, &neighbours);
            (found.underlay_mtu, found.mtu, found.deviations) = (underlay_mtu, mtu, deviations);
        }
        Err(error) => found.problem = error.to_string(),
    }
    let endpoint = |given: Given| Endpoint {
        answers: answering.contains(&given.address),
        address: given.address.to_string(),
        docker_id: given.docker_id,
        container: given.container,
        unit: given.unit,
    };
    found.endpoints = given.into_iter().map(endpoint).collect();
    found
}

/// Probe the ways to other hosts, and listen for their probes meanwhile.
pub(crate) async fn probe(known: &Known, targets: Vec<ProbeTarget>) -> Probed {
    let Some(network) = &known.network else {
        let problem = "it has no part of the network".to_owned();
        return Probed { problem, ..Probed::default() };
    };
    match network::check(network, &known.sealing).await {
        Ok(checked) => ways::probe(known.host, (checked.underlay_mtu, checked.mtu), targets).await,
        Err(error) => Probed { problem: error.to_string(), ..Probed::default() },
    }
}

/// Neighbours that have a running container's address and not its link layer address.
fn wrong_neighbours(given: &[Given], held: &[network::Neighbour]) -> Vec<WrongNeighbour> {
    let running: BTreeMap<Ipv4Addr, &Given> =
        given.iter().filter(|g| !g.container.is_empty()).map(|g| (g.address, g)).collect();
    let wrong = held.iter().filter_map(|neighbour| {
        let owner = running.get(&neighbour.address)?;
        let mac = neighbour.mac.to_string();
        (!owner.mac.is_empty() && owner.mac != mac).then(|| WrongNeighbour {
            address: neighbour.address.to_string(),
            held: mac,
            right: owner.mac.clone(),
            container: owner.container.clone(),
            permanent: neighbour.permanent,
        })
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::Neighbour;
    use network::plan::Mac;

    #[test]
    fn a_neighbour_is_wrong_if_a_container_that_runs_has_its_address() {
        let given = |address: &str, container: &str| Given {
            address: address.parse().unwrap(),
            mac: "02:42:0a:2a:01:05".into(),
            container: container.into(),
            ..Given::default()
        };
        let all = [given("10.42.1.5", "web"), given("10.42.1.6", ""), given("10.42.1.7", "db")];
        let held = |address: &str, last: u8| Neighbour {
            address: address.parse().unwrap(),
            mac: Mac([2, 0x42, 10, 42, 1, last]),
            permanent: true,
        };
        let held = [
            held("10.42.1.5", 9),
            held("10.42.1.6", 9),
            held("10.42.1.7", 5),
            held("10.42.1.8", 9),
        ];
        let wrong = wrong_neighbours(&all, &held);
        let told: Vec<_> = wrong.iter().map(|w| (w.container.as_str(), w.held.as_str())).collect();
        assert_eq!(told, [("web", "02:42:0a:2a:01:09")]);
    }
}
