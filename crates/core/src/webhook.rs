//! Webhooks: URLs with a key in them, by which something outside (a registry, a pipeline, a monitor) has one thing done that
//! was laid down before. What that comes to is the API's to decide when it is called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ProjectId, ServiceId, Time, WebhookId};

/// A receiver of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its key.
    pub id: WebhookId,
    /// The environment it acts in.
    pub project: ProjectId,
    /// Unique ignoring case in the project.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// SHA-256 of the key in its URL, in hex: whoever reads the database can't call it.
    pub key_sha256: String,
    /// What a call does.
    pub driver: WebhookDriver,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// What a call does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDriver {
    /// The scale of a service goes up or down.
    Scale(ScaleHook),
    /// Services get the image that the call tells of.
    Upgrade(UpgradeHook),
}

/// How a scale is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleHook {
    /// Of which service.
    pub service: ServiceId,
    /// Up; else down.
    pub up: bool,
    /// By so many units; at least 1.
    pub amount: u32,
    /// Never to less.
    pub min: u32,
    /// Never to more.
    pub max: u32,
}

/// Which services are upgraded, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeHook {
    /// Labels that a service must have, all of them.
    pub selector: BTreeMap<String, String>,
    /// The tag that must have been pushed.
    pub tag: String,
    /// How the caller says what was pushed.
    pub payload: Payload,
    /// Slots at a time; `None` is as the service has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Pause between batches, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// Start before something is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_first: Option<bool>,
}

/// In whose words a push is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Docker Hub.
    DockerHub,
    /// Alibaba Cloud's registry.
    AliCloud,
    /// Azure's registry.
    Azure,
    /// Notifications of any registry that is Docker's own (`distribution`).
    Registry,
    /// `{"image": …, "tag": …}`, for pipelines.
    Generic,
}
