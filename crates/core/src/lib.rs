//! Drover's nouns and rules: what a cluster is, what should happen next, and what must never be.
//!
//! Pure: no I/O, no clock, no randomness, no hash maps. Time and observations are handed in, decisions are
//! handed out. These types are also the agent protocol and the stored JSON; the golden files under
//! `tests/golden` pin their shape.
//!
//! Read in this order: [`World`] (the snapshot), [`Service`] and [`Revision`] (what users want), [`Unit`] (what is
//! planned and seen), [`plan`] (what to do next), [`mod@derive`] (what follows from a snapshot), [`check`] (what
//! must hold).
// A new phase must break every `match` that doesn't know it yet.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

mod assignment;
mod balancer;
mod change;
pub mod check;
mod container;
mod credential;
pub mod derive;
mod host;
mod id;
pub mod label;
pub mod name;
pub mod plan;
mod project;
pub mod protocol;
pub mod schedule;
mod service;
mod time;
mod unit;
mod upgrade;
mod volume;
mod world;

pub use assignment::{
    AssignedTemplate, AssignedUnit, AssignedVolume, HostAssignment, RegistryLogin, Role,
};
pub use balancer::{
    BalancerConfig, BalancerSpec, BalancerStatus, Listener, PortRule, Route, RuleProtocol, Target,
};
pub use change::{Change, LoggedChange, Refused, Scope};
pub use container::{
    BadPort, BlkioDevice, ContainerSpec, DockerHealth, HealthCheck, HealthStrategy, NetworkMode,
    PortSpec, Protocol, Ulimit,
};
pub use credential::{Credential, Grant, Login, Registry, Secret};
pub use host::{Host, HostFacts, HostSeen};
pub use id::{
    BadUnitKey, CredentialId, HostId, ProjectId, RegistryId, RevisionNo, ServiceId, Slot, StackId,
    UnitKey, VolumeTemplateId,
};
pub use project::{Project, Stack};
pub use service::{
    External, Link, PickedPort, Restart, Revision, Service, ServiceKind, Template, UpgradeDefaults,
    Wanted,
};
pub use time::Time;
pub use unit::{Desired, Health, Observed, ObservedContainer, Phase, Unit};
pub use upgrade::{Upgrade, UpgradePhase};
pub use volume::{VolumeKey, VolumeTemplate};
pub use world::{BadRow, CLUSTER_SETTING, Row, RowKey, World};
