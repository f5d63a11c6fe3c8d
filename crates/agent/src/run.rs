//! The agent's one loop: wait for something to happen, take it in, then look at the whole and act. What wakes it: Docker,
//! the server, an answer, the moment the last look asked for, and every 15 seconds, so that nothing missed
//! is missed for long.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use drover_core::Secret;
use drover_core::protocol::Registered;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::agent::{Agent, AgentResult};
use crate::dial::{BadServerUrl, ServerUrl};
use crate::docker::{EngineEvent, watch as watch_docker};
use crate::enroll::{become_host, register_again};
use crate::ledger::{Ledger, LedgerError};
use crate::link::{Introduction, LinkEvent, keep};
use crate::register::RegisterError;
use crate::surroundings::Surroundings;

/// Everything is looked at this often, whatever happened or didn't.
const SWEEP: Duration = Duration::from_secs(15);
/// How long Docker may take to say its first word before the server is told that it is silent.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Things that may wait to be taken in.
const INBOX: usize = 1024;

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
    /// The server said no to one of several that are simulated.
    #[error(
        "simulated host {host}: {source}; several hosts share a token that serves more than one: drover token create \
         --reusable"
    )]
    SharedToken {
        /// Which.
        host: String,
        /// Its words.
        source: RegisterError,
    },
    /// Simulated hosts are counted by their addresses.
    #[error("simulated hosts have IPv4 addresses: give the first one's with --address, or none")]
    SimulatedAddress,
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
    let machine = Surroundings::Machine(options.docker.clone());
    run_in(options, machine).await
}

/// The same, on this machine or on one that is simulated.
pub(crate) async fn run_in(options: Options, surroundings: Surroundings) -> Result<(), AgentError> {
    let mut end = End::listen().map_err(AgentError::Signals)?;
    loop {
        match live(&options, &surroundings, &mut end).await? {
            Ended::Asked => return Ok(()),
            Ended::Reborn => tracing::warn!("registered as another host; starting from nothing"),
        }
    }
}

async fn live(
    options: &Options,
    surroundings: &Surroundings,
    end: &mut End,
) -> Result<Ended, AgentError> {
    let mut ledger = Ledger::open(&options.state)?;
    let _alone = ledger.lock()?;
    let server = server(options, &ledger)?;
    let credential = if let Some(credential) = ledger.credential()? {
        credential
    } else {
        let registered = tokio::select! {
            registered = become_host(options, surroundings, &server, &ledger) => registered?,
            () = end.comes() => return Ok(Ended::Asked),
        };
        ledger.keep_credential(&registered)?;
        registered
    };
    ledger.keep_server(&server.to_string())?;
    tracing::info!(host = %credential.host, %server, "agent starts");
    let mut life = Life::begin(options, surroundings, server, credential, ledger).await?;
    loop {
        tokio::select! {
            () = end.comes() => {
                life.agent.save()?;
                tracing::info!("agent ends; containers go on");
                return Ok(Ended::Asked);
            }
            heard = life.hear() => match heard? {
                Heard::News => life.turn()?,
                Heard::Nothing => {}
                Heard::Reborn => return Ok(Ended::Reborn),
            },
        }
    }
}

/// What there is to do after something was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// To look at the whole.
    News,
    /// Nothing: the server answers, as it did before.
    Nothing,
    /// This is another host now.
    Reborn,
}

/// An agent with everything it listens to.
struct Life<'a> {
    options: &'a Options,
    surroundings: &'a Surroundings,
    server: ServerUrl,
    agent: Agent,
    docker: mpsc::Receiver<EngineEvent>,
    link: mpsc::Receiver<LinkEvent>,
    results: mpsc::UnboundedReceiver<AgentResult>,
    credential: watch::Sender<Registered>,
    /// Another credential, on its way.
    newborn: Option<oneshot::Receiver<Registered>>,
    sweep_at: Instant,
}

