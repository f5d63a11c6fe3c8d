//! The names of things: small `Copy` keys that order and print well.
//!
//! Numbers come from one counter in [`World`](crate::World), so no two objects of any kind share one. What
//! an API client sees ("1s5") is made at the API's edge; nothing here knows that spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! numbered {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbered! {
    /// An environment: the unit of tenancy.
    ProjectId,
    /// A machine with a Docker engine and an agent.
    HostId,
    /// A named group of services; a compose project.
    StackId,
    /// A service of any kind.
    ServiceId,
    /// A volume declared by a stack.
    VolumeTemplateId,
    /// An API key, a registration token or an agent's credential.
    CredentialId,
    /// A Docker registry that hosts log in to.
    RegistryId,
    /// A certificate that balancers serve.
    CertificateId,
    /// A secret that containers read as a file.
    SecretId,
    /// A volume that was asked for by itself.
    VolumeId,
    /// A webhook.
    WebhookId,
    /// A template of projects.
    ProjectTemplateId,
    /// Someone who has keys.
    AccountId,
    /// A membership in a project.
    MemberId,
}

/// Number of a service's immutable revision, from 1.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct RevisionNo(pub u32);

impl RevisionNo {
    /// The revision that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RevisionNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place in a service that one unit fills.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Slot {
    /// Slot of a scaled service, from 1; the `N` of `stack-service-N`.
    Number(u32),
    /// Slot of a global service: one per host.
    Host(HostId),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Host(h) => write!(f, "h{h}"),
        }
    }
}

/// What fills a slot at one revision. `incarnation` tells replacements apart: a unit is never moved, it is
/// replaced by one with the next incarnation, so that both may exist while traffic changes over.
///
/// A natural key: the planner needs no id generator, and a doubled create is a key conflict.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnitKey {
    /// The service it belongs to.
    pub service: ServiceId,
    /// The slot it fills.
    pub slot: Slot,
    /// The revision it runs.
    pub revision: RevisionNo,
    /// From 1; the next one replaces the one before.
    pub incarnation: u32,
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.service, self.slot, self.revision, self.incarnation)
    }
}

/// A unit key that could not be read back from its text form.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a unit key (service/slot/revision/incarnation)")]
pub struct BadUnitKey(String);

/// A slot that could not be read back from its text form.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a slot (a number, or h and a host's number)")]
pub struct BadSlot(String);

impl FromStr for Slot {
    type Err = BadSlot;

    fn from_str(text: &str) -> Result<Self, BadSlot> {
        let bad = |_| BadSlot(text.to_owned());
        match text.strip_prefix('h') {
            Some(host) => Ok(Self::Host(HostId(host.parse().map_err(bad)?))),
            None => Ok(Self::Number(text.parse().map_err(bad)?)),
        }
    }
}

impl FromStr for UnitKey {
    type Err = BadUnitKey;

    fn from_str(text: &str) -> Result<Self, BadUnitKey> {
        let bad = || BadUnitKey(text.to_owned());
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or_else(bad);
        let service = ServiceId(part()?.parse().map_err(|_| bad())?);
        let slot = part()?.parse().map_err(|_| bad())?;
        let revision = RevisionNo(part()?.parse().map_err(|_| bad())?);
        let incarnation = part()?.parse().map_err(|_| bad())?;
        match parts.next() {
            None => Ok(Self { service, slot, revision, incarnation }),
            Some(_) => Err(bad()),
        }
    }
}

// Text, so that a unit key can be a JSON map key, a Docker label and a database key alike.
impl Serialize for UnitKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnitKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_key_survives_its_text_form() {
        for slot in [Slot::Number(3), Slot::Host(HostId(7))] {
            let key =
                UnitKey { service: ServiceId(12), slot, revision: RevisionNo(2), incarnation: 4 };
            assert_eq!(key.to_string().parse::<UnitKey>().unwrap(), key);
        }
        for bad in ["", "1/2/3", "1/2/3/4/5", "1/x/3/4"] {
            assert!(bad.parse::<UnitKey>().is_err(), "{bad}");
        }
    }
}
