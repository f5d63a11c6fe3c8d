//! The folder a balancer process shares with its agent: `config.json`, which the agent replaces as a whole, and
//! `status.json`, which the process does. An agent that restarts touches no connection.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use drover_core::{BalancerConfig, HostAssignment, HostId, UnitKey};

use crate::ledger::replace;

/// The folder of one unit's balancer, under the agent's own.
pub(crate) fn folder(state: &Path, unit: UnitKey) -> PathBuf {
    state.join("balancers").join(unit.to_string().replace('/', "-"))
}

/// Bring the files in line with an assignment: every configuration that changed is replaced, and folders of
/// units that are no longer assigned go. Who is silent is this host's own to know.
pub(crate) fn write(
    state: &Path,
    assignment: &HostAssignment,
    silent: &BTreeSet<HostId>,
) -> std::io::Result<()> {
    let mut wanted = BTreeSet::new();
    for (&unit, config) in &assignment.balancers {
        let folder = folder(state, unit);
        std::fs::create_dir_all(&folder)?;
        let config = BalancerConfig { silent: silent.clone(), ..config.clone() };
        let text = serde_json::to_vec_pretty(&config)?;
        let file = folder.join("config.json");
        if std::fs::read(&file).is_ok_and(|there| there == text) {
            wanted.insert(folder);
            continue;
        }
        replace(&file, &text)?;
        wanted.insert(folder);
    }
    let Ok(entries) = std::fs::read_dir(state.join("balancers")) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !wanted.contains(&path) {
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}
