//! Certificates that balancers serve: given by users, replaced in place, never shown with their keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CertificateId, ProjectId, Secret, Time};

/// A certificate with its private key. What is derived from the PEM is read where it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its key.
    pub id: CertificateId,
    /// The environment it serves.
    pub project: ProjectId,
    /// Unique ignoring case in the project; balancers name it.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// Those it was signed with, PEM; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
    /// Its private key, PEM.
    pub key: Secret,
    /// What was read from the certificate when it was given: names, issuer, serial, times; as the API shows it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, serde_json::Value>,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}
