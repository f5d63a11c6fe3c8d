//! How a data-plane process is asked to end: SIGTERM, as Docker sends it, or SIGINT from a terminal.

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the process is asked to; an error if the system won't tell.
pub(crate) fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
