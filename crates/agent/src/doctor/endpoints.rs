//! Who is on the network by Docker's word: every address it gave, to which container, and whether that runs.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptionsBuilder};
use drover_core::{UnitKey, label};

use crate::docker::{ANSWER, Engine, in_time};
use crate::network::NETWORK;
use crate::system::SystemKind;

/// An address that Docker gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) address: Ipv4Addr,
    pub(super) mac: String,
    pub(super) docker_id: String,
    /// Name of the container if it runs, else empty.
    pub(super) container: String,
    pub(super) unit: Option<UnitKey>,
    /// It is the name service's.
    pub(super) answers_names: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::UNSPECIFIED,
            mac: String::new(),
            docker_id: String::new(),
            container: String::new(),
            unit: None,
            answers_names: false,
        }
    }
}

/// Everything Docker gave on the network, in the order of addresses.
pub(super) async fn given(engine: &Engine) -> Result<Vec<Given>, String> {
    let words = |error: bollard::errors::Error| error.to_string();
    let asked = engine.client().inspect_network(NETWORK, None::<InspectNetworkOptions>);
    let network = in_time(ANSWER, asked).await.map_err(words)?;
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let containers = in_time(ANSWER, engine.client().list_containers(Some(options))).await;
    let containers: BTreeMap<String, ContainerSummary> = (containers.map_err(words)?.into_iter())
        .filter_map(|container| Some((container.id.clone()?, container)))
        .collect();
    let endpoints = network.containers.unwrap_or_default().into_iter();
    let mut given: Vec<Given> = endpoints
        .filter_map(|(id, endpoint)| {
            let address = endpoint.ipv4_address?;
            let address = address.split('/').next()?.parse().ok()?;
            let mac = endpoint.mac_address.unwrap_or_default();
            let one = Given { address, mac, docker_id: id.clone(), ..Given::default() };
            Some(described(one, containers.get(&id), &engine.cluster))
        })
        .collect();
    given.sort_by_key(|given| given.address);
    Ok(given)
}

/// Name of the name service's container; empty if there is none.
pub(super) async fn name_service(engine: &Engine) -> String {
    let ours = format!("{}={}", label::CLUSTER, engine.cluster);
    let system = format!("{}={}", label::SYSTEM, SystemKind::Discovery.name());
    let filters = HashMap::from([("label", vec![ours, system])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let listed = in_time(ANSWER, engine.client().list_containers(Some(options))).await;
    listed.unwrap_or_default().iter().map(name).next().unwrap_or_default()
}

fn described(given: Given, container: Option<&ContainerSummary>, cluster: &str) -> Given {
    let Some(container) = container else { return given };
    let empty = HashMap::new();
    let labels = container.labels.as_ref().unwrap_or(&empty);
    let ours = labels.get(label::CLUSTER).is_some_and(|owner| owner == cluster);
    let up = matches!(
        container.state,
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::PAUSED)
    );
    Given {
        container: if up { name(container) } else { String::new() },
        unit: labels.get(label::UNIT).filter(|_| ours).and_then(|unit| unit.parse().ok()),
        answers_names: ours
            && labels.get(label::SYSTEM).is_some_and(|what| what == SystemKind::Discovery.name()),
        ..given
    }
}

fn name(container: &ContainerSummary) -> String {
    let name = container.names.iter().flatten().next().map(String::as_str).unwrap_or_default();
    name.trim_start_matches('/').to_owned()
}
