//! People and programs that have keys of their own, and which projects they are members of.
//!
//! Who an account is elsewhere (a GitHub user, say) is kept as it came; nothing here asks there. What a role lets one do
//! is not said here: [`Rights`](crate::Rights) says who has which, the API's table what follows from it.

use serde::{Deserialize, Serialize};

use crate::{AccountId, MemberId, ProjectId, Time};

/// Someone who has keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its key.
    pub id: AccountId,
    /// What it is to the cluster.
    pub kind: AccountKind,
    /// Shown name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who it is elsewhere; without, it is known here only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalId>,
    /// Switched off when false: its keys open nothing.
    pub active: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

impl Account {
    /// Whether its keys open anything.
    pub fn is_usable(&self) -> bool {
        self.active && self.removed_at.is_none()
    }
}

/// What an account is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// May do everything everywhere.
    Admin,
    /// What its memberships let it do.
    User,
}

/// Someone as another system names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalId {
    /// Which system, and what of it: `github_user`.
    pub kind: String,
    /// The name there: `650430`.
    pub id: String,
}

/// That someone belongs to a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its key.
    pub id: MemberId,
    /// The project.
    pub project: ProjectId,
    /// Who. It may be nobody that is known yet: the membership counts from when such an account exists.
    pub who: Identity,
    /// As what.
    pub role: MemberRole,
    /// When it was made.
    pub created_at: Time,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

impl Member {
    /// Whether it is about this account, now.
    pub fn counts_for(&self, account: &Account) -> bool {
        let is_meant = match &self.who {
            Identity::Account(id) => *id == account.id,
            Identity::External(external) => account.external.as_ref() == Some(external),
        };
        is_meant && self.removed_at.is_none()
    }
}

/// Who a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// An account here.
    Account(AccountId),
    /// Whoever is this elsewhere.
    External(ExternalId),
}

/// What a member is in a project; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Looks at it.
    Readonly,
    /// Works with what runs in it, not with what it runs on.
    Restricted,
    /// Works with everything in it.
    Member,
    /// Says who is a member, and what becomes of it.
    Owner,
}
