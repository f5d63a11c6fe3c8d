//! Secrets: values that users keep in a project and containers read as files. Given once, never shown again, and sent
//! only to hosts that run something which asks for them.
//!
//! Services name them, as balancers name certificates: one that is removed and made again under its name is read by
//! whatever is made or started from then on.

use serde::{Deserialize, Serialize};

use crate::{ProjectId, Secret, SecretId, Time};

/// A secret of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectSecret {
    /// Its key.
    pub id: SecretId,
    /// The environment it belongs to.
    pub project: ProjectId,
    /// Unique ignoring case in the project; services name it.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The value, base64: it may be any bytes.
    pub value: Secret,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// A secret as a file of a container, below [`SECRETS_FOLDER`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// Name of the secret.
    pub secret: String,
    /// Name of the file; empty is the secret's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Owner of the file; root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group; root's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Its permissions; [`SECRET_MODE`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// Where a container finds its secrets.
pub const SECRETS_FOLDER: &str = "/run/secrets";
/// Permissions of a secret's file: everybody in the container may read it.
pub const SECRET_MODE: u32 = 0o444;

impl SecretFile {
    /// The name of the file.
    pub fn file_name(&self) -> &str {
        if self.file.is_empty() { &self.secret } else { &self.file }
    }
}

/// Whether a text can be the name of a file in a folder.
pub fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= 255
        && !name.chars().any(|c| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (name, good) in [
            ("db-password", true),
            ("a b.ä", true),
            ("...", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a\n", false),
        ] {
            assert_eq!(is_file_name(name), good, "{name:?}");
        }
        assert!(!is_file_name(&"x".repeat(256)));
    }
}
