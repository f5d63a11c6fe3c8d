//! One connection of one agent, from its hello to its end.
//!
//! Reading and writing are two tasks: neither side's full buffers can stop the other. The agent's reports are
//! stored before the next is read, so a busy database slows its agents down instead of drowning in them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use drover_core::protocol::{FromAgent, FromServer, Report};
use drover_core::{Change, HearingNow, HostAssignment, HostFacts, HostId, HostSeen, derive};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::directory;
use crate::hello::{Hello, hello, refuse};
use crate::hub::HUB;
use crate::link::{Gone, Link};
use crate::server::Server;
use crate::sightings::{self, Sighting};

/// Serve one agent's connection until it ends.
pub(crate) async fn run(server: Arc<Server>, mut socket: WebSocket, host: HostId) {
    let silence = Duration::from_millis(server.timing.silence_ms);
    let hello = match hello(&mut socket, &server.store.world(), silence).await {
        Ok(hello) => hello,
        Err(reason) => return refuse(socket, host, reason).await,
    };
    let (link, frames) = Link::new(host, server.stop.child_token());
    server.hub.enter(&link);
    let (sink, stream) = socket.split();
    let writer = tokio::spawn(write(sink, frames, link.clone(), silence));
    let heard_at = Instant::now();
    let mut session = Session {
        server: server.clone(),
        link: link.clone(),
        sent: None,
        heard_at,
        caught_up: false,
    };
    let why = match session.begin(hello).await {
        Ok(()) => {
            tokio::spawn(directory::tell(server.clone(), link.clone()));
            session.read(stream, silence).await
        }
        Err(why) => why,
    };
    let alone = server.hub.leave(&link);
    link.end.cancel();
    link.asks.lost();
    tracing::info!(%host, "the connection to an agent ended: {why}");
    // A server that stops says nothing of its hosts: whoever is next will see for itself.
    if alone && !server.stop.is_cancelled() {
        session.part().await;
    }
    drop(writer.await);
}

/// What the server before this one was told may be long over: no host has said yet what its units are now.
pub(crate) async fn mark_unheard(server: &Server) {
    let marked = server.decide(HUB, |world, _| {
        let heard = world.seen.iter().filter(|(_, seen)| seen.caught_up);
        let changes = heard.map(|(host, seen)| {
            let seen = Box::new(HostSeen { caught_up: false, ..(**seen).clone() });
            Change::SeeHost { host: *host, seen }
        });
        Ok::<_, Infallible>((changes.collect(), ()))
    });
    if let Err(error) = marked.await {
        tracing::error!(%error, "hosts could not be marked as not heard yet");
    }
}

/// Mark every host that is recorded as connected, and isn't, as disconnected.
pub(crate) async fn mark_absent(server: &Server) {
    let marked = server.decide(HUB, |world, now| {
        let seen = world
            .seen
            .iter()
            .filter(|(host, seen)| seen.connected && server.hub.link(**host).is_none());
        let changes = seen.map(|(host, seen)| {
            let seen =
                HostSeen { connected: false, caught_up: false, since: now, ..(**seen).clone() };
            Change::SeeHost { host: *host, seen: Box::new(seen) }
        });
        Ok::<_, Infallible>((changes.collect(), ()))
    });
    if let Err(error) = marked.await {
        tracing::error!(%error, "hosts that are away could not be marked as disconnected");
    }
}

/// What an agent says of its host.
#[derive(Default)]
struct Told {
    facts: Option<HostFacts>,
    hearing: Option<HearingNow>,
}

struct Session {
    server: Arc<Server>,
    link: Arc<Link>,
    /// The assignment sent last over this connection.
    sent: Option<Box<HostAssignment>>,
    /// When anything came from the agent last.
    heard_at: Instant,
    /// It has said what all its units are.
    caught_up: bool,
}

impl Session {
    /// Record the host as connected, answer the hello, send the assignment.
    async fn begin(&mut self, hello: Hello) -> Result<(), String> {
        let host = self.link.host;
        self.link.assigned.store(hello.assigned, Ordering::Relaxed);
        let told = Told { facts: Some(hello.facts), hearing: None };
        let seen = self.see(true, told, Some(hello.address.clone())).await?;
        tracing::info!(%host, address = hello.address, "an agent connected");
        self.send(&FromServer::Welcome { tick: seen.tick }).await?;
        self.assign().await
    }

