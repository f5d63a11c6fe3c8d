//! What hosts and containers use, for one user: the agents of all hosts concerned are asked, and what they say is put
//! together, a frame at a time. Which containers there are is looked up anew for every frame; nobody is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use drover_api::{Caller, Source, StatsOf, stats_frame};
use drover_core::protocol::Ask;
use drover_core::{HostId, Sample};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::asks::Arrived;
use crate::server::Server;

/// A sample that is older is no news of what is used now.
const FRESH: Duration = Duration::from_secs(5);
/// Before a host whose answer ended is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// Samples that wait to be taken in; past that their hosts' readers wait.
const WAITING: usize = 256;

/// Samples of what a user looks at.
pub(crate) struct Watching {
    server: Arc<Server>,
    of: StatsOf,
    caller: Caller,
    tick: Interval,
    readers: BTreeMap<HostId, Reader>,
    last: BTreeMap<(HostId, String), (Instant, Sample)>,
    told: mpsc::Receiver<(HostId, Sample)>,
    tell: mpsc::Sender<(HostId, Sample)>,
}

/// One host being asked. Dropping it cancels that.
struct Reader {
    wanted: Wanted,
    since: Instant,
    task: AbortHandle,
}

/// What a host is asked for: itself, and which containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    host: bool,
    containers: BTreeSet<String>,
}

impl Watching {
    /// Begin to look; `None` if there is nothing that this caller may see.
    pub(crate) fn begin(server: &Arc<Server>, of: StatsOf, caller: Caller) -> Option<Self> {
        of.sources(&server.store.world(), &caller)?;
        let mut tick = interval(Duration::from_millis(server.timing.stats_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (tell, told) = mpsc::channel(WAITING);
        let (readers, last) = (BTreeMap::new(), BTreeMap::new());
        Some(Self { server: server.clone(), of, caller, tick, readers, last, told, tell })
    }

    /// Wait for the next frame; `None` once there is nothing left that the caller may see. Until the first sample of what is
    /// there comes, there is none.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            tokio::select! {
                Some((host, sample)) = self.told.recv() => {
                    self.last.insert((host, sample.container.clone()), (Instant::now(), sample));
                }
                _ = self.tick.tick() => {
                    let sources = self.of.sources(&self.server.store.world(), &self.caller)?;
                    self.ask(&sources);
                    let frame = self.frame(&sources);
                    if sources.is_empty() || frame.as_array().is_some_and(|all| !all.is_empty()) {
                        return Some(frame);
                    }
                }
            }
        }
    }

    /// Ask each host for what is wanted of it now.
    fn ask(&mut self, sources: &[Source]) {
        let mut wanted: BTreeMap<HostId, Wanted> = BTreeMap::new();
        for Source { host, container, .. } in sources {
            let of = wanted.entry(*host).or_default();
            if container.is_empty() {
                of.host = true;
            } else {
                of.containers.insert(container.clone());
            }
        }
        self.readers.retain(|host, reader| {
            let same = wanted.get(host) == Some(&reader.wanted);
            // One that has ended is kept until it is time to ask again.
            same && (!reader.task.is_finished() || reader.since.elapsed() < AGAIN)
        });
        for (host, wanted) in wanted {
            if !self.readers.contains_key(&host) {
                let reading = read(self.server.clone(), host, wanted.clone(), self.tell.clone());
                let task = tokio::spawn(reading).abort_handle();
                self.readers.insert(host, Reader { wanted, since: Instant::now(), task });
            }
        }
    }

    fn frame(&mut self, sources: &[Source]) -> Value {
        self.last.retain(|_, (at, _)| at.elapsed() < FRESH);
        let last = self.last.iter().map(|(of, (_, sample))| (of.clone(), sample.clone())).collect();
        stats_frame(sources, &last)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hand on what a host's agent says until it ends or nobody listens.
async fn read(
    server: Arc<Server>,
    host: HostId,
    Wanted { host: own, containers }: Wanted,
    tell: mpsc::Sender<(HostId, Sample)>,
) {
    let ask = Ask::Stats { host: own, containers };
    let Some(mut asking) = server.hub.ask(host, ask).await else { return };
    loop {
        match asking.next().await {
            Arrived::Data(data) => match serde_json::from_slice(&data) {
                Ok(sample) => {
                    if tell.send((host, sample)).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%host, %error, "a sample can't be read"),
            },
            Arrived::Progress(_) => {}
            Arrived::Done(why) => {
                if !why.is_empty() {
                    tracing::debug!(%host, why, "what it uses is not told");
                }
                return;
            }
        }
    }
}
