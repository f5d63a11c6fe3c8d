//! Pulls that users asked for: an image, on the hosts of a project, with how far each host is.
//!
//! Kept in memory only: a pull changes nothing that must last, and whoever waits for one that a restart lost
//! asks again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_api::{Pull, PullProgress};
use drover_core::protocol::Ask;
use drover_core::schedule::{Constraint, Subject, constraints};
use drover_core::{ContainerSpec, Host, HostId, ProjectId, Template, Time, World};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::asks;
use crate::server::Server;

/// How long a pull can be looked up, milliseconds from its start: the longest one may take, and ten minutes.
const KEPT_MS: u64 = PATIENCE_MS + 10 * 60_000;
/// How long one host may take, milliseconds.
const PATIENCE_MS: u64 = 30 * 60_000;
/// What Rancher's clients compare with.
const DONE: &str = "Done";

/// The pulls of late.
#[derive(Default)]
pub(crate) struct Pulls {
    all: watch::Sender<Arc<Vec<Pull>>>,
}

impl Pulls {
    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Arc<Vec<Pull>> {
        self.all.borrow().clone()
    }

    /// To be told how they go on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Vec<Pull>>> {
        self.all.subscribe()
    }

    fn add(&self, make: impl FnOnce(u64) -> Pull) -> u64 {
        let mut number = 1;
        self.all.send_modify(|all| {
            let all = Arc::make_mut(all);
            number = all.last().map_or(1, |last| last.id + 1);
            let pull = make(number);
            all.retain(|held| pull.created_at < held.created_at + KEPT_MS);
            all.push(pull);
        });
        number
    }

    fn say(&self, number: u64, host: &str, words: String, left: usize) {
        self.all.send_modify(|all| {
            let pull = Arc::make_mut(all).iter_mut().find(|pull| pull.id == number);
            let Some(pull) = pull else { return };
            pull.status.insert(host.to_owned(), words);
            if left == 0 {
                let worked = pull.status.values().all(|words| words == DONE);
                pull.progress = if worked { PullProgress::Done } else { PullProgress::Failed };
            }
        });
    }
}

/// What is to be pulled, and where.
pub(crate) struct Wanted {
    /// Whose hosts.
    pub(crate) project: ProjectId,
    /// What.
    pub(crate) image: String,
    /// Labels that select hosts.
    pub(crate) labels: BTreeMap<String, String>,
    /// Only where the image is already.
    pub(crate) only_if_present: bool,
}

/// Start a pull; returns its number.
pub(crate) fn start(server: &Arc<Server>, wanted: Wanted, now: Time) -> u64 {
    let world = server.store.world();
    let hosts: BTreeMap<HostId, String> =
        hosts(&world, &wanted).map(|host| (host.id, host.shown_name().to_owned())).collect();
    let Wanted { project, image, labels, only_if_present } = wanted;
    let ask = Ask::Pull { image: image.clone(), only_if_present };
    let status = hosts.values().map(|name| (name.clone(), "Pulling".to_owned())).collect();
    let progress = if hosts.is_empty() { PullProgress::Done } else { PullProgress::Pulling };
    let number = server.pulls.add(|id| Pull {
        id,
        project,
        image,
        labels,
        only_if_present,
        status,
        progress,
        created_at: now,
    });
    tokio::spawn(pull_on(server.clone(), number, hosts, ask));
    number
}

/// Pull on all hosts at once, and keep the record.
async fn pull_on(server: Arc<Server>, number: u64, hosts: BTreeMap<HostId, String>, ask: Ask) {
    let mut left = hosts.len();
    let mut pulling = tokio::task::JoinSet::new();
    for (host, name) in hosts {
        let (server, ask) = (server.clone(), ask.clone());
        pulling.spawn(async move {
            let words = one(&server, host, ask).await;
            (name, words)
        });
    }
    while let Some(ended) = pulling.join_next().await {
        left -= 1;
        let Ok((name, words)) = ended else { continue };
        server.pulls.say(number, &name, words, left);
    }
}

/// Pull on one host; how it ended, in words.
async fn one(server: &Server, host: HostId, ask: Ask) -> String {
    let patience = Duration::from_millis(PATIENCE_MS);
    let done = timeout(patience, asks::finish(server, host, ask)).await;
    match done {
        Ok(Ok(())) => DONE.to_owned(),
        Ok(Err(why)) => why,
        Err(_) => format!("the host did not finish within {} min", PATIENCE_MS / 60_000),
    }
}

/// Hosts that a unit with these labels could go to, as far as the hosts' own labels say.
fn hosts<'a>(world: &'a World, wanted: &Wanted) -> impl Iterator<Item = &'a Host> {
    let spec = ContainerSpec { labels: wanted.labels.clone(), ..ContainerSpec::default() };
    let template = Template { primary: spec, ..Template::default() };
    // Labels that can't be read select nothing; creating the service says what is wrong with them.
    let rules = constraints(&template, "", "").unwrap_or_default();
    let project = wanted.project;
    let hosts = world.hosts.values().map(|host| &**host).filter(move |host| {
        host.project == project && host.removed_at.is_none() && world.is_connected(host.id)
    });
    hosts.filter(move |host| rules.iter().all(|rule| allows(rule, host)))
}

fn allows(rule: &Constraint, host: &Host) -> bool {
    match &rule.subject {
        Subject::HostLabel(key, value) if rule.hard => {
            let has = host
                .labels
                .iter()
                .any(|(k, v)| k.eq_ignore_ascii_case(key) && v.trim().eq_ignore_ascii_case(value));
            has != rule.negated
        }
        _ => true,
    }
}
