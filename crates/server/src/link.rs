//! One connection to one agent, as the rest of the server sees it: frames go in, asks are open on it, it can be
//! ended. [`crate::session`] is what drives it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::ws::Message;
use drover_core::HostId;
use drover_core::protocol::FromServer;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::asks::Asks;

/// A live connection.
pub(crate) struct Link {
    /// Whose agent.
    pub(crate) host: HostId,
    /// Rings when the host's assignment may have changed.
    pub(crate) stale: Notify,
    /// Rings when the connection is to end: a newer one took its place, or the server stops.
    pub(crate) end: CancellationToken,
    /// What was asked and is not answered.
    pub(crate) asks: Asks,
    /// Generation of the assignment on the agent's disk.
    pub(crate) assigned: AtomicU64,
    outbox: mpsc::Sender<Message>,
}

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Gone;

/// Frames that wait to be sent; past that, who sends waits too.
const OUTBOX: usize = 256;

impl Link {
    /// A link, and the frames to be sent over it.
    pub(crate) fn new(
        host: HostId,
        end: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Message>) {
        let (outbox, frames) = mpsc::channel(OUTBOX);
        let link = Self {
            host,
            stale: Notify::new(),
            end,
            asks: Asks::default(),
            assigned: AtomicU64::new(0),
            outbox,
        };
        (Arc::new(link), frames)
    }

    /// Send a message, when there is room.
    pub(crate) async fn send(&self, message: &FromServer) -> Result<(), Gone> {
        self.send_frame(text(message)).await
    }

    /// Send a message if there is room at once.
    pub(crate) fn try_send(&self, message: &FromServer) -> Result<(), Gone> {
        self.outbox.try_send(text(message)).map_err(|_| Gone)
    }

    /// Send a frame, when there is room. Ends with the connection.
    pub(crate) async fn send_frame(&self, frame: Message) -> Result<(), Gone> {
        tokio::select! {
            sent = self.outbox.send(frame) => sent.map_err(|_| Gone),
            () = self.end.cancelled() => Err(Gone),
        }
    }
}

/// A message as a frame.
pub(crate) fn text(message: &FromServer) -> Message {
    // Every message is plain data with text keys: writing it as JSON can't fail.
    Message::Text(serde_json::to_string(message).expect("plain data is always JSON").into())
}
