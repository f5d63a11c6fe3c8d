//! Volumes that a stack declares, and where their data came to lie.
//!
//! A named volume that no stack declares is Docker's affair alone: passed on untouched, never scheduled for. One that was asked
//! for by itself has a driver and options besides, with which it is made wherever it is mounted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ProjectId, Slot, StackId, Time, VolumeId, VolumeTemplateId};

/// A volume declared at the top level of a compose file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeTemplate {
    /// Its key.
    pub id: VolumeTemplateId,
    /// The environment it lives in.
    pub project: ProjectId,
    /// The stack that declares it.
    pub stack: StackId,
    /// Name services mount it by.
    pub name: String,
    /// Docker volume driver; empty is `local`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Its options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_options: BTreeMap<String, String>,
    /// Exists already under its plain name; neither made nor removed by us.
    #[serde(default)]
    pub external: bool,
    /// One for each slot instead of one for the stack.
    #[serde(default)]
    pub per_container: bool,
    /// Switched off by a user; kept to be read back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inactive: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// A volume of a project that was asked for by itself, and that services mount by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectVolume {
    /// Its key.
    pub id: VolumeId,
    /// The environment it lives in.
    pub project: ProjectId,
    /// Docker's name of it, unique in the project.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Docker volume driver; empty is `local`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Its options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_options: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

impl VolumeTemplate {
    /// Whether the data lies on one host, so that users must go there.
    pub fn is_local(&self) -> bool {
        self.driver.is_empty() || self.driver == "local"
    }
}

/// Which volume made from a template: the stack's one, or a slot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeKey {
    /// The template.
    pub template: VolumeTemplateId,
    /// For `per_container`: the slot.
    pub slot: Option<Slot>,
}

impl std::fmt::Display for VolumeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.slot {
            None => write!(f, "{}", self.template),
            Some(slot) => write!(f, "{}/{slot}", self.template),
        }
    }
}

/// A volume key that could not be read back from its text form.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a volume key (template or template/slot)")]
pub struct BadVolumeKey(String);

impl std::str::FromStr for VolumeKey {
    type Err = BadVolumeKey;

    fn from_str(text: &str) -> Result<Self, BadVolumeKey> {
        let bad = || BadVolumeKey(text.to_owned());
        let (template, slot) = match text.split_once('/') {
            None => (text, None),
            Some((template, slot)) => (template, Some(slot.parse().map_err(|_| bad())?)),
        };
        Ok(Self { template: VolumeTemplateId(template.parse().map_err(|_| bad())?), slot })
    }
}

impl Serialize for VolumeKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VolumeKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
