//! What somebody did through the API, for those who answer for it: who, what, when, from where, and what came of it.
//! Never with what: bodies hold secrets.

use serde::{Deserialize, Serialize};

use crate::{AccountId, ProjectId, Time};

/// One request that could have changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When it was answered.
    pub at: Time,
    /// Access key it was made with.
    pub access: String,
    /// The key had been changed for a token, as browsers do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_token: bool,
    /// Whose key, if an account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Which project it was about, if the caller has a say in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// `create`, `update`, `delete`, or the action.
    pub deed: String,
    /// Type of the resource.
    pub kind: String,
    /// Its id, if it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Address it came from.
    pub from: String,
    /// HTTP status of the answer.
    pub status: u16,
}
