//! Drover's own processes in simulated containers: a balancer or a name service that serves nobody, follows its file and
//! says so, so that drains end.

use std::path::Path;
use std::time::Duration;

use drover_core::{BalancerStatus, DiscoveryStatus};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::SimulatedHost;
use super::container::Process;
use crate::follow::Stamp;

/// The file is looked at this often. The real ones look more often; there are not thousands of them on one machine.
const LOOK: Duration = Duration::from_millis(100);

/// As much of the file as is followed.
#[derive(Deserialize)]
struct Config {
    routing: u64,
}

/// Follow the file for as long as the run goes on.
pub(super) async fn run(host: SimulatedHost, run: (String, u64), process: Process) {
    let mut followed = None;
    while host.look(|engine| engine.goes_on(&run)) {
        let stamp = Stamp::of(&process.config);
        if stamp.is_some() && stamp != followed {
            match follow(&process) {
                Ok(()) => followed = stamp,
                Err(error) => tracing::warn!(file = %process.config.display(), "{error}"),
            }
        }
        sleep(LOOK).await;
    }
}

/// Do what the file says, which is nothing, and say so.
fn follow(process: &Process) -> std::io::Result<()> {
    let Config { routing } = serde_json::from_slice(&std::fs::read(&process.config)?)?;
    if process.role == "balancer" {
        replace(&process.status, &BalancerStatus { routing, ..BalancerStatus::default() })
    } else {
        replace(&process.status, &DiscoveryStatus { routing, ..DiscoveryStatus::default() })
    }
}

/// As a whole; a crash of the machine would end the simulation too, so it need not be synced.
fn replace(file: &Path, status: &impl Serialize) -> std::io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(status)?)?;
    std::fs::rename(&new, file)
}