impl<'a> Life<'a> {
    async fn begin(
        options: &'a Options,
        surroundings: &'a Surroundings,
        server: ServerUrl,
        credential: Registered,
        ledger: Ledger,
    ) -> Result<Self, AgentError> {
        let (introduce, introduced) = watch::channel(Introduction {
            assigned: ledger.assignment().generation,
            facts: surroundings.facts("", "the agent has not reached Docker yet"),
            address: options.address,
        });
        let cluster = credential.cluster.clone();
        let (credential, known) = watch::channel(credential);
        let (docker_in, mut docker) = mpsc::channel(INBOX);
        let (link_in, link) = mpsc::channel(INBOX);
        let (results_in, results) = mpsc::unbounded_channel();
        // All of these end once nobody listens to them.
        tokio::spawn(watch_docker(surroundings.clone(), cluster, options.state.clone(), docker_in));
        let mut agent = Agent::new(ledger, surroundings.clone(), introduce, results_in)?;
        agent.look_at_network().await;
        // The server hears of this host once it is known whether Docker answers: before, the host would be taken
        // for one that can't run anything.
        if let Ok(Some(event)) = timeout(FIRST_WORD, docker.recv()).await {
            agent.hear_docker(event);
            agent.turn()?;
        }
        tokio::spawn(keep(server.clone(), known, introduced, link_in));
        let sweep_at = Instant::now() + SWEEP;
        let newborn = None;
        Ok(Self {
            options,
            surroundings,
            server,
            agent,
            docker,
            link,
            results,
            credential,
            newborn,
            sweep_at,
        })
    }

    /// Wait until there is something to hear or to do, and take it in.
    async fn hear(&mut self) -> Result<Heard, AgentError> {
        let mut news = true;
        let wake_at = self.agent.wakes_at().map_or(self.sweep_at, |at| at.min(self.sweep_at));
        tokio::select! {
            Some(event) = self.docker.recv() => self.agent.hear_docker(event),
            Some(event) = self.link.recv() => news = self.hear_link(event)?,
            Some(result) = self.results.recv() => self.agent.hear_result(result),
            Some(registered) = arrival(&mut self.newborn) => {
                return Ok(if self.renew(registered)? { Heard::News } else { Heard::Reborn });
            }
            () = sleep_until(wake_at) => {}
        }
        // What is there already is taken in too, so that a storm of events costs one look.
        while let Ok(event) = self.docker.try_recv() {
            self.agent.hear_docker(event);
            news = true;
        }
        while let Ok(event) = self.link.try_recv() {
            news |= self.hear_link(event)?;
        }
        while let Ok(result) = self.results.try_recv() {
            self.agent.hear_result(result);
            news = true;
        }
        Ok(if news { Heard::News } else { Heard::Nothing })
    }

    fn turn(&mut self) -> Result<(), AgentError> {
        if Instant::now() >= self.sweep_at {
            self.sweep_at = Instant::now() + SWEEP;
            self.agent.sweep();
        }
        Ok(self.agent.turn()?)
    }

    /// Whether there is anything to look at because of it.
    fn hear_link(&mut self, event: LinkEvent) -> Result<bool, AgentError> {
        let unknown = matches!(event, LinkEvent::Down { unknown: true, .. });
        if unknown && self.newborn.is_none() {
            let identity = self.agent.identity()?;
            self.newborn = register_again(self.options, self.surroundings, &self.server, identity);
        }
        Ok(self.agent.hear_link(event)?)
    }

    /// Go on with another credential. False if it is another host's.
    fn renew(&mut self, registered: Registered) -> Result<bool, AgentError> {
        self.newborn = None;
        self.agent.keep_credential(&registered)?;
        let old = self.credential.borrow().clone();
        let same = (&registered.cluster, registered.host) == (&old.cluster, old.host);
        self.credential.send_replace(registered);
        Ok(same)
    }
}

/// The server's address: as given, else as last time.
fn server(options: &Options, ledger: &Ledger) -> Result<ServerUrl, AgentError> {
    let kept = ledger.server()?;
    let text = options.server.as_deref().or(kept.as_deref()).ok_or(AgentError::NoServer)?;
    Ok(text.parse()?)
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
