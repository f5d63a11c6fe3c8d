//! The container that a member of a unit becomes: its spec in the words of Docker's API. Pure; whether it can be
//! made is Docker's to say.
//!
//! Docker's own restart policy is always off: the agent is the one that restarts, because it knows what a unit
//! shall be.

mod body;
mod labels;
mod mounts;
mod network;
mod resources;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use bollard::models::ContainerCreateBody;
use drover_core::{AssignedTemplate, AssignedUnit, ContainerSpec, HostAssignment, Role, UnitKey};

pub use mounts::named_volumes;

/// Everything the container of one member depends on.
pub struct Making<'a> {
    /// Its unit.
    pub key: UnitKey,
    /// What is assigned of the unit.
    pub unit: &'a AssignedUnit,
    /// Its configuration.
    pub template: &'a AssignedTemplate,
    /// Its name in the unit; empty for the primary.
    pub member: &'a str,
    /// Its spec.
    pub spec: &'a ContainerSpec,
    /// Id of the cluster.
    pub cluster: &'a str,
    /// The image to run: a reference, with its digest where that is known.
    pub image: &'a str,
    /// Containers of the members it builds on.
    pub siblings: &'a BTreeMap<String, String>,
    /// Hosts are joined: the managed network is the project's own.
    pub joined: bool,
    /// The address it is to have; `None` leaves it to Docker.
    pub address: Option<Ipv4Addr>,
    /// Its names, if they are the platform's.
    pub names: Option<GivenNames<'a>>,
    /// For a balancer: the folder on the host with its configuration and status.
    pub balancer_folder: Option<&'a Path>,
    /// The folder on the host with its secrets, if it reads any.
    pub secrets_folder: Option<&'a Path>,
    /// The engine's API, e.g. (1, 41).
    pub api: (usize, usize),
}

/// Names of the platform's for a container.
#[derive(Clone, Copy, Debug)]
pub struct GivenNames<'a> {
    /// Its search domains.
    pub search: &'a [String],
    /// The file on the host that is to be its `/etc/resolv.conf`.
    pub file: &'a Path,
}

/// Why no container can be described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// It builds on a member that the unit doesn't have.
    #[error(
        "{what} of `{name}`, which is neither the service itself nor one of its sidekicks: correct the name"
    )]
    NoSuchMember {
        /// What it wants of it.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The engine is too old for a field.
    #[error("mac_address needs Docker Engine 25 (API 1.44) or newer; this host's has API {0}.{1}")]
    MacAddress(usize, usize),
}

impl<'a> Making<'a> {
    /// The member of an assigned unit; `None` if the assignment doesn't hold it.
    pub fn of(
        assignment: &'a HostAssignment,
        key: UnitKey,
        member: &'a str,
        siblings: &'a BTreeMap<String, String>,
    ) -> Option<Self> {
        let unit = assignment.units.get(&key)?;
        let template = assignment.templates.get(&unit.template)?;
        let spec = template.template.members().find(|(name, _)| *name == member)?.1;
        Some(Self {
            key,
            unit,
            template,
            member,
            spec,
            cluster: &assignment.cluster,
            image: &spec.image,
            siblings,
            joined: assignment.network.is_some(),
            address: None,
            names: None,
            balancer_folder: None,
            secrets_folder: None,
            api: (1, 41),
        })
    }

    /// Whether it runs Drover's balancer instead of an image of the user's.
    pub fn is_balancer(&self) -> bool {
        self.template.role == Role::Balancer && self.member.is_empty()
    }
}

/// What Docker is asked to make.
pub fn create_body(making: &Making<'_>) -> Result<ContainerCreateBody, BadSpec> {
    body::body(making)
}

fn some_list(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn some_text(text: Option<&String>) -> Option<String> {
    text.filter(|t| !t.is_empty()).cloned()
}

/// `Some(true)` or nothing: Docker's default is false, and an image's default must not be overridden.
fn some_flag(flag: bool) -> Option<bool> {
    flag.then_some(true)
}
