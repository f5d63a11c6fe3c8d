//! The one writer: a thread that owns the newest world and does one group of requests after the other.
//!
//! While a group is being written the next one gathers, so the load itself sets the size of the groups and
//! nobody waits for a timer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc as blocking};
use std::thread;

use drover_core::protocol::HostEvent;
use drover_core::{
    Audit, Change, Followed, HostId, Observed, RowKey, Scope, Time, UnitKey, Witnessed, World,
};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Backend, Batch};
use crate::feed::Published;
use crate::{CommitError, OpenError, StorageError, Store, StoredChange};

/// Something to be done by the writer, and where the answer goes.
pub(crate) enum Request {
    Commit {
        seen: Option<u64>,
        by: String,
        now: Time,
        changes: Vec<Change>,
        answer: oneshot::Sender<Result<Arc<World>, CommitError>>,
    },
    Report {
        host: HostId,
        units: BTreeMap<UnitKey, Observed>,
        now: Time,
        answer: oneshot::Sender<Result<(), StorageError>>,
    },
    Follow {
        host: HostId,
        balancers: BTreeMap<UnitKey, Followed>,
        names: Option<Followed>,
        answer: oneshot::Sender<Result<(), StorageError>>,
    },
    Witness {
        host: HostId,
        found: Witnessed,
        answer: oneshot::Sender<Result<(), StorageError>>,
    },
    Events {
        host: HostId,
        events: Vec<HostEvent>,
        answer: oneshot::Sender<Result<(), StorageError>>,
    },
    Audit {
        audit: Audit,
        answer: oneshot::Sender<Result<(), StorageError>>,
    },
    Close {
        answer: oneshot::Sender<()>,
    },
}

/// Requests that wait before their callers do.
const QUEUE: usize = 4096;

/// Requests of one transaction at most, so that the first of them needn't wait for ever.
const GROUP: usize = 1024;

/// Start the writer on what `connect` opens. A thread with a runtime of its own: it doesn't matter where
/// the store was opened, and no other task's work delays a commit.
pub(crate) fn start(
    connect: impl AsyncFnOnce() -> Result<(Backend, World), OpenError> + Send + 'static,
) -> Result<Store, OpenError> {
    let (opened, result) = blocking::sync_channel(1);
    let (requests, queue) = mpsc::channel(QUEUE);
    let body = move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                opened.send(Err(OpenError::Thread(error))).ok();
                return;
            }
        };
        runtime.block_on(async move {
            let (backend, world) = match connect().await {
                Ok((backend, world)) => (Arc::new(backend), Arc::new(world)),
                Err(error) => {
                    opened.send(Err(error)).ok();
                    return;
                }
            };
            let published = Arc::new(Published::new(world));
            let writer = Writer { backend: backend.clone(), published: published.clone() };
            opened.send(Ok(Store { backend, published, requests })).ok();
            writer.run(queue).await;
        });
    };
    thread::Builder::new().name("store".to_owned()).spawn(body).map_err(OpenError::Thread)?;
    result.recv().unwrap_or(Err(OpenError::Storage(StorageError::Closed)))
}

struct Writer {
    backend: Arc<Backend>,
    published: Arc<Published>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = Vec::with_capacity(GROUP);
        let mut closers = Vec::new();
        while closers.is_empty() && queue.recv_many(&mut waiting, GROUP).await > 0 {
            let mut group = Group::on(self.published.world());
            for request in waiting.drain(..) {
                match request {
                    Request::Close { answer } => closers.push(answer),
                    request => group.take(request),
                }
            }
            self.finish(group).await;
        }
        queue.close();
        self.backend.close().await;
        for closer in closers {
            closer.send(()).ok();
        }
    }

    /// Write, then show, then answer: never in another order.
    async fn finish(&self, group: Group) {
        let Group { world, touched, scope, changes, events, audits, answers } = group;
        let batch = Batch { rows: world.rows(&touched), changes, events, audits };
        if !batch.is_empty()
            && let Err(error) = self.backend.write(&batch).await
        {
            tracing::error!(%error, requests = answers.len(), "a write to the database failed");
            for answer in answers {
                answer.fail(&error);
            }
            return;
        }
        if !touched.is_empty() {
            self.published.publish(&world, &touched, &scope);
        }
        answers.into_iter().for_each(Answer::send);
    }
}

/// Requests carried out in memory on a world that nobody else sees yet.
struct Group {
    world: Arc<World>,
    touched: BTreeSet<RowKey>,
    scope: Scope,
    changes: Vec<StoredChange>,
    events: Vec<(HostId, HostEvent)>,
    audits: Vec<Audit>,
    answers: Vec<Answer>,
}

enum Answer {
    Commit(oneshot::Sender<Result<Arc<World>, CommitError>>, Result<Arc<World>, CommitError>),
    Done(oneshot::Sender<Result<(), StorageError>>),
}

impl Group {
    fn on(world: Arc<World>) -> Self {
        Self {
            world,
            touched: BTreeSet::new(),
            scope: Scope::default(),
            changes: Vec::new(),
            events: Vec::new(),
            audits: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Commit { seen, by, now, changes, answer } => {
                let result = self.commit(seen, &by, now, changes);
                self.answers.push(Answer::Commit(answer, result));
            }
            Request::Report { host, units, now, answer } => {
                let (touched, scope) = Arc::make_mut(&mut self.world).observe(host, &units, now);
                self.touched.extend(touched);
                self.scope.merge(scope);
                self.answers.push(Answer::Done(answer));
            }
            Request::Follow { host, balancers, names, answer } => {
                let world = Arc::make_mut(&mut self.world);
                let (touched, scope) = world.follow(host, &balancers, names.as_ref());
                self.touched.extend(touched);
                self.scope.merge(scope);
                self.answers.push(Answer::Done(answer));
            }
            Request::Witness { host, found, answer } => {
                let (touched, scope) = Arc::make_mut(&mut self.world).witness(host, &found);
                self.touched.extend(touched);
                self.scope.merge(scope);
                self.answers.push(Answer::Done(answer));
            }
            Request::Events { host, events, answer } => {
                self.events.extend(events.into_iter().map(|event| (host, event)));
                self.answers.push(Answer::Done(answer));
            }
            Request::Audit { audit, answer } => {
                self.audits.push(audit);
                self.answers.push(Answer::Done(answer));
            }
            Request::Close { .. } => {}
        }
    }

    fn commit(
        &mut self,
        seen: Option<u64>,
        by: &str,
        now: Time,
        changes: Vec<Change>,
    ) -> Result<Arc<World>, CommitError> {
        if seen.is_some_and(|seen| seen != self.world.revision) {
            return Err(CommitError::Conflict);
        }
        let (world, touched) = self.world.commit(&changes)?;
        let revision = world.revision;
        let before = std::mem::replace(&mut self.world, Arc::new(world));
        self.touched.extend(touched);
        for change in changes {
            self.scope.merge(change.dirties(&before));
            self.changes.push(StoredChange { revision, logged: change.logged(now, by) });
        }
        Ok(self.world.clone())
    }
}

impl Answer {
    /// A caller that went away is no error: its request was carried out.
    fn send(self) {
        match self {
            Self::Commit(to, result) => _ = to.send(result),
            Self::Done(to) => _ = to.send(Ok(())),
        }
    }

    /// Refusals too: they may be owed to a request of the group that now did not happen.
    fn fail(self, error: &StorageError) {
        match self {
            Self::Commit(to, _) => _ = to.send(Err(error.clone().into())),
            Self::Done(to) => _ = to.send(Err(error.clone())),
        }
    }
}
