//! Who may do what: API keys, registration tokens, agents' credentials, and logins for image registries.
//!
//! Secrets that are only compared are kept as hashes; those that must be handed on, or read again, are [`Secret`], which no
//! log and no `{:?}` shows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, CredentialId, HostId, ProjectId, RegistryId, Time};

/// A key pair that opens something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its key.
    pub id: CredentialId,
    /// What it opens.
    pub grants: Grant,
    /// Shown name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The public half: access key, or a token's id.
    pub public: String,
    /// SHA-256 (hex) of the secret half, which has full entropy, so that a fast hash is enough.
    pub secret_sha256: String,
    /// The secret half itself, of what has to be read again: a registration token for any number of hosts. Forgotten when it is
    /// removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable: Option<Secret>,
    /// Switched off when false.
    pub active: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// What a credential opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The API of every project. From before there were accounts; the server hands such keys to its first administrator.
    Admin,
    /// What an account may do.
    Account(AccountId),
    /// The API of one project.
    Project(ProjectId),
    /// Registration of a host, or of any number of them, in a project.
    Registration {
        /// Where the host goes.
        project: ProjectId,
        /// The host that used it; it may register again, no other may, unless `reusable`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_by: Option<HostId>,
        /// Any number of hosts may use it.
        #[serde(default)]
        reusable: bool,
    },
    /// The agent link of one host.
    Agent(HostId),
}

/// Login for an image registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// Its key.
    pub id: RegistryId,
    /// The environment whose hosts use it.
    pub project: ProjectId,
    /// `host[:port]` as it stands in image references.
    pub server: String,
    /// Shown name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// User and password, once given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Switched off when false: hosts pull without the login.
    #[serde(default = "switched_on")]
    pub active: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Key of the login as a resource of its own.
    pub id: CredentialId,
    /// What users call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What they say of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: Secret,
    /// Switched off when false.
    #[serde(default = "switched_on")]
    pub active: bool,
    /// When it was removed; it stays readable until another takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

impl Registry {
    /// The login that hosts use now, if any.
    pub fn usable_login(&self) -> Option<&Login> {
        let usable = self.active && self.removed_at.is_none();
        self.login.as_ref().filter(|login| usable && login.active && login.removed_at.is_none())
    }
}

/// What was stored before there was a switch is on.
fn switched_on() -> bool {
    true
}

/// Text that must not be shown. `Debug` prints dots; reading it is an explicit call.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wrap a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}
