//! The agent's one loop: wait for something to happen, take it in, then look at the whole and act. What wakes it: Docker,
//! the server, an answer, the moment the last look asked for, and every 15 seconds, so that nothing missed
//! is missed for long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use drover_core::Secret;
use drover_core::protocol::{Register, Registered};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::agent::Agent;
use crate::dial::{BadServerUrl, ServerUrl, dial, reachable_address};
use crate::docker::watch as watch_docker;
use crate::ledger::{Ledger, LedgerError};
use crate::link::{Introduction, LinkEvent, keep};
use crate::register::{RegisterError, register};
use crate::{backoff, facts};

/// Everything is looked at this often, whatever happened or didn't.
const SWEEP: Duration = Duration::from_secs(15);
/// How long Docker may take to say its first word before the server is told that it is silent.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Things that may wait to be taken in.
const INBOX: usize = 1024;
/// The longest pause between two tries to register, ms.
const LONGEST_PAUSE_MS: u64 = 10_000;

/// How to run an agent.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's address; the one used last if left out.
    pub server: Option<String>,
    /// Registration token; needed once.
    pub token: Option<Secret>,
    /// The agent's own folder.
    pub state: PathBuf,
    /// Socket of the Docker engine.
    pub docker: PathBuf,
    /// Address other hosts reach this one by; found out if left out.
    pub address: Option<IpAddr>,
    /// Labels to register with.
    pub labels: BTreeMap<String, String>,
    /// Name to register under; the machine's own if left out.
    pub hostname: Option<String>,
}

/// Why an agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its folder.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The address.
    #[error(transparent)]
    Server(#[from] BadServerUrl),
    /// Nobody to talk to.
    #[error(
        "this agent has never been told where its server is: give its address with --server (or DROVER_URL)"
    )]
    NoServer,
    /// Not a host yet.
    #[error(
        "this machine is not registered: give a registration token with --token (or DROVER_TOKEN); the server's \
         API makes them"
    )]
    NoToken,
    /// The server said no.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The operating system.
    #[error("can't listen for signals to end: {0}")]
    Signals(std::io::Error),
}

/// How one life of the agent ends.
enum Ended {
    /// It was asked to.
    Asked,
    /// It is another host now, or one of another cluster: nothing of the old one counts.
    Reborn,
}

/// Run until SIGTERM or SIGINT. Containers go on running after that.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let mut end = End::listen().map_err(AgentError::Signals)?;
    loop {
        match live(&options, &mut end).await? {
            Ended::Asked => return Ok(()),
            Ended::Reborn => tracing::warn!("registered as another host; starting from nothing"),
        }
    }
}

async fn live(options: &Options, end: &mut End) -> Result<Ended, AgentError> {
    let mut ledger = Ledger::open(&options.state)?;
    let _alone = ledger.lock()?;
    let server = server(options, &ledger)?;
    let credential = if let Some(credential) = ledger.credential()? {
        credential
    } else {
        let registered = tokio::select! {
            registered = become_host(options, &server, &ledger) => registered?,
            () = end.comes() => return Ok(Ended::Asked),
        };
        ledger.keep_credential(&registered)?;
        registered
    };
    ledger.keep_server(&server.to_string())?;
    tracing::info!(host = %credential.host, %server, "agent starts");
    let (introduce, introduced) = watch::channel(Introduction {
        assigned: ledger.assignment().generation,
        facts: facts::facts("", "the agent has not reached Docker yet"),
        address: options.address,
    });
    let (credentials, known) = watch::channel(credential.clone());
    let (docker_in, mut docker) = mpsc::channel(INBOX);
    let (link_in, mut link) = mpsc::channel(INBOX);
    let (results_in, mut results) = mpsc::unbounded_channel();
    let cluster = credential.cluster.clone();
    // All of these end once nobody listens to them.
    tokio::spawn(watch_docker(options.docker.clone(), cluster, options.state.clone(), docker_in));
    let mut agent = Agent::new(ledger, introduce, results_in)?;
    // The server hears of this host once it is known whether Docker answers: before, the host would be taken
    // for one that can't run anything.
    if let Ok(Some(event)) = timeout(FIRST_WORD, docker.recv()).await {
        agent.hear_docker(event);
        agent.turn()?;
    }
    tokio::spawn(keep(server.clone(), known, introduced, link_in));
    let mut sweep_at = Instant::now() + SWEEP;
    let mut newborn: Option<oneshot::Receiver<Registered>> = None;
    loop {
        let wake_at = agent.wakes_at().map_or(sweep_at, |at| at.min(sweep_at));
        tokio::select! {
            () = end.comes() => {
                agent.save()?;
                tracing::info!("agent ends; containers go on");
                return Ok(Ended::Asked);
            }
            Some(event) = docker.recv() => agent.hear_docker(event),
            Some(event) = link.recv() => {
                if matches!(event, LinkEvent::Down { unknown: true, .. }) && newborn.is_none() {
                    newborn = register_again(options, &server, &agent);
                }
                agent.hear_link(event)?;
            }
            Some(result) = results.recv() => agent.hear_result(result),
            Some(registered) = arrival(&mut newborn) => {
                newborn = None;
                let same = (&registered.cluster, registered.host) == (&credential.cluster, credential.host);
                agent.keep_credential(&registered)?;
                if !same {
                    return Ok(Ended::Reborn);
                }
                credentials.send_replace(registered);
            }
            () = sleep_until(wake_at) => {}
        }
        // What is there already is taken in first, so that a storm of events costs one look.
        while let Ok(event) = docker.try_recv() {
            agent.hear_docker(event);
        }
        while let Ok(result) = results.try_recv() {
            agent.hear_result(result);
        }
        if Instant::now() >= sweep_at {
            sweep_at = Instant::now() + SWEEP;
            agent.sweep();
        }
        agent.turn()?;
    }
}

