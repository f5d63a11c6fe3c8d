//! What a load balancer is asked to do, and the configuration one balancer process follows.
//!
//! [`BalancerSpec`] is the users' (Rancher's `lb_config`); [`BalancerConfig`] is derived from the snapshot for
//! one balancer unit and is the whole contract between agent and balancer process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ServiceId, UnitKey};

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
    /// Cookie stickiness, kept for the issue that brings it.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerConfig {
    /// Listening ports and the routes behind each.
    pub listeners: BTreeMap<u16, Listener>,
}

/// One listening port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// What is spoken on it.
    pub protocol: RuleProtocol,
    /// Tried in order; the first that matches takes the request.
    pub routes: Vec<Route>,
}

/// A route and its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Host name: exact, `*.suffix` or `prefix.*`; `None` matches all.
    pub hostname: Option<String>,
    /// Path prefix; `None` matches all.
    pub path: Option<String>,
    /// Who answers; empty means 503.
    pub targets: Vec<Target>,
}

/// One unit that can answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Whose it is; requests in flight are counted under this.
    pub unit: UnitKey,
    /// `address:port`.
    pub address: String,
    /// Relative share.
    pub weight: u16,
}

/// What a balancer process says of itself, in its status file: replaced as a whole whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalancerStatus {
    /// SHA-256 (hex) of the config file's bytes that routing follows now.
    pub applied: String,
    /// Why the newest file is not the one applied; empty when it is.
    pub problem: String,
    /// Requests in flight, by unit; those without any are left out.
    pub in_flight: BTreeMap<UnitKey, u64>,
}
