//! What hosts find of units that run on other hosts: the orders to look, and what is said of it.
//!
//! A unit's own host probes it over its own bridge, which no network between hosts can break. Others reach it as those do
//! who use it. Which hosts are asked is [`crate::World::witnesses_of`]; what their words come to, [`crate::derive::vote`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HealthCheck, UnitKey};

/// A unit of another host that is to be probed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// The unit's generation.
    pub generation: u64,
    /// How often its container was started: what was found of an earlier run says nothing of this one.
    pub starts: u32,
    /// Where it is reached.
    pub address: String,
    /// How it is probed.
    pub check: HealthCheck,
}

/// What another host found of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The unit's generation when it was asked for.
    pub generation: u64,
    /// Which run of its container.
    pub starts: u32,
    /// Where it was probed.
    pub address: String,
    /// Why it is not healthy, if it isn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
}

/// All that one host found of others' units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Witnessed {
    /// The agent's own counter, raised with every change of what it found: of two, the one with the greater is right.
    pub tick: u64,
    /// What it found, as far as it has found anything yet.
    pub verdicts: BTreeMap<UnitKey, Verdict>,
}

impl Watched {
    /// What is found of it now.
    pub fn verdict(&self, down: Option<String>) -> Verdict {
        let Self { generation, starts, address, check: _ } = self;
        Verdict { generation: *generation, starts: *starts, address: address.clone(), down }
    }
}

impl Verdict {
    /// Whether it is about the run that is to be probed now.
    pub fn is_of(&self, watched: &Watched) -> bool {
        (self.generation, self.starts, &self.address)
            == (watched.generation, watched.starts, &watched.address)
    }
}
