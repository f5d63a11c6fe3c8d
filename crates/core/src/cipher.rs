//! What the process that encrypts between hosts is told, and what it says: one file each, on its own host. Keys of
//! others come through the server; a private key never leaves its host.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::Secret;

/// The file a host's cipher process follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CipherConfig {
    /// This host's private keys, base64, newest first. Older ones are answered to until the others know the newest.
    pub keys: Vec<Secret>,
    /// Hosts to encrypt for, by id. Empty until this host can take in what they send.
    pub peers: BTreeMap<u64, CipherPeer>,
}

/// Another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CipherPeer {
    /// Where it is reached, until it is heard from elsewhere.
    pub address: SocketAddr,
    /// Its address inside: what comes from it must come from there.
    pub inner: Ipv6Addr,
    /// Its public key, base64.
    pub key: String,
}

/// What a cipher process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CipherStatus {
    /// SHA-256 of the file it follows, hex; empty before the first.
    pub applied: String,
    /// It has the device and the port: packets go through it.
    pub open: bool,
    /// Why it does not do what the newest file says; empty if it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// What there is with each host, by id. Of one that is left out nothing is known yet.
    pub peers: BTreeMap<u64, CipherLink>,
}

/// What there is with one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CipherLink {
    /// There is a session: packets to it go encrypted, at once.
    pub up: bool,
    /// Public key of this host's that the session was made with, base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub own_key: String,
    /// The other host's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Where it was last heard from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Since the session was made, s.
    pub age_s: u64,
    /// Bytes of packets sent to it.
    pub sent: u64,
    /// Bytes of packets received from it.
    pub received: u64,
}
