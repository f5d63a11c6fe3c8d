//! Asking all agents of a project at once how the network is: first each of its own host, then of the ways to the others.
//! What that means is decided by [`drover_core::doctor`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::doctor::{self, Answers, Diagnosis};
use drover_core::protocol::Ask;
use drover_core::{HostId, ProjectId, World};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::asks;
use crate::clock;
use crate::server::Server;

/// For an agent to look at its own host, and to probe the others: each on its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// Examine a project's network. Returns the snapshot that the diagnosis is about, too.
pub(crate) async fn diagnose(server: &Arc<Server>, project: ProjectId) -> (Arc<World>, Diagnosis) {
    let before = server.store.world();
    let hosts = doctor::asked(&before, project);
    let name = doctor::known_name(&before, project).unwrap_or_default();
    let examine = |_| Ask::Examine { name: name.clone() };
    let examined = ask_all(server, &hosts, examine).await;
    let mut answers: BTreeMap<HostId, Answers> = BTreeMap::new();
    for (host, found) in examined {
        answers.entry(host).or_default().examined = Some(found);
    }
    let said: Vec<HostId> = hosts
        .into_iter()
        .filter(|host| answers.get(host).is_some_and(|a| matches!(a.examined, Some(Ok(_)))))
        .collect();
    let probe = |host| Ask::Probe { targets: doctor::targets(&before, host, &answers) };
    for (host, found) in ask_all(server, &said, probe).await {
        answers.entry(host).or_default().probed = Some(found);
    }
    let world = server.store.world();
    let diagnosis = doctor::diagnose((&before, &world), project, &answers, clock::now());
    (world, diagnosis)
}

/// Ask several hosts at the same moment; why one did not answer, in words.
async fn ask_all<T: DeserializeOwned + Send + 'static>(
    server: &Arc<Server>,
    hosts: &[HostId],
    what: impl Fn(HostId) -> Ask,
) -> BTreeMap<HostId, Result<T, String>> {
    let mut asking = JoinSet::new();
    for &host in hosts {
        let (server, what) = (server.clone(), what(host));
        asking.spawn(async move {
            let answer = timeout(PATIENCE, asks::fetch(&server, host, what)).await;
            let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
            (host, answer.unwrap_or_else(late))
        });
    }
    let mut answers = BTreeMap::new();
    while let Some(asked) = asking.join_next().await {
        // One that panicked is one that did not answer.
        answers.extend(asked.ok());
    }
    answers
}
