//! Things asked of an agent on a user's behalf: numbered, streamed both ways, cancelled when the asker goes.
//!
//! A slow asker must not hold up the agent's reports, which come over the same connection. So what arrives for
//! it is kept, up to a bound, and past that the ask is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::ws::Message;
use bytes::{BufMut, Bytes, BytesMut};
use drover_core::HostId;
use drover_core::protocol::{Ask, FromServer};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::link::{Gone, Link};
use crate::lock::lock;
use crate::server::Server;

/// Bytes kept for an asker that is slower than its agent.
const KEPT_BYTES: usize = 16 << 20;

/// What arrived for an asker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// Bytes of the stream.
    Data(Bytes),
    /// A line of text.
    Progress(String),
    /// The end; the reason in words, empty for a good one.
    Done(String),
}

/// The asks open on one connection.
#[derive(Default)]
pub(crate) struct Asks {
    open: Mutex<BTreeMap<u64, Open>>,
}

struct Open {
    to: mpsc::UnboundedSender<Arrived>,
    kept: Arc<AtomicUsize>,
}

/// One ask, on the asker's side. Dropping it cancels it.
pub(crate) struct Asking {
    link: Arc<Link>,
    number: u64,
    from: mpsc::UnboundedReceiver<Arrived>,
    kept: Arc<AtomicUsize>,
}

/// Ask a host for something that ends by itself, and wait for the end; why it failed, in words.
pub(crate) async fn finish(server: &Server, host: HostId, what: Ask) -> Result<(), String> {
    let Some(mut asking) = server.hub.ask(host, what).await else {
        return Err("the host is not connected; try again once it is".to_owned());
    };
    loop {
        match asking.next().await {
            Arrived::Done(error) if error.is_empty() => return Ok(()),
            Arrived::Done(error) => return Err(error),
            Arrived::Data(_) | Arrived::Progress(_) => {}
        }
    }
}

/// Ask a host for something that is answered with one line of JSON, and wait for that; why there is none, in words.
pub(crate) async fn fetch<T: DeserializeOwned>(
    server: &Server,
    host: HostId,
    what: Ask,
) -> Result<T, String> {
    let Some(mut asking) = server.hub.ask(host, what).await else {
        return Err("its agent is not connected".to_owned());
    };
    let mut answer = String::new();
    loop {
        match asking.next().await {
            Arrived::Data(_) => {}
            Arrived::Progress(line) => answer = line,
            Arrived::Done(error) if error.is_empty() => break,
            Arrived::Done(error) => return Err(error),
        }
    }
    serde_json::from_str(&answer)
        .map_err(|error| format!("its agent answered something this server can't read: {error}"))
}

impl Asks {
    /// Bytes came for an ask. Returns false if nobody wants them: the agent shall stop.
    pub(crate) fn data(&self, number: u64, data: Bytes) -> bool {
        let mut open = lock(&self.open);
        let Some(ask) = open.get(&number) else { return false };
        let kept = ask.kept.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        if kept <= KEPT_BYTES {
            return ask.to.send(Arrived::Data(data)).is_ok();
        }
        let why = format!("the reader is too slow: {} MiB wait to be read", KEPT_BYTES >> 20);
        // An asker that is gone needs no reason.
        let _ = ask.to.send(Arrived::Done(why));
        open.remove(&number);
        false
    }

    /// A line came for an ask.
    pub(crate) fn progress(&self, number: u64, text: String) {
        if let Some(ask) = lock(&self.open).get(&number) {
            let _ = ask.to.send(Arrived::Progress(text));
        }
    }

    /// An ask is over.
    pub(crate) fn done(&self, number: u64, error: String) {
        if let Some(ask) = lock(&self.open).remove(&number) {
            let _ = ask.to.send(Arrived::Done(error));
        }
    }

    /// The connection is over, and all asks with it.
    pub(crate) fn lost(&self) {
        for (_, ask) in std::mem::take(&mut *lock(&self.open)) {
            let why = "the connection to the host was lost; ask again once it is back";
            let _ = ask.to.send(Arrived::Done(why.to_owned()));
        }
    }
}

impl Asking {
    /// Ask; `None` if the connection ended meanwhile.
    pub(crate) async fn start(link: Arc<Link>, number: u64, what: Ask) -> Option<Self> {
        let (to, from) = mpsc::unbounded_channel();
        let kept = Arc::new(AtomicUsize::new(0));
        lock(&link.asks.open).insert(number, Open { to, kept: kept.clone() });
        let asking = Self { link, number, from, kept };
        let asked = FromServer::Ask { ask: number, what };
        asking.link.send(&asked).await.ok().map(|()| asking)
    }

    /// Wait for what comes next; after [`Arrived::Done`], nothing does.
    pub(crate) async fn next(&mut self) -> Arrived {
        let arrived = tokio::select! {
            biased;
            arrived = self.from.recv() => arrived,
            () = self.link.end.cancelled() => None,
        };
        if let Some(Arrived::Data(data)) = &arrived {
            self.kept.fetch_sub(data.len(), Ordering::Relaxed);
        }
        arrived.unwrap_or_else(|| Arrived::Done("the connection to the host ended".to_owned()))
    }

    /// The asker's terminal has another size.
    pub(crate) async fn resize(&self, (width, height): (u16, u16)) -> Result<(), Gone> {
        self.link.send(&FromServer::Resize { ask: self.number, width, height }).await
    }

    /// Send bytes into the stream.
    pub(crate) async fn send(&self, data: &[u8]) -> Result<(), Gone> {
        let mut frame = BytesMut::with_capacity(8 + data.len());
        frame.put_u64(self.number);
        frame.put_slice(data);
        self.link.send_frame(Message::Binary(frame.freeze())).await
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if lock(&self.link.asks.open).remove(&self.number).is_some() {
            // If there is no room for it, the agent's next bytes will be answered with another one.
            let _ = self.link.try_send(&FromServer::Cancel { ask: self.number });
        }
    }
}
