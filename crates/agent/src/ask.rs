//! What a server asks for on a user's behalf: logs, a command in a container, a pull, a stop, how the network is, what
//! is used. None of it changes what the host shall run, and only containers of this cluster can be asked for.

mod docker_socket;
mod exec;
mod logs;
mod stats;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use bytes::Bytes;
use drover_core::protocol::{Ask, FromAgent};
use drover_core::{HostAssignment, pinned};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::doctor::Known;
use crate::link::LinkSender;

/// Input that may wait to be taken by a command.
const INPUT_FRAMES: usize = 64;
/// How long Docker may take beyond a container's own grace.
const WORK: Duration = Duration::from_mins(2);

/// The asks in progress.
#[derive(Default)]
pub(crate) struct Asks {
    open: BTreeMap<u64, Open>,
}

struct Open {
    input: mpsc::Sender<Bytes>,
    /// Columns and rows of the asker's terminal.
    size: watch::Sender<Size>,
    cancel: CancellationToken,
}

/// Columns and rows of a terminal.
type Size = (u16, u16);

/// What an asker sends while its ask lasts.
struct Taken {
    input: mpsc::Receiver<Bytes>,
    size: watch::Receiver<Size>,
}

/// One ask, on its way.
struct Asked {
    number: u64,
    engine: Arc<Engine>,
    assignment: Arc<HostAssignment>,
    known: Known,
    sender: LinkSender,
}

impl Asks {
    /// Begin. `over` hears the number when it is over.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        what: Ask,
        (engine, assignment, known): (Arc<Engine>, Arc<HostAssignment>, Known),
        sender: LinkSender,
        over: impl FnOnce(u64) + Send + 'static,
    ) {
        let (input, inputs) = mpsc::channel(INPUT_FRAMES);
        let (size, sizes) = watch::channel(Size::default());
        let taken = Taken { input: inputs, size: sizes };
        let cancel = CancellationToken::new();
        self.open.insert(number, Open { input, size, cancel: cancel.clone() });
        let asked = Asked { number, engine, assignment, known, sender };
        tokio::spawn(async move {
            let done = tokio::select! {
                done = asked.answer(what, taken) => done,
                () = cancel.cancelled() => Err("it was cancelled".to_owned()),
            };
            let error = done.err().unwrap_or_default();
            asked.sender.end(number, error).await;
            over(number);
        });
    }

    /// Input for an ask. Input for one that takes none, or too slowly, ends it: a gap would be worse.
    pub(crate) fn input(&mut self, number: u64, data: Bytes) {
        if let Some(open) = self.open.get(&number)
            && open.input.try_send(data).is_err()
            && !open.input.is_closed()
        {
            open.cancel.cancel();
        }
    }

    /// The asker's terminal has another size. Of several that come at once, the last counts.
    pub(crate) fn resize(&mut self, number: u64, size: Size) {
        if let Some(open) = self.open.get(&number) {
            open.size.send_replace(size);
        }
    }

    /// The asker is gone.
    pub(crate) fn cancel(&mut self, number: u64) {
        if let Some(open) = self.open.get(&number) {
            open.cancel.cancel();
        }
    }

    /// The connection is gone, and all askers with it.
    pub(crate) fn cancel_all(&mut self) {
        self.open.values().for_each(|open| open.cancel.cancel());
    }

    /// An ask is over.
    pub(crate) fn over(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

impl Asked {
    async fn answer(&self, what: Ask, taken: Taken) -> Result<(), String> {
        match what {
            Ask::Logs { container, follow, tail, timestamps, since } => {
                let options = LogsOptionsBuilder::new().follow(follow).timestamps(timestamps);
                self.logs(&container, options, tail, since).await
            }
            Ask::Exec { container, command, tty, stdin } => {
                self.exec(&container, command, (tty, stdin), taken).await
            }
            Ask::Docker => self.docker_socket(taken.input).await,
            Ask::Pull { image, only_if_present } => self.pull(&image, only_if_present).await,
            Ask::Stop { container, grace_s } => self.stop(&container, grace_s).await,
            Ask::Restart { container, grace_s } => self.restart(&container, grace_s).await,
            Ask::Remove { container } => self.remove(&container).await,
            Ask::Examine { name } => {
                let surroundings = &self.engine.surroundings;
                self.tell(&surroundings.examine(&self.engine, &self.known, &name).await)
            }
            Ask::Probe { targets } => {
                self.tell(&self.engine.surroundings.probe(&self.known, targets).await)
            }
            Ask::Stats { host, containers } => self.stats(host, containers).await,
        }
    }

    /// Answer with one line of JSON.
    fn tell(&self, found: &impl Serialize) -> Result<(), String> {
        let text = serde_json::to_string(found).map_err(|error| error.to_string())?;
        self.sender.send(FromAgent::Progress { ask: self.number, text });
        Ok(())
    }

    async fn pull(&self, image: &str, only_if_present: bool) -> Result<(), String> {
        let image = pinned(image, None);
        if only_if_present && !self.engine.has_image(&image).await.map_err(|e| e.to_string())? {
            return Ok(());
        }
        let tell = |text| {
            self.sender.send(FromAgent::Progress { ask: self.number, text });
        };
        self.engine.pull(&image, &self.assignment, tell).await.map_err(|e| e.to_string())
    }

    async fn stop(&self, container: &str, grace_s: Option<u32>) -> Result<(), String> {
        let mut options = StopContainerOptionsBuilder::new();
        if let Some(grace) = grace_s {
            options = options.t(seconds(grace));
        }
        let client = self.patient(grace_s);
        let stopped = client.stop_container(container, Some(options.build()));
        stopped.await.map_err(|error| format!("can't stop it: {error}"))
    }

    async fn restart(&self, container: &str, grace_s: Option<u32>) -> Result<(), String> {
        let mut options = RestartContainerOptionsBuilder::new();
        if let Some(grace) = grace_s {
            options = options.t(seconds(grace));
        }
        let client = self.patient(grace_s);
        let restarted = client.restart_container(container, Some(options.build()));
        restarted.await.map_err(|error| format!("can't restart it: {error}"))
    }

    async fn remove(&self, container: &str) -> Result<(), String> {
        self.stop(container, None).await?;
        let options = RemoveContainerOptionsBuilder::new().v(true).build();
        let removed = self.engine.client().remove_container(container, Some(options));
        removed.await.map_err(|error| format!("can't remove it: {error}"))
    }

    /// A client that waits as long as the container may take to end.
    fn patient(&self, grace_s: Option<u32>) -> bollard::Docker {
        let grace = Duration::from_secs(u64::from(grace_s.unwrap_or_default()));
        self.engine.client().clone().with_timeout(WORK + grace)
    }
}

fn seconds(grace_s: u32) -> i32 {
    i32::try_from(grace_s).unwrap_or(i32::MAX)
}
