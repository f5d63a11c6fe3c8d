//! What the agent sees of its host's Docker engine: the containers that carry this cluster's label, and what was
//! found out about them. Containers of anyone else never get in here, so nothing can happen to them.

use std::collections::BTreeMap;

use drover_core::{Health, Phase, Tally, Time, UnitKey};

use crate::reconcile::Run;

/// Everything [`crate::reconcile_host`] looks at besides the assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerView {
    /// Containers of this cluster, by the unit on their label.
    pub containers: BTreeMap<UnitKey, Vec<SeenContainer>>,
    /// Units whose ready ports all accept connections, and the run of the primary in which they do.
    pub accepting: BTreeMap<UnitKey, Run>,
    /// How members do on their services' health checks.
    pub checked: BTreeMap<(UnitKey, String), Checkup>,
    /// How units did at what their upgrades ask of them, and in which run of their primary.
    pub verified: BTreeMap<UnitKey, (Run, Tally)>,
    /// There is no server to ask, and has not been for a while.
    pub alone: bool,
    /// Whether it may run what must never run twice.
    pub lease: Lease,
    /// Units something is being done to, and what. Nothing else is begun for them meanwhile.
    pub busy: BTreeMap<UnitKey, Phase>,
}

/// Whether a host may run what must never run twice: another may run it once this one has been silent for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// A server acknowledged the host a short while ago.
    #[default]
    Held,
    /// Its agent has just started and knows of no server yet: what runs may go on for a moment, nothing is started.
    Unproven,
    /// What runs must end.
    Over,
}

/// How a member does on its service's health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkup {
    /// The run it was checked in.
    pub run: Run,
    /// It was healthy at some time in it.
    pub passed: bool,
    /// Why it isn't healthy, if it isn't.
    pub down: Option<String>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenContainer {
    /// Docker's id.
    pub id: String,
    /// Member of its unit; empty for the primary.
    pub member: String,
    /// What it does.
    pub state: ContainerState,
    /// When it was made, by the host's clock.
    pub created_at: Time,
    /// Start of its last run; 0 if it never ran.
    pub started_at: Time,
    /// End of its last run; 0 if it never ran.
    pub ended_at: Time,
    /// Exit code of the last run, if that is over.
    pub exit_code: i64,
    /// Killed for want of memory.
    pub oom_killed: bool,
    /// Docker's verdict.
    pub health: Health,
    /// Its own address; empty if it has none.
    pub address: String,
    /// The address it was made with, if that was chosen; it has it only while it is up.
    pub requested: String,
    /// Id of its image on this host.
    pub image_id: String,
    /// Digest of its image in the registry it came from; empty if it came from none.
    pub digest: String,
    /// Seconds it gets to end by itself.
    pub stop_grace_s: u32,
    /// Which of its volumes go with it.
    pub cleanup: VolumeCleanup,
}

/// What a container does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    #[default]
    Created,
    /// Runs.
    Running,
    /// Frozen by hand; its process is there.
    Paused,
    /// Ended.
    Exited,
    /// Docker is removing it.
    Removing,
    /// Docker failed to remove it.
    Dead,
}

/// Which volumes go when a container is removed; label `io.rancher.container.volume_cleanup_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeCleanup {
    /// None.
    None,
    /// Those that never had a name.
    #[default]
    Unnamed,
    /// All that no other container uses.
    All,
}

impl VolumeCleanup {
    /// The label's value; anything unknown is the default.
    pub fn from_label(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            Some("none") => Self::None,
            Some("all") => Self::All,
            _ => Self::Unnamed,
        }
    }
}

impl SeenContainer {
    /// Whether its process is there.
    pub fn is_up(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    /// The run that is on, or was last.
    pub fn run(&self) -> Run {
        (self.id.clone(), self.started_at)
    }

    /// Whether it ran and ended.
    pub fn has_ended(&self) -> bool {
        self.state == ContainerState::Exited && self.started_at != Time(0)
    }
}

impl DockerView {
    /// Put in what was learned of a container, in place of what was known of it.
    pub fn put(&mut self, unit: UnitKey, container: SeenContainer) {
        let held = self.containers.entry(unit).or_default();
        match held.iter_mut().find(|c| c.id == container.id) {
            Some(known) => *known = container,
            None => held.push(container),
        }
    }

    /// Forget a container that is gone; the unit it belonged to.
    pub fn forget(&mut self, id: &str) -> Option<UnitKey> {
        let unit = self.unit_of(id)?;
        let held = self.containers.get_mut(&unit)?;
        held.retain(|c| c.id != id);
        if held.is_empty() {
            self.containers.remove(&unit);
        }
        Some(unit)
    }

    /// The unit a container belongs to.
    pub fn unit_of(&self, id: &str) -> Option<UnitKey> {
        let mut units = self.containers.iter();
        units.find(|(_, held)| held.iter().any(|c| c.id == id)).map(|(unit, _)| *unit)
    }
}
