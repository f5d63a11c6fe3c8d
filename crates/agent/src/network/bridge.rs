//! Docker's side of the network: one bridge network of a fixed name, with this host's subnet. Made if it is missing,
//! made anew if it is another than wanted and nobody uses it; never taken from someone who does.

use std::collections::HashMap;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptionsBuilder};
use drover_core::label;

use super::kernel::BRIDGE;
use super::subnet::Subnet;
use crate::docker::{ANSWER, WORK, in_time};

/// Docker's name of the network.
pub(crate) const NETWORK: &str = "drover";
/// Option: name of the bridge device.
const DEVICE_OPTION: &str = "com.docker.network.bridge.name";
/// Option: MTU of containers' ends.
const MTU_OPTION: &str = "com.docker.network.driver.mtu";

/// Why Docker has not got the network.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// It is not the one wanted, and in use.
    #[error(
        "the Docker network {NETWORK} of this host {difference}, and {users}: remove these containers, then the agent \
         makes it anew"
    )]
    InUse {
        /// What is different.
        difference: String,
        /// By whom.
        users: String,
    },
    /// Docker says no.
    #[error("can't {what} the Docker network {NETWORK}: {source}")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// Its words.
        source: Error,
    },
    /// Its subnet is taken.
    #[error(
        "can't make the Docker network {NETWORK} with {subnet}, because another network of this host uses some of these \
         addresses: remove that one, or set drover.network.range to a range that is free on all hosts ({source})"
    )]
    Overlap {
        /// The subnet.
        subnet: Subnet,
        /// Docker's words.
        source: Error,
    },
}

/// Bring Docker's network to what it shall be.
pub(super) async fn ensure(
    docker: &Docker,
    cluster: &str,
    subnet: Subnet,
    mtu: u32,
) -> Result<(), BridgeError> {
    let asked = docker.inspect_network(NETWORK, None::<InspectNetworkOptions>);
    let there = match in_time(ANSWER, asked).await {
        Ok(there) => Some(there),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => None,
        Err(source) => return Err(BridgeError::Refused { what: "look at", source }),
    };
    if let Some(there) = there {
        let Some(difference) = difference(&there, cluster, subnet) else { return Ok(()) };
        let users = users(docker, &there, cluster).await?;
        if !users.is_empty() {
            return Err(BridgeError::InUse { difference, users });
        }
        tracing::warn!("the Docker network {NETWORK} {difference}; it is made anew");
        let removed = in_time(WORK, docker.remove_network(NETWORK)).await;
        removed.map_err(|source| BridgeError::Refused { what: "remove", source })?;
    }
    let made = in_time(WORK, docker.create_network(request(cluster, subnet, mtu))).await;
    match made {
        Ok(_) => Ok(()),
        Err(source) if source.to_string().contains("overlap") => {
            Err(BridgeError::Overlap { subnet, source })
        }
        Err(source) => Err(BridgeError::Refused { what: "make", source }),
    }
}

fn request(cluster: &str, subnet: Subnet, mtu: u32) -> NetworkCreateRequest {
    let config = IpamConfig {
        subnet: Some(subnet.to_string()),
        ip_range: Some(subnet.dynamic()),
        gateway: Some(subnet.gateway().to_string()),
        auxiliary_addresses: None,
    };
    let options = [(DEVICE_OPTION, BRIDGE.to_owned()), (MTU_OPTION, mtu.to_string())];
    NetworkCreateRequest {
        name: NETWORK.to_owned(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { driver: None, config: Some(vec![config]), options: None }),
        options: Some(options.map(|(key, value)| (key.to_owned(), value)).into()),
        labels: Some(HashMap::from([(label::CLUSTER.to_owned(), cluster.to_owned())])),
        ..NetworkCreateRequest::default()
    }
}

/// In what the network is another than wanted. Its MTU may be: that of the kernel's devices counts.
fn difference(there: &NetworkInspect, cluster: &str, subnet: Subnet) -> Option<String> {
    let owner = there.labels.as_ref().and_then(|labels| labels.get(label::CLUSTER));
    match owner {
        None => return Some("was made by someone else".to_owned()),
        Some(owner) if owner != cluster => return Some(format!("belongs to the cluster {owner}")),
        Some(_) => {}
    }
    let config = there.ipam.as_ref().and_then(|ipam| ipam.config.as_ref()?.first());
    let has = config.and_then(|config| config.subnet.clone()).unwrap_or_default();
    if has != subnet.to_string() {
        return Some(format!("has the subnet {has}, while this host's is {subnet}"));
    }
    let device = there.options.as_ref().and_then(|options| options.get(DEVICE_OPTION));
    if device.map(String::as_str) != Some(BRIDGE) {
        return Some(format!("is not on the device {BRIDGE}"));
    }
    None
}

/// Who uses the network: containers attached to it, also those that don't run, and another cluster's own processes.
async fn users(
    docker: &Docker,
    there: &NetworkInspect,
    cluster: &str,
) -> Result<String, BridgeError> {
    let owner = there.labels.as_ref().and_then(|labels| labels.get(label::CLUSTER));
    let mut questions = vec![("network", NETWORK.to_owned())];
    if let Some(owner) = owner.filter(|owner| *owner != cluster) {
        questions.push(("label", format!("{}={owner}", label::CLUSTER)));
    }
    let mut names = Vec::new();
    for (filter, value) in questions {
        let filters = HashMap::from([(filter, vec![value])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = in_time(ANSWER, docker.list_containers(Some(options))).await;
        let listed =
            listed.map_err(|source| BridgeError::Refused { what: "ask who uses", source })?;
        names
            .extend(listed.into_iter().filter_map(|container| container.names?.into_iter().next()));
    }
    names.sort();
    names.dedup();
    let shown: Vec<&str> = names.iter().take(3).map(|name| name.trim_start_matches('/')).collect();
    Ok(match names.len() {
        0 => String::new(),
        1 => format!("{} uses it", shown[0]),
        few @ 2..=3 => format!("{few} containers use it ({})", shown.join(", ")),
        many => format!("{many} containers use it ({} …)", shown.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_was_asked_for_is_the_one_wanted() {
        let subnet: Subnet = "10.42.3.0/24".parse().unwrap();
        let inspect = |change: fn(&mut NetworkInspect)| {
            let asked = request("c", subnet, 1450);
            let mut there = NetworkInspect {
                ipam: asked.ipam,
                options: asked.options,
                labels: asked.labels,
                ..NetworkInspect::default()
            };
            change(&mut there);
            difference(&there, "c", subnet)
        };
        assert_eq!(inspect(|_| {}), None);
        let check = |change: fn(&mut NetworkInspect), want: &str| {
            assert_eq!(inspect(change).as_deref(), Some(want));
        };
        check(|there| there.labels = None, "was made by someone else");
        check(
            |there| drop(there.labels.as_mut().unwrap().insert(label::CLUSTER.into(), "d".into())),
            "belongs to the cluster d",
        );
        check(
            |there| there.ipam = request("c", "10.42.4.0/24".parse().unwrap(), 1).ipam,
            "has the subnet 10.42.4.0/24, while this host's is 10.42.3.0/24",
        );
        check(|there| there.options = None, "is not on the device drover0");
    }
}
