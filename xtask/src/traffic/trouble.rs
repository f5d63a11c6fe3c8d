//! What befalls a cluster under the load: agents that are killed, restarted, replaced by a newer version or frozen, a server
//! that is killed. Containers of the user's and balancers must not notice; what must have changed is looked at from outside.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::TrafficError;
use crate::cluster::{Cluster, Ending, Lives};
use crate::docker::Container;
use crate::wait::wait;

/// How long name services may take to be exchanged, host after host.
const EXCHANGE: Duration = Duration::from_mins(2);
/// How long a killed program is away.
const AWAY: Duration = Duration::from_secs(2);
/// Images with this name are Drover's own processes.
const OWN_IMAGES: &str = "drover/system:";

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The agent beside a balancer is killed and started again.
    AgentKilled,
    /// All agents are restarted, one after another.
    AgentsRestarted,
    /// All agents make way for a newer version, one after another.
    AgentsReplaced,
    /// The server is killed and started again.
    ServerKilled,
    /// The agent beside a balancer stands still for so long, so that its balancer learns nothing meanwhile.
    AgentFrozen {
        /// How long.
        seconds: u64,
    },
}

impl Trouble {
    /// Whether a command may stop watching: it calls an upgrade stuck that waits for a host which is away. The server goes
    /// on with it.
    pub(super) fn may_stop_watching(self) -> bool {
        matches!(self, Self::AgentFrozen { .. })
    }

    /// What has to be so before the change begins; `host` is one with a balancer.
    pub(super) fn prepare(self, cluster: &Cluster, host: u8) {
        if let Self::AgentFrozen { .. } = self {
            cluster.freeze_agent(host);
        }
    }

    /// Whether it comes only when the change is halfway through.
    pub(super) fn comes_halfway(self) -> bool {
        match self {
            Self::AgentKilled | Self::ServerKilled => true,
            Self::AgentsRestarted | Self::AgentsReplaced | Self::AgentFrozen { .. } => false,
        }
    }

    /// Let it happen, and pass.
    pub(super) fn happen(self, cluster: &mut Cluster, host: u8) -> Result<(), TrafficError> {
        match self {
            Self::AgentKilled => {
                cluster.stop_agent(host, Ending::Crash)?;
                std::thread::sleep(AWAY);
                cluster.start_agent(host)?;
            }
            Self::AgentsRestarted => restart_agents(cluster)?,
            Self::AgentsReplaced => replace_agents(cluster)?,
            Self::ServerKilled => {
                cluster.stop_server(Ending::Crash)?;
                std::thread::sleep(AWAY);
                cluster.start_server()?;
            }
            Self::AgentFrozen { seconds } => {
                std::thread::sleep(Duration::from_secs(seconds));
                cluster.thaw_agent(host);
            }
        }
        Ok(cluster.wait_for_hosts()?)
    }
}

fn restart_agents(cluster: &mut Cluster) -> Result<(), TrafficError> {
    for host in cluster.host_numbers() {
        cluster.stop_agent(host, Ending::Stop)?;
        cluster.start_agent(host)?;
        cluster.wait_for_hosts()?;
    }
    Ok(())
}

/// Another version is the same program with another digest: agents make an image of themselves for what runs beside
/// them, and exchange the name service for one of it.
fn replace_agents(cluster: &mut Cluster) -> Result<(), TrafficError> {
    let newer = newer(cluster.agent_program(), &cluster.folder().join("newer"))?;
    let before = own_containers(cluster)?;
    cluster.set_agent_program(&newer);
    restart_agents(cluster)?;
    let mut now = BTreeMap::new();
    let exchanged = wait(EXCHANGE, || {
        now = own_containers(cluster).unwrap_or_default();
        let host_done = |(host, images): (&u8, &Vec<String>)| {
            images.len() == 1 && before.get(host).is_some_and(|old| !old.contains(&images[0]))
        };
        now.len() == before.len() && now.iter().all(host_done)
    });
    if exchanged {
        return Ok(());
    }
    Err(TrafficError::Unexchanged { before: format!("{before:?}"), now: format!("{now:?}") })
}

/// A copy of a program that differs by its last byte, under a name that turns between two.
fn newer(program: &Path, place: &Path) -> Result<PathBuf, TrafficError> {
    let failed = |source| TrafficError::Io { what: "make a newer version of the program", source };
    let name = if program == place { place.with_extension("still") } else { place.to_owned() };
    std::fs::copy(program, &name).map_err(failed)?;
    let mut file = std::fs::OpenOptions::new().append(true).open(&name).map_err(failed)?;
    file.write_all(b"+").map_err(failed)?;
    Ok(name)
}

/// Images of Drover's own containers that run and are no balancers, by host.
fn own_containers(cluster: &Cluster) -> Result<BTreeMap<u8, Vec<String>>, TrafficError> {
    let mut images: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for (host, container) in cluster.containers()? {
        let own = container.image.starts_with(OWN_IMAGES) && container.state == "running";
        if own && !container.labels.contains_key("io.rancher.stack_service.name") {
            images.entry(host).or_default().push(container.image);
        }
    }
    Ok(images)
}

/// The lives of a service's containers.
pub(super) fn lives(cluster: &Cluster, service: &str) -> Result<Lives, TrafficError> {
    let label = format!("{}/{service}", super::STACK);
    let of_service = |c: &Container| c.labels.get("io.rancher.stack_service.name") == Some(&label);
    Ok(cluster.lives(of_service)?)
}