/// The server's address: as given, else as last time.
fn server(options: &Options, ledger: &Ledger) -> Result<ServerUrl, AgentError> {
    let kept = ledger.server()?;
    let text = options.server.as_deref().or(kept.as_deref()).ok_or(AgentError::NoServer)?;
    Ok(text.parse()?)
}

/// Register, trying again for as long as the failure may pass.
async fn become_host(
    options: &Options,
    server: &ServerUrl,
    ledger: &Ledger,
) -> Result<Registered, AgentError> {
    let token = options.token.clone().ok_or(AgentError::NoToken)?;
    let identity = ledger.identity()?;
    for failures in 1.. {
        match register_once(options, server, &token, &identity).await {
            Ok(registered) => return Ok(registered),
            Err(error) if error.may_pass() => {
                tracing::warn!("{error}; trying again");
                let pause = backoff::reconnect_delay_ms(failures, LONGEST_PAUSE_MS, 0);
                sleep(Duration::from_millis(pause)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(AgentError::NoToken)
}

async fn register_once(
    options: &Options,
    server: &ServerUrl,
    token: &Secret,
    identity: &str,
) -> Result<Registered, RegisterError> {
    let connection = dial(server).await?;
    let address = options.address.unwrap_or_else(|| reachable_address(connection.from));
    let asked = Register {
        token: token.clone(),
        identity: identity.to_owned(),
        hostname: options.hostname.clone().unwrap_or_else(facts::hostname),
        address: address.to_string(),
        labels: options.labels.clone(),
        facts: facts::facts("", ""),
    };
    register(server, connection, &asked).await
}

/// The server has forgotten this agent: with a token at hand, try once to become its host again. Meanwhile the host
/// is kept as it shall be.
fn register_again(
    options: &Options,
    server: &ServerUrl,
    agent: &Agent,
) -> Option<oneshot::Receiver<Registered>> {
    let token = options.token.clone()?;
    let identity = agent.identity().ok()?;
    let (options, server) = (options.clone(), server.clone());
    let (born, newborn) = oneshot::channel();
    tokio::spawn(async move {
        match register_once(&options, &server, &token, &identity).await {
            Ok(registered) => drop(born.send(registered)),
            Err(error) => tracing::error!("{error}"),
        }
    });
    Some(newborn)
}

/// Wait for a registration that is on its way; one that failed makes room for the next try.
async fn arrival(newborn: &mut Option<oneshot::Receiver<Registered>>) -> Option<Registered> {
    let Some(waiting) = newborn else { return std::future::pending().await };
    let arrived = waiting.await.ok();
    if arrived.is_none() {
        *newborn = None;
    }
    arrived
}

/// The signals that end an agent.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn comes(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
