//! One balancer process whose configuration is replaced again and again under load: every change takes the oldest unit
//! out of rotation and puts a new one in, and a unit that has nothing in flight any more dies at once. Requests come on
//! kept connections; conversations of two seconds last through many changes.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::pinned::start;
use super::super::{BenchError, io};
use super::service::Unit;
use crate::traffic::wire::{self, End};

/// Where the balancer listens.
const PORT: u16 = 18_300;
/// Units in rotation.
const UNITS: u32 = 4;
/// Clients that ask again and again, each on a connection of its own, and those that hold conversations.
const ASKING: usize = 24;
const TALKING: usize = 8;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);
/// How long an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the status is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    /// How long each change took until the balancer said that it follows it.
    pub(super) acknowledged: Vec<Duration>,
    pub(super) requests: u64,
    pub(super) conversations: u64,
    pub(super) failed: Vec<String>,
}

/// Do it.
pub(super) fn weather(program: &Path, changes: u32) -> Result<Outcome, BenchError> {
    let folder = tempfile::tempdir().map_err(io("make a folder for the balancer"))?;
    let at = folder.path();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(io("set up a runtime"))?;
    let mut rotation = runtime.block_on(Rotation::start(at)).map_err(io("start services"))?;
    rotation.write().map_err(io("write a configuration"))?;
    let mut command = Command::new(program);
    command.arg("balancer").arg("--config").arg(at.join("config.json"));
    command.arg("--status").arg(at.join("status.json"));
    let _balancer = start("Drover", &command, &at.join("log"), Some(PORT))?;
    runtime.block_on(storm(&mut rotation, changes))
}

async fn storm(rotation: &mut Rotation<'_>, changes: u32) -> Result<Outcome, BenchError> {
    rotation.acknowledged().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    (0..ASKING).for_each(|_| drop(clients.spawn(ask(stop.clone()))));
    (0..TALKING).for_each(|_| drop(clients.spawn(talk(stop.clone()))));
    let mut outcome = Outcome::default();
    for _ in 0..changes {
        rotation.turn().await.map_err(io("start a service"))?;
        let began = Instant::now();
        rotation.write().map_err(io("replace the configuration"))?;
        let status = rotation.acknowledged().await?;
        outcome.acknowledged.push(began.elapsed());
        rotation.bury(&status);
    }
    stop.store(true, Relaxed);
    while let Some(client) = clients.join_next().await {
        let gone = |error: tokio::task::JoinError| Outcome {
            failed: vec![format!("a client broke off: {error}")],
            ..Outcome::default()
        };
        let Outcome { requests, conversations, failed, .. } = client.unwrap_or_else(gone);
        outcome.requests += requests;
        outcome.conversations += conversations;
        outcome.failed.extend(failed);
    }
    Ok(outcome)
}

/// The units in rotation and those that leave it, and the files that say so.
struct Rotation<'a> {
    at: &'a Path,
    routing: u32,
    serving: VecDeque<Unit>,
    leaving: Vec<Unit>,
}

impl<'a> Rotation<'a> {
    async fn start(at: &'a Path) -> std::io::Result<Self> {
        let mut serving = VecDeque::new();
        for slot in 1..=UNITS {
            serving.push_back(Unit::start(slot).await?);
        }
        Ok(Self { at, routing: 0, serving, leaving: Vec::new() })
    }

    /// One comes, one goes.
    async fn turn(&mut self) -> std::io::Result<()> {
        self.routing += 1;
        self.serving.push_back(Unit::start(UNITS + self.routing).await?);
        self.leaving.extend(self.serving.pop_front());
        Ok(())
    }

    fn write(&self) -> std::io::Result<()> {
        let target = |unit: &Unit| json!({"unit": unit.key, "address": unit.address, "weight": 1});
        let targets: Vec<Value> = self.serving.iter().map(target).collect();
        let draining = self.leaving.iter().map(|unit| (unit.key.clone(), json!(30_000)));
        let config = json!({
            "routing": self.routing,
            "listeners": {PORT.to_string(): {"protocol": "http", "routes": [{"targets": targets}]}},
            "draining": draining.collect::<serde_json::Map<_, _>>(),
        });
        let new = self.at.join("config.json.new");
        std::fs::write(&new, config.to_string())?;
        std::fs::rename(&new, self.at.join("config.json"))
    }

    /// The first status that knows of the newest configuration.
    async fn acknowledged(&self) -> Result<Value, BenchError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = std::fs::read(self.at.join("status.json")).unwrap_or_default();
            let status: Value = serde_json::from_slice(&read).unwrap_or_default();
            let follows = status["routing"].as_u64() == Some(self.routing.into());
            if follows && !status["applied"].as_str().unwrap_or_default().is_empty() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                let what = format!("change {} was not acknowledged: {status}", self.routing);
                return Err(BenchError::Stuck { who: "Drover", what });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Units without anything in flight die.
    fn bury(&mut self, status: &Value) {
        self.leaving.retain(|unit| status["in_flight"].get(&unit.key).is_some());
    }
}

/// Requests on one connection after the other; a connection that is not kept is a failure, too.
async fn ask(stop: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut held = None;
    while !stop.load(Relaxed) {
        outcome.requests += 1;
        match ask_on(held.take()).await {
            Ok(stream) => held = Some(stream),
            Err(error) => outcome.failed.push(format!("a request: {error}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    outcome
}

async fn ask_on(held: Option<TcpStream>) -> std::io::Result<TcpStream> {
    let mut stream = match held {
        Some(stream) => stream,
        None => TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await?,
    };
    let answer = wire::ask(&mut stream, "GET /", true).await?;
    match answer.status {
        200 if answer.keeps => Ok(stream),
        status => Err(std::io::Error::other(format!("{status}, keeps: {}", answer.keeps))),
    }
}

async fn talk(stop: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    while !stop.load(Relaxed) {
        outcome.conversations += 1;
        let ended = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await?;
            wire::converse(&mut stream).await
        };
        match ended.await {
            Ok(End::Good) => {}
            Ok(other) => outcome.failed.push(format!("a conversation ended early: {other:?}")),
            Err(error) => outcome.failed.push(format!("a conversation: {error}")),
        }
    }
    outcome
}
