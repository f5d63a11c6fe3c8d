//! The agent's side of the network: telling the task that keeps it what it shall be, holding back what needs it, and
//! choosing addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{Desired, HostAssignment, NetworkMode, Phase, Tunnels, UnitKey, label};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Agent, AgentResult};
use crate::docker::Engine;
use crate::doctor::Known;
use crate::ledger::LedgerError;
use crate::network::addresses::{Addresses, requested};
use crate::network::subnet::Subnet;
use crate::network::{Kept, Task, keep, names};
use crate::op::{DockerOp, UnitOps};
use crate::secret_files;
use crate::system::SystemKind;

/// How long the first containers of a host wait for its name service.
const FIRST_NAMES: Duration = Duration::from_secs(5);

/// What is known of the host's part of the network.
pub(super) struct Overlay {
    tasks: watch::Sender<Option<Task>>,
    /// The subnet that is set up; empty while none is.
    ready: String,
    /// When it was, if names have not been answered since.
    no_names_since: Option<Instant>,
    /// Why it is not as it shall be; empty if it is.
    problem: String,
    /// How packets go to others, as last known.
    tunnels: Tunnels,
    /// Whether what others send sealed is taken in; `None` while that is not known.
    pub(super) takes_sealed: Option<bool>,
}

impl Overlay {
    pub(super) fn begin(results: mpsc::UnboundedSender<AgentResult>) -> Self {
        let (tasks, told) = watch::channel(None);
        tokio::spawn(keep(told, results));
        Self {
            tasks,
            ready: String::new(),
            no_names_since: None,
            problem: String::new(),
            tunnels: Tunnels::default(),
            takes_sealed: None,
        }
    }

    pub(super) fn problem(&self) -> &String {
        &self.problem
    }

    pub(super) fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }
}

