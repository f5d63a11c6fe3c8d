//! Long work that a person may break off: it runs on a thread of its own, so that Ctrl-C is heard at any moment and
//! whoever waits can still clean up. What goes on in that thread after an interruption is cut short by that.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Do it; what came of it, or none if SIGINT or SIGTERM came first.
pub fn unless_interrupted<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (done, outcome) = oneshot::channel();
    std::thread::spawn(move || done.send(work()));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(tokio::select! {
            outcome = outcome => outcome.ok(),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        })
    })
}
