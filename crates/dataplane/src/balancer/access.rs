//! The access log: one line for each request and each connection, written when it ends. Off unless asked for, since
//! lines of a busy balancer fill a disk.
//!
//! Nothing ever waits for it: when whoever reads the lines is too slow, lines are dropped, and how many is said.

mod line;

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use line::AccessFormat;
pub(super) use line::Visit;

/// Where ended visits are told.
#[derive(Debug, Default)]
pub(super) struct AccessLog {
    lines: OnceLock<Sender<Visit>>,
    dropped: AtomicU64,
}

/// Visits that wait to be written; more are dropped.
const WAITING: usize = 8_192;

/// Written at a time.
const BATCH: usize = 256;

impl AccessLog {
    /// Begin to keep lines. They have to be written from what this returns.
    pub(super) fn open(&self) -> Receiver<Visit> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.lines.set(sender).ok();
        receiver
    }

    /// Whether lines are kept at all.
    pub(super) fn is_open(&self) -> bool {
        self.lines.get().is_some()
    }

    /// A visit has ended.
    pub(super) fn tell(&self, visit: Visit) {
        if let Some(lines) = self.lines.get()
            && lines.try_send(visit).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Write lines until `end`, and those that wait then. Whoever reads them may be slow: a thread of its own waits.
pub(super) async fn keep_written<W>(
    log: &AccessLog,
    mut visits: Receiver<Visit>,
    format: AccessFormat,
    mut to: W,
    end: CancellationToken,
) -> io::Result<W>
where
    W: Write + Send + 'static,
{
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            _ = visits.recv_many(&mut batch, BATCH) => {}
            () = end.cancelled() => visits.close(),
        }
        if batch.is_empty() && visits.is_closed() && visits.is_empty() {
            return Ok(to);
        }
        let mut text = String::new();
        for visit in batch.drain(..) {
            visit.write(format, &mut text);
        }
        let written = spawn_blocking(move || {
            let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
            written.map(|()| to)
        });
        to = written.await.map_err(io::Error::other)??;
        let dropped = log.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "lines of the access log were dropped: they came too fast");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_dropped_rather_than_waited_for_and_the_rest_is_written() {
        let log = AccessLog::default();
        log.tell(Visit::example());
        assert_eq!(log.dropped.load(Ordering::Relaxed), 0, "nobody wanted it");
        let visits = log.open();
        for _ in 0..WAITING + 3 {
            log.tell(Visit::example());
        }
        assert_eq!(log.dropped.load(Ordering::Relaxed), 3);
        let end = CancellationToken::new();
        end.cancel();
        let text = AccessFormat::Text;
        let written = keep_written(&log, visits, text, Vec::new(), end).await.unwrap();
        let lines = String::from_utf8(written).unwrap().lines().count();
        assert_eq!(lines, WAITING);
    }
}
