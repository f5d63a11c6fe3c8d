//! Templates of projects: which stacks a new environment begins with. A template is only read when a project is made of it; what
//! becomes of it later changes no project.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccountId, ProjectTemplateId, Time};

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectTemplate {
    /// Its key.
    pub id: ProjectTemplateId,
    /// Who made it, if that was somebody's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// As it is shown; several may have the same.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Everybody's to use; else only its maker's.
    pub is_public: bool,
    /// In the order given.
    pub stacks: Vec<TemplateStack>,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// One stack of a template: its own files, or what a catalog has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateStack {
    /// What it is called in each project.
    pub name: String,
    /// A template of the catalog, of which the default version is meant when a project is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A version of one, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The compose file, where there is no catalog's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_compose: Option<String>,
    /// The rancher-compose file beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rancher_compose: Option<String>,
    /// Answers to the questions in these.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
}
