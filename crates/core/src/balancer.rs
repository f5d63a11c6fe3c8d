//! What a load balancer is asked to do, and the configuration one balancer process follows.
//!
//! [`BalancerSpec`] is the users' (Rancher's `lb_config`); [`BalancerConfig`] is derived from the snapshot for
//! one balancer unit and is the whole contract between agent and balancer process.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{HealthCheck, HostId, Ledger, Secret, ServiceId, Tuning, UnitKey};

/// Rules of a balancer, or the target side of selector rules on any other service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerSpec {
    /// Where requests go.
    pub rules: Vec<PortRule>,
    /// Certificates offered by SNI, by name.
    pub certificates: Vec<String>,
    /// Certificate offered when no name matches.
    pub default_certificate: Option<String>,
    /// Custom HAProxy text as given; what can't be mapped is refused by the caller.
    pub custom: Option<String>,
    /// Requests of one client go to one target: a [`Stickiness`], as given.
    pub stickiness: Option<serde_json::Value>,
}

/// One rule: requests for this port, host and path go to that target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortRule {
    /// Port the balancer listens on; 0 on the target side of a selector rule.
    pub source_port: u16,
    /// What is spoken on it.
    pub protocol: RuleProtocol,
    /// Host name: exact, `*.suffix` or `prefix.*`; `None` matches all.
    pub hostname: Option<String>,
    /// Path prefix; `None` matches all.
    pub path: Option<String>,
    /// Lower first; `None` leaves the order to how specific the rule is.
    pub priority: Option<u32>,
    /// Target by id…
    pub service: Option<ServiceId>,
    /// …or by labels.
    pub selector: Option<String>,
    /// Port of the target's containers.
    pub target_port: Option<u16>,
    /// Name for custom configuration.
    pub backend_name: Option<String>,
    /// Share of the traffic, 0–256.
    pub weight: Option<u16>,
}

/// Cookie stickiness, HAProxy's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stickiness {
    /// A name users gave the policy.
    pub name: Option<String>,
    /// Name of the cookie; `None` is the backend's name.
    pub cookie: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// Take the cookie out of what targets see.
    pub indirect: bool,
    /// Keep caches from storing answers that set it.
    pub nocache: bool,
    /// Set it in answers to POST only.
    pub postonly: bool,
    /// How it is made.
    pub mode: StickinessMode,
}

/// Who makes the cookie that stickiness goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StickinessMode {
    /// The balancer replaces the value of the target's own.
    Rewrite,
    /// The balancer adds its own.
    #[default]
    Insert,
    /// The balancer puts the target before the value of the target's own.
    Prefix,
}

/// Protocol of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say it
pub enum RuleProtocol {
    #[default]
    Http,
    Https,
    Tcp,
    Tls,
    Sni,
    Udp,
}

/// What one balancer process serves: its config file, replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerConfig {
    /// Newest withdrawal it knows of, to be acknowledged; see [`crate::World::withdrawn`].
    pub routing: u64,
    /// Listening ports and the routes behind each.
    pub listeners: BTreeMap<u16, Listener>,
    /// Certificates that listeners name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, CertificatePem>,
    /// Units on their way out that may still have requests in flight here, and how long those may take,
    /// counted from when this process first saw it, in milliseconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub draining: BTreeMap<UnitKey, u64>,
    /// Which counting requests for a service belong to, see [`crate::Ledger::number`]; 0 for those left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ledgers: BTreeMap<ServiceId, u64>,
    /// What users' custom text says.
    pub tuning: Tuning,
    /// Hosts that don't answer the balancer's just now, filled in by its agent: their targets get requests only if there
    /// is no other.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub silent: BTreeSet<HostId>,
}

/// A certificate with its key, ready to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificatePem {
    /// The certificate and those it was signed with, PEM, in the order they are sent.
    pub chain: String,
    /// Its private key, PEM.
    pub key: Secret,
}

/// One listening port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// What is spoken on it.
    pub protocol: RuleProtocol,
    /// Tried in order; the first that matches takes the request.
    pub routes: Vec<Route>,
    /// For `https` and `tls`: names into [`BalancerConfig::certificates`], chosen by server name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// The one for clients that name no server, or one of no certificate's; without it those are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_certificate: Option<String>,
}

/// A route and its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Host name: exact, `*.suffix` or `prefix.*`; `None` matches all.
    pub hostname: Option<String>,
    /// Path prefix; `None` matches all.
    pub path: Option<String>,
    /// Name for custom configuration and for the stickiness cookie.
    pub backend: String,
    /// Who answers; empty means that requests are held, or else 503.
    pub targets: Vec<Target>,
    /// The service that requests without a target are counted for: the first rule's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// A target is on its way: requests wait for it instead of failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Requests of one client go to one target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Stickiness>,
}

/// How requests wait while a route has no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Requests that may wait at a time.
    pub requests: u32,
    /// How long each may.
    pub timeout_ms: u64,
}

impl Hold {
    /// Where users say nothing.
    pub const DEFAULT: Self = Self { requests: 1_000, timeout_ms: 30_000 };
}

/// One unit that can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Whose it is; requests in flight are counted under this.
    pub unit: UnitKey,
    /// `address:port`; the address of an external service may be a host name.
    pub address: String,
    /// The host it is on; none for what is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Relative share.
    pub weight: u16,
    /// The balancer's own check of it, from the health check of what runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthCheck>,
}

/// What a balancer process says of itself, in its status file: replaced as a whole whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerStatus {
    /// SHA-256 (hex) of the config file's bytes that routing follows now.
    pub applied: String,
    /// [`BalancerConfig::routing`] of that config.
    pub routing: u64,
    /// Why the newest file is not the one applied, or what of it does not work; empty when all does.
    pub problem: String,
    /// Requests in flight, by unit; those without any are left out.
    pub in_flight: BTreeMap<UnitKey, u64>,
    /// Targets that get nothing for now because they fail, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ejected: BTreeMap<UnitKey, String>,
    /// What was counted, by the service that was asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ledgers: BTreeMap<ServiceId, Ledger>,
}