    /// Read until the connection ends; why it did.
    async fn read(&mut self, mut stream: SplitStream<WebSocket>, silence: Duration) -> String {
        let mut ping_at = self.heard_at + silence / 3;
        let sweep = Duration::from_millis(self.server.timing.sweep_ms);
        let mut sweep_at = self.heard_at + sweep;
        loop {
            let done = tokio::select! {
                () = self.link.end.cancelled() => Err("a newer one took its place, or the server stops".into()),
                () = self.link.stale.notified() => self.assign().await,
                () = sleep_until(self.heard_at + silence) => {
                    Err(format!("nothing was heard from it for {} ms", silence.as_millis()))
                }
                () = sleep_until(ping_at) => {
                    ping_at = Instant::now() + silence / 3;
                    let ping = self.link.send_frame(Message::Ping(Bytes::new()));
                    ping.await.map_err(|Gone| "it can't be written to".to_owned())
                }
                () = sleep_until(sweep_at) => {
                    sweep_at = Instant::now() + sweep;
                    // A nudge that was missed is made good.
                    self.assign().await
                }
                frame = stream.next() => {
                    let taken = match frame {
                        Some(Ok(frame)) => self.take(frame).await,
                        Some(Err(error)) => Err(error.to_string()),
                        None => Err("the agent closed it".to_owned()),
                    };
                    // Only now: what took long was this side's doing.
                    self.heard_at = Instant::now();
                    taken
                }
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    async fn take(&mut self, frame: Message) -> Result<(), String> {
        match frame {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(message) => self.hear(message).await,
                Err(error) => Err(format!("it said something this server can't read: {error}")),
            },
            Message::Binary(data) => self.stream(&data),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err("the agent closed it".to_owned()),
        }
    }

    async fn hear(&mut self, message: FromAgent) -> Result<(), String> {
        match message {
            FromAgent::Hello { .. } => Err("it said hello twice".to_owned()),
            FromAgent::Report(report) => self.report(report).await,
            FromAgent::Done { ask, error } => {
                self.link.asks.done(ask, error);
                Ok(())
            }
            FromAgent::Progress { ask, text } => {
                self.link.asks.progress(ask, text);
                Ok(())
            }
        }
    }

    /// A report that can't be stored ends the connection: the agent says everything again in the next.
    async fn report(&mut self, report: Report) -> Result<(), String> {
        let (store, host) = (&self.server.store, self.link.host);
        let failed = |error| format!("a report could not be stored: {error}");
        let Report { assigned, whole, units, balancers, names, events, facts, hearing, witnessed } =
            report;
        self.link.assigned.store(assigned, Ordering::Relaxed);
        if !units.is_empty() {
            store.report(host, units, crate::clock::now()).await.map_err(failed)?;
        }
        if !balancers.is_empty() || names.is_some() {
            store.follow(host, balancers, names).await.map_err(failed)?;
        }
        if let Some(found) = witnessed {
            store.witness(host, found).await.map_err(failed)?;
        }
        if let Some(last) = events.last().map(|event| event.number) {
            store.add_events(host, &events).await.map_err(failed)?;
            self.send(&FromServer::EventsStored { number: last }).await?;
        }
        let catches_up = whole && !self.caught_up;
        self.caught_up |= whole;
        if facts.is_some() || hearing.is_some() || catches_up {
            self.see(true, Told { facts, hearing }, None).await?;
        }
        Ok(())
    }

    fn stream(&self, frame: &Bytes) -> Result<(), String> {
        let number = frame.first_chunk::<8>().ok_or("it sent a stream's frame without a number")?;
        let ask = u64::from_be_bytes(*number);
        if !self.link.asks.data(ask, frame.slice(8..)) {
            // No room for the cancel now? Then the next frame brings another.
            let _ = self.link.try_send(&FromServer::Cancel { ask });
        }
        Ok(())
    }

    /// Send the host's assignment, if it says anything else than the last one.
    async fn assign(&mut self) -> Result<(), String> {
        let world = self.server.store.world();
        if world.host(self.link.host).is_none() {
            let reason = "this host was removed from the cluster: to bring it back, register it \
                          with a new registration token";
            self.send(&FromServer::Refused { reason: reason.to_owned() }).await?;
            return Err("the host was removed".to_owned());
        }
        let next = Box::new(derive::assignment(&world, self.link.host));
        if self.sent.as_ref().is_some_and(|sent| sent.same_content(&next)) {
            return Ok(());
        }
        let message = FromServer::Assign(next);
        self.send(&message).await?;
        if let FromServer::Assign(sent) = message {
            self.sent = Some(sent);
        }
        Ok(())
    }

    async fn send(&self, message: &FromServer) -> Result<(), String> {
        self.link.send(message).await.map_err(|Gone| "it can't be written to".to_owned())
    }

    async fn part(&self) {
        if let Err(error) = self.see(false, Told::default(), None).await {
            tracing::error!(host = %self.link.host, "a host could not be marked as disconnected: {error}");
        }
    }

    /// Record what is seen of the host. A connection that was replaced meanwhile has no say.
    async fn see(
        &self,
        connected: bool,
        told: Told,
        address: Option<String>,
    ) -> Result<HostSeen, String> {
        let ago_ms = if connected { 0 } else { self.heard_at.elapsed().as_millis() };
        let Told { facts, hearing } = told;
        let sighting = Sighting {
            link: self.link.clone(),
            connected,
            caught_up: self.caught_up,
            ago_ms: u64::try_from(ago_ms).unwrap_or(u64::MAX),
            facts,
            hearing,
            address,
        };
        sightings::see(&self.server, sighting).await
    }
}

/// Write what is queued, until the link ends. Frames queued before that are still sent: the last of them
/// may say why.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut frames: mpsc::Receiver<Message>,
    link: Arc<Link>,
    patience: Duration,
) {
    loop {
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            () = link.end.cancelled() => None,
        };
        let Some(frame) = frame else { break };
        if !matches!(timeout(patience, sink.send(frame)).await, Ok(Ok(()))) {
            link.end.cancel();
            return;
        }
    }
    let close = CloseFrame { code: close_code::AWAY, reason: "the connection is over".into() };
    let _ = timeout(patience, sink.send(Message::Close(Some(close)))).await;
}
