//! What the server says of services, containers and hosts, read once into fields with types. Lenient: a member
//! that is missing or of another type counts as not said.

use std::collections::{BTreeMap, BTreeSet};

use drover_api::{ApiError, launch_config};
use drover_core::{Driver, ServiceKind, Template};
use serde_json::{Map, Value};

/// A service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ServiceKind,
    /// What it says of the driver that its containers install.
    pub driver: Option<Driver>,
    /// Its state.
    pub state: String,
    /// `yes`, `no` or `error`.
    pub transitioning: String,
    /// What it waits for or what stands in its way.
    pub message: String,
    /// `healthy`, `unhealthy`, …
    pub health: String,
    /// Units wanted.
    pub scale: u32,
    /// Units that serve.
    pub current_scale: u32,
    /// Actions it offers.
    pub actions: BTreeSet<String>,
    /// Links: name here → service id.
    pub linked: BTreeMap<String, String>,
    /// Everything it said.
    pub whole: Value,
}

impl ServiceView {
    /// Read a service resource.
    pub fn read(value: &Value) -> Self {
        let kind = match text(value, "type").as_str() {
            "loadBalancerService" => ServiceKind::Balancer,
            "dnsService" => ServiceKind::Alias,
            "externalService" => ServiceKind::External,
            _ => ServiceKind::Containers,
        };
        let said = |member: &str| value[member].as_object().cloned().unwrap_or_default();
        let driver = match text(value, "type").as_str() {
            "storageDriverService" => Some(Driver::Storage(said("storageDriver"))),
            "networkDriverService" => Some(Driver::Network(said("networkDriver"))),
            _ => None,
        };
        let linked = value["linkedServices"].as_object().into_iter().flatten();
        Self {
            id: text(value, "id"),
            name: text(value, "name"),
            kind,
            driver,
            state: text(value, "state"),
            transitioning: text(value, "transitioning"),
            message: text(value, "transitioningMessage"),
            health: text(value, "healthState"),
            scale: number(value, "scale"),
            current_scale: number(value, "currentScale"),
            actions: keys(&value["actions"]),
            linked: linked
                .filter_map(|(alias, id)| Some((alias.clone(), id.as_str()?.to_owned())))
                .collect(),
            whole: value.clone(),
        }
    }

    /// The containers of one unit.
    pub fn template(&self) -> Result<Template, ApiError> {
        let (launch, secondaries) =
            (&self.whole["launchConfig"], &self.whole["secondaryLaunchConfigs"]);
        match self.kind {
            ServiceKind::Balancer => launch_config::balancer_from_wire(launch),
            ServiceKind::Containers | ServiceKind::Alias | ServiceKind::External => {
                launch_config::template_from_wire(&self.name, launch, secondaries)
            }
        }
    }

    /// Free data, as stored.
    pub fn metadata(&self) -> Map<String, Value> {
        self.whole["metadata"].as_object().cloned().unwrap_or_default()
    }

    /// State and health in one word, as Rancher's own programs show them.
    pub fn combined(&self) -> &str {
        match self.state.as_str() {
            "active" if !self.health.is_empty() => &self.health,
            state => state,
        }
    }
}

/// A member that is a text; anything else is empty.
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

/// A member that is a small number; anything else is 0.
pub fn number(value: &Value, member: &str) -> u32 {
    value[member].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}
