//! Running simulated hosts: an agent for each, all in one process, each registered as a host of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::Instrument as _;

use super::site::Site;
use super::{Pace, SimulatedHost};
use crate::register::RegisterError;
use crate::run::{AgentError, Options, run_in};
use crate::surroundings::Surroundings;

/// Hosts' addresses begin here where none is given: a range that is set aside for measurements (RFC 2544).
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Between the starts of two agents: every new host is news for all others, so that a server which is asked by thousands at
/// once is busy with that and loses those it has.
const BETWEEN: Duration = Duration::from_millis(20);
/// Files a host keeps open: its connection, its lock, and one that is just being read.
const FILES_EACH: u64 = 3;
/// Files the process needs besides.
const FILES: u64 = 64;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// How many hosts.
    pub hosts: u32,
    /// How long a container takes to start, and an image to arrive.
    pub start: Duration,
    /// How long a container takes to stop.
    pub stop: Duration,
}

/// Run simulated hosts until SIGTERM or SIGINT, or until one of them can't be a host. `options` are those of all of them: names
/// are the given one (`sim`) with a number, folders are of that name in the given one, addresses count from the given one.
pub async fn simulate(options: Options, simulation: Simulation) -> Result<(), AgentError> {
    let Simulation { hosts, start, stop } = simulation;
    make_room(u64::from(hosts) * FILES_EACH + FILES);
    let first = match options.address {
        None => FIRST_ADDRESS,
        Some(IpAddr::V4(first)) => first,
        Some(IpAddr::V6(_)) => return Err(AgentError::SimulatedAddress),
    };
    let (prefix, site) = (options.hostname.as_deref().unwrap_or("sim"), Arc::new(Site::default()));
    let mut agents = JoinSet::new();
    tracing::info!(hosts, state = %options.state.display(), "simulating");
    for number in 1..=hosts {
        let name = format!("{prefix}-{number:04}");
        let address = Ipv4Addr::from(u32::from(first).wrapping_add(number - 1));
        let host = SimulatedHost::new(&name, address, Pace { start, stop }, &site);
        let own = Options {
            state: options.state.join(&name),
            address: Some(address.into()),
            hostname: Some(name.clone()),
            ..options.clone()
        };
        let span = tracing::info_span!("host", name);
        let agent = async move {
            let ran = run_in(own, Surroundings::Simulated(host)).await;
            ran.map_err(|error| told(&name, hosts, error))
        };
        agents.spawn(agent.instrument(span));
        tokio::select! {
            () = sleep(BETWEEN) => {}
            // One that ends ends the others: all were asked to, or none can be a host.
            Some(Ok(ended)) = agents.join_next() => ended?,
        }
    }
    while let Some(ended) = agents.join_next().await {
        if let Ok(ended) = ended {
            ended?;
        }
    }
    tracing::info!("the simulated hosts end, and their containers with them");
    Ok(())
}

fn told(name: &str, hosts: u32, error: AgentError) -> AgentError {
    match error {
        AgentError::Register(source @ RegisterError::Refused { .. }) if hosts > 1 => {
            AgentError::SharedToken { host: name.to_owned(), source }
        }
        other => other,
    }
}

/// Have room for so many open files, as far as this process may.
fn make_room(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    let may = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted.min(may));
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files can't be raised");
        }
    }
    if may < wanted {
        tracing::warn!(
            "this process may open {may} files, and these hosts need {wanted}: raise the limit (ulimit -Hn, \
             LimitNOFILE=), or simulate fewer"
        );
    }
}
