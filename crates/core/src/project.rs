//! Projects (Rancher's environments) and stacks: the two levels of grouping above a service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ProjectId, ProjectTemplateId, Rollout, StackId, Texts, Time};

/// An environment: owns hosts, stacks, keys and registries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Its key.
    pub id: ProjectId,
    /// Shown name, unique ignoring case among live ones.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it is run.
    #[serde(default, skip_serializing_if = "ProjectSettings::is_default")]
    pub settings: ProjectSettings,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed; it stays readable for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// What users say of a project besides its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// Switched off: what runs runs on, and nothing is made or changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inactive: bool,
    /// First and last public port that is picked for ports published without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picked_ports: Option<(u16, u16)>,
    /// Seconds that a host may be away before it is removed; `None` is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_remove_delay_s: Option<u64>,
    /// What it was made of; `None` if of nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<ProjectTemplateId>,
    /// Asked for by Rancher's clients and kept to be read back: nothing but containers is run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub virtual_machines: bool,
}

impl ProjectSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A named group of services: one compose project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Its key.
    pub id: StackId,
    /// The environment it lives in.
    pub project: ProjectId,
    /// Unique ignoring case among live stacks of the project; see [`crate::name`].
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The compose file it was made from, kept verbatim so that an export returns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_compose: Option<String>,
    /// The rancher-compose file it was made from, kept verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rancher_compose: Option<String>,
    /// Answers for `${…}` in those files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// More of them, which count where the environment has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
    /// Files by name: those above where they are not given, and what they refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, String>,
    /// What users keep with it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// Whoever made it asked for its services to start at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub start_on_create: bool,
    /// Catalog reference or a caller's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Free grouping text of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// It belongs to the installation itself, and lists leave it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// What it was made of before its upgrade, until that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Texts>>,
    /// Where bringing its services to its texts stands; none if they are there, or it was made without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// When it was made.
    pub created_at: Time,
    /// When its removal was asked for: its services are then removed, and the stack counts as
    /// *removed* once none of them has a unit left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

impl Stack {
    /// A stack with nothing in it.
    pub fn new(id: StackId, project: ProjectId, name: &str, now: Time) -> Self {
        Self {
            id,
            project,
            name: name.to_owned(),
            description: String::new(),
            docker_compose: None,
            rancher_compose: None,
            environment: BTreeMap::new(),
            answers: BTreeMap::new(),
            templates: BTreeMap::new(),
            outputs: BTreeMap::new(),
            start_on_create: false,
            external_id: None,
            group: None,
            system: false,
            previous: None,
            rollout: None,
            created_at: now,
            removed_at: None,
        }
    }
}
