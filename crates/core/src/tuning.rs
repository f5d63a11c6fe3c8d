//! What a balancer's custom HAProxy text comes to. The common directives are understood; the rest is refused where
//! it is given, naming the line. How the text is read is in `tuning/read.rs`.

mod directive;
mod line;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The settings of a balancer beyond its rules. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// Until a target accepts a connection.
    pub connect_ms: u64,
    /// Silence of a client while it is its turn; of both sides of a TCP connection.
    pub client_ms: u64,
    /// Until a target begins its answer, and its silence within it.
    pub server_ms: u64,
    /// Silence allowed on upgraded connections (WebSocket); `None` is as long as they live.
    pub tunnel_ms: Option<u64>,
    /// Connections at a time; more wait to be accepted.
    pub max_connections: Option<u32>,
    /// How a target is chosen.
    pub balance: Balance,
    /// By listening port.
    pub listeners: BTreeMap<u16, ListenerTuning>,
    /// By backend name; the empty name is for all.
    pub backends: BTreeMap<String, BackendTuning>,
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight, by weight.
    LeastConnections,
    /// By the client's address, as long as the targets stay the same.
    Source,
}

/// Settings of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerTuning {
    /// Clients begin with a PROXY protocol header (v1 or v2).
    pub accept_proxy: bool,
    /// Answer plain requests with a redirection to https.
    pub redirect_https: bool,
    /// Headers set on requests, in order: name, value; an empty value removes.
    pub request_headers: Vec<(String, String)>,
    /// Headers set on answers likewise.
    pub response_headers: Vec<(String, String)>,
}

/// Settings of one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendTuning {
    /// How a target is chosen, if otherwise than [`Tuning::balance`].
    pub balance: Option<Balance>,
    /// Begin connections to targets with a PROXY protocol header of this version, 1 or 2.
    pub send_proxy: Option<u8>,
    /// As [`Tuning::server_ms`].
    pub server_ms: Option<u64>,
    /// Headers set on requests, in order: name, value; an empty value removes.
    pub request_headers: Vec<(String, String)>,
    /// Headers set on answers likewise.
    pub response_headers: Vec<(String, String)>,
}

impl Default for Tuning {
    /// HAProxy's values as Rancher set them.
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            client_ms: 50_000,
            server_ms: 50_000,
            tunnel_ms: None,
            max_connections: None,
            balance: Balance::default(),
            listeners: BTreeMap::new(),
            backends: BTreeMap::new(),
        }
    }
}

/// A custom text, read to its end: one run finds every line that can't be mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TuningText {
    /// What the lines that are understood come to.
    pub tuning: Tuning,
    /// Lines that are understood and change nothing, and why that is as it should be.
    pub unheeded: Vec<Unheeded>,
    /// Lines that can't be mapped.
    pub refused: Vec<BadTuning>,
}

/// A line of custom text that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheeded {
    /// From 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// Why nothing is lost.
    pub why: String,
}

/// A line of custom text that can't be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the custom balancer configuration, `{text}`: {why}")]
pub struct BadTuning {
    /// From 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong with it, and what to do instead.
    pub why: String,
}
