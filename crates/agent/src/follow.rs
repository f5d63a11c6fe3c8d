//! Reading what the data plane's processes say of themselves: their status files, which they replace as a whole
//! whenever something changes. What is made of it is decided in [`followed`] and [`named`], purely.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_core::{
    BalancerConfig, BalancerStatus, CipherStatus, DiscoveryStatus, Followed, UnitKey,
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use crate::agent::AgentResult;

/// A process that has a status file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Process {
    /// The balancer of a unit.
    Balancer(UnitKey),
    /// The name service in this container.
    Names(String),
    /// What encrypts, in this container.
    Cipher(String),
}

/// What a process said.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// A balancer.
    Balancer(UnitKey, BalancerStatus),
    /// The name service in this container.
    Names(String, DiscoveryStatus),
    /// What encrypts, in this container.
    Cipher(String, CipherStatus),
}

/// Tell what the files say, each time one says something else, until nobody listens any more. They are looked at with these
/// pauses.
pub(crate) async fn follow(
    look: Duration,
    mut files: watch::Receiver<BTreeMap<Process, PathBuf>>,
    results: mpsc::UnboundedSender<AgentResult>,
) {
    let mut read: BTreeMap<Process, Stamp> = BTreeMap::new();
    loop {
        let files_now = files.borrow_and_update().clone();
        read.retain(|process, _| files_now.contains_key(process));
        for (process, file) in &files_now {
            let Some(stamp) = Stamp::of(file).filter(|stamp| read.get(process) != Some(stamp))
            else {
                continue;
            };
            let said = match process {
                Process::Balancer(unit) => parse(file).map(|status| Said::Balancer(*unit, status)),
                Process::Names(name) => parse(file).map(|status| Said::Names(name.clone(), status)),
                Process::Cipher(name) => {
                    parse(file).map(|status| Said::Cipher(name.clone(), status))
                }
            };
            read.insert(process.clone(), stamp);
            if said.is_some_and(|said| results.send(AgentResult::Said(said)).is_err()) {
                return;
            }
        }
        // With nothing to look at there is nothing to wake for.
        let pause = if files_now.is_empty() { Duration::from_hours(1) } else { look };
        if let Ok(Err(_)) = tokio::time::timeout(pause, files.changed()).await {
            return;
        }
    }
}

/// What a balancer acknowledged and counted. Requests in flight matter for units that take no new ones. For a process
/// that does not run, the file it would begin with speaks: it sends nothing to what is not in there. `None` while
/// one that runs has not said anything yet.
pub(crate) fn followed(
    config: &BalancerConfig,
    status: Option<&BalancerStatus>,
    runs: bool,
) -> Option<Followed> {
    if !runs {
        let ledgers = status.map(|status| status.ledgers.clone()).unwrap_or_default();
        return Some(Followed { routing: config.routing, ledgers, ..Followed::default() });
    }
    let status = status?;
    let routes = config.listeners.values().flat_map(|listener| &listener.routes);
    let rotation: BTreeSet<UnitKey> =
        routes.flat_map(|route| &route.targets).map(|target| target.unit).collect();
    let in_flight = status.in_flight.iter().filter(|(unit, _)| !rotation.contains(unit));
    Some(Followed {
        routing: status.routing,
        in_flight: in_flight.map(|(unit, count)| (*unit, *count)).collect(),
        ledgers: status.ledgers.clone(),
        problem: status.problem.clone(),
    })
}

/// What the host's name service acknowledged. While a new one takes over from an old one both answer, so only what
/// both know is acknowledged. `None` before the first word.
pub(crate) fn named<'a>(all: impl Iterator<Item = &'a DiscoveryStatus>) -> Option<Followed> {
    let oldest = all.min_by_key(|status| status.routing)?;
    let (routing, problem) = (oldest.routing, oldest.problem.clone());
    Some(Followed { routing, problem, ..Followed::default() })
}

/// Tells one version of a file from the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    changed_ns: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let told = std::fs::metadata(file).ok()?;
        let changed_ns = (told.mtime(), told.mtime_nsec());
        Some(Self { inode: told.ino(), size: told.size(), changed_ns })
    }
}

fn parse<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let bytes = std::fs::read(file).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(status) => Some(status),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "a status can't be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_core::{Listener, Route, Target};

    use super::*;

    fn unit(text: &str) -> UnitKey {
        text.parse().unwrap()
    }

    #[test]
    fn only_units_out_of_rotation_are_waited_for() {
        let target = Target {
            unit: unit("1/1/2/1"),
            address: "10.42.1.2:80".into(),
            host: None,
            weight: 1,
            check: None,
        };
        let route = Route { targets: vec![target], ..Route::default() };
        let listener = Listener { routes: vec![route], ..Listener::default() };
        let config = BalancerConfig { listeners: [(80, listener)].into(), ..Default::default() };
        let status = BalancerStatus {
            routing: 7,
            problem: "p".into(),
            in_flight: [(unit("1/1/1/1"), 3), (unit("1/1/2/1"), 9)].into(),
            ..BalancerStatus::default()
        };
        let told = followed(&config, Some(&status), true).unwrap();
        assert_eq!((told.routing, told.problem.as_str()), (7, "p"));
        assert_eq!(told.in_flight, [(unit("1/1/1/1"), 3)].into());
        assert_eq!(followed(&config, None, true), None, "it runs and has not spoken yet");
        let config = BalancerConfig { routing: 9, ..config };
        let told = followed(&config, Some(&status), false).unwrap();
        assert_eq!((told.routing, told.in_flight.len()), (9, 0), "what it would begin with");
    }

    #[test]
    fn while_two_name_services_answer_the_older_facts_count() {
        let status = |routing| DiscoveryStatus { routing, ..DiscoveryStatus::default() };
        assert_eq!(named([].iter()), None);
        assert_eq!(named([status(7)].iter()).unwrap().routing, 7);
        assert_eq!(named([status(7), status(5)].iter()).unwrap().routing, 5);
    }
}