impl Agent {
    /// Have the network kept as the assignment says.
    pub(super) fn follow_network(&mut self, engine: &Arc<Engine>) {
        let network = &self.assignment.network;
        let sealing = self.sealing();
        self.overlay.tasks.send_if_modified(|held| {
            let same = match (&*held, network) {
                (None, None) => true,
                (Some(task), Some(network)) => {
                    Arc::ptr_eq(&task.engine, engine)
                        && task.network == *network
                        && task.sealing == sealing
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            if !same {
                let task = |network| Task { engine: engine.clone(), network, sealing };
                *held = network.clone().map(task);
            }
            !same
        });
        if network.is_none() && !self.overlay.problem.is_empty() {
            self.overlay.problem.clear();
            self.know_host();
        }
    }

    /// See how packets go now, so that the first word over a connection says how it is: an earlier agent set it up.
    pub(crate) async fn look_at_network(&mut self) {
        let Some(network) = &self.assignment.network else { return };
        if let Some((tunnels, takes_sealed)) = self.surroundings.held_network(network).await {
            (self.overlay.tunnels, self.overlay.takes_sealed) = (tunnels, Some(takes_sealed));
            self.know_host();
        }
    }

    /// What came of keeping it.
    pub(super) fn network_kept(&mut self, kept: Kept) {
        let Kept { subnet, problem, tunnels, takes_sealed } = kept;
        let wanted = self.assignment.network.as_ref().map(|network| network.subnet.as_str());
        if wanted != Some(subnet.as_str()) {
            return;
        }
        if problem.is_empty() {
            if self.overlay.ready != subnet {
                tracing::info!(subnet, "the network is set up");
                self.overlay.ready = subnet;
                self.overlay.no_names_since = Some(Instant::now());
            }
        } else {
            tracing::error!("{problem}");
        }
        self.overlay.problem = problem;
        if let Some(tunnels) = tunnels {
            (self.overlay.tunnels, self.overlay.takes_sealed) = (tunnels, Some(takes_sealed));
        }
        self.know_host();
    }

    /// Whether the host's part of the network is set up.
    pub(super) fn has_network(&self) -> bool {
        let network = self.assignment.network.as_ref();
        network.is_some_and(|network| network.subnet == self.overlay.ready)
    }

    /// Whether it is too early for these steps: no process is to start before it can reach anyone.
    pub(super) fn waits_for_network(&self, ops: &UnitOps) -> bool {
        let network = self.assignment.network.is_some();
        let missing = network && (!self.has_network() || self.awaits_names());
        missing && ops.doing != Phase::Stopping && is_managed(&self.assignment, ops.unit)
    }

    /// Whether the name service is still on its way: what starts now would look for others in vain. A host whose name
    /// service can't run starts what it shall all the same, a little later.
    fn awaits_names(&self) -> bool {
        let since = self.overlay.no_names_since;
        self.naming.named.is_none() && since.is_some_and(|since| since.elapsed() < FIRST_NAMES)
    }

    /// When to look again at what waits for names.
    pub(super) fn names_awaited_until(&self) -> Option<Instant> {
        let since = self.overlay.no_names_since.filter(|_| self.awaits_names())?;
        Some(since + FIRST_NAMES)
    }

    /// The addresses that containers about to be made shall have, by member.
    pub(super) fn choose_addresses(
        &mut self,
        ops: &UnitOps,
    ) -> Result<BTreeMap<String, Ipv4Addr>, LedgerError> {
        let mut chosen = BTreeMap::new();
        let assignment = self.assignment.clone();
        let subnet = assignment.network.as_ref().and_then(|n| n.subnet.parse::<Subnet>().ok());
        let unit = assignment.units.get(&ops.unit);
        let (Some(subnet), Some(unit)) = (subnet, unit) else { return Ok(chosen) };
        let Some(template) = assignment.templates.get(&unit.template) else { return Ok(chosen) };
        let made: BTreeSet<&str> = ops.ops.iter().filter_map(made).collect();
        let members = template.template.members().filter(|(member, _)| made.contains(member));
        for (member, spec) in members.filter(|(_, spec)| spec.network == NetworkMode::Managed) {
            let wish = spec.label(label::REQUESTED_IP);
            let wish = wish.and_then(|list| requested(list, subnet, &self.taken(ops.unit, true)));
            if let Some(address) = wish {
                chosen.insert(member.to_owned(), address);
            } else if unit.retain_ip && member.is_empty() {
                let mut addresses = self.ledger.addresses()?;
                // One that is only made now starts when the old one has stopped.
                let taken = self.taken(ops.unit, unit.desired == Desired::Running);
                let kept = addresses.keep(ops.unit, subnet, &taken);
                self.ledger.keep_addresses(&addresses)?;
                chosen.extend(kept.map(|address| (String::new(), address)));
            }
        }
        Ok(chosen)
    }

    /// Addresses a new container of a unit can't have: those others have now, or will have when they are started.
    /// `same_slot`: also those that other units of its slot have now.
    fn taken(&self, unit: UnitKey, same_slot: bool) -> BTreeSet<Ipv4Addr> {
        let mut taken = BTreeSet::new();
        for (other, containers) in self.view.containers.iter().filter(|(other, _)| **other != unit)
        {
            let of_slot = (other.service, other.slot) == (unit.service, unit.slot);
            for container in containers {
                let has =
                    (!of_slot || same_slot && container.is_up()).then_some(&container.address);
                let gets = (!of_slot).then_some(&container.requested);
                let both = has.into_iter().chain(gets);
                taken.extend(both.filter_map(|address| address.parse::<Ipv4Addr>().ok()));
            }
        }
        taken
    }

    /// What the network doctor can't see by looking. Addresses that can't be read now are not compared.
    pub(super) fn known_of_network(&self) -> Known {
        Known {
            host: self.assignment.host,
            network: self.assignment.network.clone(),
            sealing: self.sealing(),
            problem: self.facts.problem.clone(),
            no_names: self.naming.troubles.of(SystemKind::Discovery).to_owned(),
            kept: self.ledger.addresses().map(Addresses::by_slot).unwrap_or_default(),
        }
    }

    /// Remove the files of containers that are no longer assigned.
    pub(super) fn clean_names(&self) {
        let mut kept = BTreeSet::new();
        for unit in self.assignment.units.values() {
            // Without its configuration nothing is known of its members.
            let Some(template) = self.assignment.templates.get(&unit.template) else { return };
            for (member, _) in template.template.members() {
                kept.insert(unit.docker_name(member));
            }
        }
        names::clean(&self.ledger.folder().join("resolv"), &kept);
        secret_files::clean(self.ledger.folder(), &kept);
    }
}

fn made(op: &DockerOp) -> Option<&str> {
    match op {
        DockerOp::Create { member, .. } => Some(member),
        DockerOp::Start { .. } | DockerOp::Stop { .. } | DockerOp::Remove { .. } => None,
    }
}

/// Whether a unit has a member on the project's network.
fn is_managed(assignment: &HostAssignment, unit: UnitKey) -> bool {
    let template = assignment.units.get(&unit).and_then(|u| assignment.templates.get(&u.template));
    let mut members = template.into_iter().flat_map(|template| template.template.members());
    members.any(|(_, spec)| spec.network == NetworkMode::Managed)
}
