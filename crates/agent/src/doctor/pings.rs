//! Many echo requests at once: sent again while they are not answered, and all that comes in meanwhile.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use drover_core::doctor::Heard;
use tokio::time::{Instant, sleep_until};

use crate::echo::{Came, EchoSocket, Level, Mark, identifier, read, request};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(250);
/// The largest packet there is.
const PACKET: usize = 1 << 16;

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Ping {
    /// The host it tests the way to.
    pub(super) host: u64,
    pub(super) level: Level,
    pub(super) to: Ipv4Addr,
    /// Of the whole packet.
    pub(super) bytes: u32,
    /// How often it may still be sent.
    pub(super) rounds: u32,
    pub(super) answered: bool,
    /// What was said instead of an answer.
    pub(super) said: String,
}

/// All requests of one round of probing.
pub(super) struct Pings {
    socket: EchoSocket,
    run: u64,
    host: u64,
    pub(super) all: Vec<Ping>,
    pub(super) heard: BTreeMap<u64, Heard>,
}

impl Ping {
    /// One that is sent for as long as it takes.
    pub(super) fn new(host: u64, level: Level, to: Ipv4Addr, bytes: u32) -> Self {
        Self { host, level, to, bytes, rounds: u32::MAX, answered: false, said: String::new() }
    }
}

impl Pings {
    /// Open a socket for requests of this host.
    pub(super) fn open(host: u64, all: Vec<Ping>) -> std::io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        let (socket, run) = (EchoSocket::open()?, u64::from_be_bytes(random));
        Ok(Self { socket, run, host, all, heard: BTreeMap::new() })
    }

    /// Send and listen until a moment, or until all are answered.
    pub(super) async fn exchange(&mut self, until: Instant) {
        let mut buffer = vec![0; PACKET];
        let mut next = Instant::now();
        while !self.all.iter().all(|ping| ping.answered) && Instant::now() < until {
            if next <= Instant::now() {
                self.send().await;
                next += ROUND;
            }
            tokio::select! {
                received = self.socket.receive(&mut buffer) => {
                    // One that can't be received is like one that was lost.
                    let length = received.unwrap_or_default();
                    self.take(read(&buffer[..length]));
                }
                () = sleep_until(next.min(until)) => {}
            }
        }
    }

    async fn send(&mut self) {
        let (run, host) = (self.run, self.host);
        for (number, ping) in (0..=u16::MAX).zip(&mut self.all) {
            if ping.answered || ping.rounds == 0 {
                continue;
            }
            ping.rounds -= 1;
            let message = request(Mark { run, host, level: ping.level }, number, ping.bytes);
            if let Err(error) = self.socket.send(ping.to, &message).await {
                ping.said = format!("its own kernel says: {}", plain(&error));
            }
        }
    }

    fn take(&mut self, came: Option<Came>) {
        match came {
            Some(Came::Request(mark, bytes)) if mark.host != self.host => {
                let heard = self.heard.entry(mark.host).or_default();
                match mark.level {
                    Level::Underlay => heard.underlay = heard.underlay.max(bytes),
                    Level::Overlay => heard.overlay = heard.overlay.max(bytes),
                    Level::Container | Level::Presence => {}
                }
            }
            Some(Came::Reply(run, number)) if run == self.run => {
                if let Some(ping) = self.all.get_mut(usize::from(number)) {
                    ping.answered = true;
                }
            }
            Some(Came::Refusal(of, number, said)) if of == identifier(self.run) => {
                if let Some(ping) = self.all.get_mut(usize::from(number)) {
                    ping.said = said;
                }
            }
            Some(Came::Request(..) | Came::Reply(..) | Came::Refusal(..)) | None => {}
        }
    }
}

/// Without the error's number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}
