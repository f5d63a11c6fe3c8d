//! What the agent asks of Docker: small steps, each about one container, in the order they are to be done.
//!
//! Not how: [`crate::docker`] carries them out. Steps name what they are about and leave the rest to the
//! assignment they were decided from, so that deciding copies no configuration.

use std::collections::BTreeMap;

use drover_core::{Phase, UnitKey};

use crate::view::VolumeCleanup;

/// What is to be done for one unit, in order; the first step that fails ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitOps {
    /// The unit.
    pub unit: UnitKey,
    /// What is going on meanwhile.
    pub doing: Phase,
    /// The steps.
    pub ops: Vec<DockerOp>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerOp {
    /// Make a member's container, under its [`docker_name`](drover_core::AssignedUnit::docker_name); its image is
    /// pulled and its volumes are made if they aren't there.
    Create {
        /// The member.
        member: String,
        /// Containers (id, or name if they are yet to be made) of the members it builds on.
        siblings: BTreeMap<String, String>,
    },
    /// Start a container.
    Start {
        /// The member.
        member: String,
        /// Docker's id, or the name if it is made by a step before.
        container: String,
    },
    /// Ask a container to end, and end it when its grace is over.
    Stop {
        /// The member.
        member: String,
        /// Docker's id.
        container: String,
        /// Seconds it gets.
        grace_s: u32,
        /// It is frozen and has to be woken up first.
        paused: bool,
    },
    /// Remove a container that doesn't run.
    Remove {
        /// The member.
        member: String,
        /// Docker's id.
        container: String,
        /// Which of its volumes go with it.
        cleanup: VolumeCleanup,
    },
}

impl DockerOp {
    /// The member it is about.
    pub fn member(&self) -> &str {
        match self {
            Self::Create { member, .. }
            | Self::Start { member, .. }
            | Self::Stop { member, .. }
            | Self::Remove { member, .. } => member,
        }
    }
}
