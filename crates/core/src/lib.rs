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

mod account;
mod assignment;
mod audit;
mod balancer;
mod certificate;
mod change;
pub mod check;
mod cipher;
mod container;
mod credential;
mod dependence;
pub mod derive;
mod discovery;
pub mod doctor;
mod follow;
pub mod forecast;
mod health;
mod hearing;
mod host;
mod host_loss;
mod id;
mod image;
pub mod label;
pub mod name;
mod network;
pub mod plan;
mod project;
mod project_template;
pub mod protocol;
mod rebalance;
mod retention;
mod rights;
mod rollout;
mod sample;
mod scale_policy;
pub mod schedule;
mod secret;
mod selector;
mod service;
mod time;
mod tuning;
mod unit;
mod upgrade;
mod uuid;
mod volume;
mod webhook;
mod witness;
mod world;

pub use account::{Account, AccountKind, ExternalId, Identity, Member, MemberRole};
pub use assignment::{
    AssignedTemplate, AssignedUnit, AssignedVolume, HostAssignment, RegistryLogin, Role,
};
pub use audit::Audit;
pub use balancer::{
    BalancerConfig, BalancerSpec, BalancerStatus, CertificatePem, Hold, Listener, PortRule, Route,
    RuleProtocol, Stickiness, StickinessMode, Target,
};
pub use certificate::Certificate;
pub use change::{Change, LoggedChange, Refused, Scope};
pub use cipher::{CipherConfig, CipherLink, CipherPeer, CipherStatus};
pub use container::{BadPort, BlkioDevice, ContainerSpec, NetworkMode, PortSpec, Protocol, Ulimit};
pub use credential::{Credential, Grant, Login, Registry, Secret};
pub use dependence::{Condition, DependsOn};
pub use discovery::{
    DiscoveredContainer, DiscoveredHost, DiscoveredMember, DiscoveredProject, DiscoveredService,
    DiscoveredStack, Discovery, DiscoveryStatus, DiscoveryUpdate,
};
pub use follow::{Counts, Failure, Followed, Ledger};
pub use health::{Checked, DockerHealth, HealthCheck, HealthStrategy};
pub use hearing::{Hearing, HearingNow, Word};
pub use host::{Evacuation, Host, HostFacts, HostSeen, Tunnels};
pub use host_loss::{BadOnHostLoss, FENCED_AFTER_MS, LEASE_GRACE_S, LEASE_MS, OnHostLoss};
pub use id::{
    AccountId, BadUnitKey, CertificateId, CredentialId, HostId, MemberId, ProjectId,
    ProjectTemplateId, RegistryId, RevisionNo, SecretId, ServiceId, Slot, StackId, UnitKey,
    VolumeId, VolumeTemplateId, WebhookId,
};
pub use image::pinned;
pub use network::{
    DEFAULT_RANGE, DISCOVERY_ADDRESS, ENCRYPTION_SETTING, HostNetwork, KEYS_SETTING, Peer,
    RANGE_SETTING, VXLAN_PORT, WIREGUARD_PORT, is_range,
};
pub use project::{Project, ProjectSettings, Stack};
pub use project_template::{ProjectTemplate, TemplateStack};
pub use rebalance::{Move, Rebalance};
pub use retention::{DEFAULT_REVISIONS, REVISIONS_SETTING, is_revisions, kept_revisions};
pub use rights::{Rank, Rights};
pub use rollout::{Rollout, RolloutPhase, Texts};
pub use sample::{CpuUse, DiskUse, InterfaceUse, Sample};
pub use scale_policy::ScalePolicy;
pub use secret::{ProjectSecret, SECRET_MODE, SECRETS_FOLDER, SecretFile, is_file_name};
pub use selector::{BadSelector, Selector};
pub use service::{
    Driver, External, Link, PickedPort, Remarks, Restart, Revision, Service, ServiceKind, Template,
    UpgradeDefaults, Wanted,
};
pub use time::Time;
pub use tuning::{BackendTuning, BadTuning, Balance, ListenerTuning, Tuning, TuningText, Unheeded};
pub use unit::{Desired, Failed, Health, Observed, ObservedContainer, Phase, Tally, Unit};
pub use upgrade::{
    AT_LEAST, Course, DEADLINE_MS, FinishPolicy, MAX_FAILURES, OnFailure, Outcome, Pace,
    RequestBounds, Shift, Side, Together, Upgrade, UpgradePhase, UpgradePolicy, VERIFY_FOR_MS,
    Verify, VerifyAsk, VerifyProbe,
};
pub use uuid::uuid;
pub use volume::{ProjectVolume, VolumeKey, VolumeTemplate};
pub use webhook::{Payload, ScaleHook, UpgradeHook, Webhook, WebhookDriver};
pub use witness::{Verdict, Watched, Witnessed};
pub use world::{BadRow, CLUSTER_SETTING, Row, RowKey, World};
