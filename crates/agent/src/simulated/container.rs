//! A simulated container: what it was made with, and what it does. When it does what is [`super::engine`]'s.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use bollard::models::{ContainerCreateBody, HealthConfig};

use super::fate::Fate;

/// Lines of its log that are kept.
const LINES: usize = 100;
/// Docker's interval of a HEALTHCHECK that says nothing, ns, and how often it may fail.
const INTERVAL_NS: i64 = 30_000_000_000;
const RETRIES: i64 = 3;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Running,
    Paused,
    Exited,
}

/// What it makes believe to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Processor time since it was started, ns.
    pub(super) cpu_ns: u64,
    /// Bytes.
    pub(super) memory: u64,
    /// Bytes that came over the network since it was started.
    pub(super) received: u64,
}

/// One container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) command: Vec<String>,
    /// Host folders in it, `/on/the/host:/in/the/container`.
    binds: Vec<String>,
    pub(super) stop_timeout: Option<i64>,
    /// Ports of the host it takes while it is up, `8080/tcp`.
    pub(super) published: Vec<String>,
    /// The network it is on; empty if it has none of its own.
    pub(super) network: String,
    pub(super) requested: Option<Ipv4Addr>,
    /// How long a HEALTHCHECK needs to find it unhealthy, ns, if it has one.
    pub(super) unhealthy_after_ns: Option<u64>,
    pub(super) fate: Fate,
    pub(super) state: State,
    pub(super) created_ns: u64,
    pub(super) started_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) exit_code: i64,
    /// While it is up.
    pub(super) address: Option<Ipv4Addr>,
    /// When, and what.
    pub(super) log: Vec<(u64, String)>,
    /// Lines that were dropped from the front of it.
    pub(super) log_begins: usize,
}

/// A process of Drover's own in a container: it follows one file and says so in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// `balancer` or `discovery`.
    pub(super) role: String,
    pub(super) config: PathBuf,
    pub(super) status: PathBuf,
}

impl Container {
    /// A container as it is asked for; in words if it can't be.
    pub(super) fn new(
        id: String,
        name: &str,
        asked: ContainerCreateBody,
        now_ns: u64,
    ) -> Result<Self, String> {
        let labels = asked.labels.unwrap_or_default();
        let fate = Fate::of(&labels)?;
        let host = asked.host_config.unwrap_or_default();
        let network = host.network_mode.unwrap_or_else(|| "bridge".to_owned());
        let shares = network == "host" || network == "none" || network.starts_with("container:");
        let endpoints = asked.networking_config.and_then(|config| config.endpoints_config);
        let endpoint = endpoints.and_then(|mut all| all.remove(&network));
        let requested = endpoint.and_then(|endpoint| endpoint.ipam_config?.ipv4_address);
        let bindings = host.port_bindings.unwrap_or_default().into_iter();
        let published = bindings.flat_map(|(private, public)| {
            let protocol = private.rsplit('/').next().unwrap_or("tcp").to_owned();
            let public = public.unwrap_or_default().into_iter();
            let fixed = public.filter_map(|binding| binding.host_port).filter(|p| !p.is_empty());
            fixed.map(move |port| format!("{port}/{protocol}")).collect::<Vec<_>>()
        });
        Ok(Self {
            id,
            name: name.to_owned(),
            image: asked.image.unwrap_or_default(),
            labels,
            command: asked.entrypoint.into_iter().chain(asked.cmd).flatten().collect(),
            binds: host.binds.unwrap_or_default(),
            stop_timeout: asked.stop_timeout,
            published: published.collect(),
            network: if shares { String::new() } else { network },
            requested: requested.and_then(|address| address.parse().ok()),
            unhealthy_after_ns: asked.healthcheck.as_ref().and_then(unhealthy_after_ns),
            fate,
            state: State::Created,
            created_ns: now_ns,
            started_ns: 0,
            ended_ns: 0,
            exit_code: 0,
            address: None,
            log: Vec::new(),
            log_begins: 0,
        })
    }

    /// Its process is there.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// Its own share of everything, always the same for the same id; nothing while it is not up.
    pub(super) fn used(&self, now_ns: u64) -> Used {
        if !self.is_up() {
            return Used::default();
        }
        let digits: String = self.id.chars().take(8).collect();
        let share = u64::from_str_radix(&digits, 16).unwrap_or_default();
        let up_ns = now_ns.saturating_sub(self.started_ns);
        Used {
            cpu_ns: up_ns / 100 * (1 + share % 20),
            memory: (16 + share % 240) << 20,
            received: up_ns / 1_000_000 * (1 + share % 100),
        }
    }

    /// Whoever asks it something is answered well.
    pub(super) fn answers(&self) -> bool {
        self.state == State::Running && self.fate != Fate::NeverHealthy
    }

    /// Docker's verdict; empty without a HEALTHCHECK.
    pub(super) fn health(&self, now_ns: u64) -> &'static str {
        match self.unhealthy_after_ns {
            None => "",
            Some(_) if self.fate != Fate::NeverHealthy => "healthy",
            Some(after) if now_ns >= self.started_ns.saturating_add(after) => "unhealthy",
            Some(_) => "starting",
        }
    }

    pub(super) fn say(&mut self, now_ns: u64, line: String) {
        self.log.push((now_ns, line));
        if self.log.len() > LINES {
            self.log.remove(0);
            self.log_begins += 1;
        }
    }

    /// The process of Drover's own that it runs, if it is one that follows a file.
    pub(super) fn process(&self) -> Option<Process> {
        let words: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let ["/drover", role @ ("balancer" | "discovery"), rest @ ..] = &words[..] else {
            return None;
        };
        let value = |name: &str| {
            let place = rest.iter().position(|word| *word == name)?;
            self.on_host(rest.get(place + 1)?)
        };
        let (config, status) = (value("--config")?, value("--status")?);
        Some(Process { role: (*role).to_owned(), config, status })
    }

    /// Where the host has a path of the container's.
    fn on_host(&self, path: &str) -> Option<PathBuf> {
        self.binds.iter().find_map(|bind| {
            let (outside, inside) = bind.split_once(':')?;
            let rest = path.strip_prefix(inside)?.strip_prefix('/')?;
            Some(PathBuf::from(outside).join(rest))
        })
    }
}

/// `NONE` switches a HEALTHCHECK off.
fn unhealthy_after_ns(check: &HealthConfig) -> Option<u64> {
    let test = check.test.as_ref().filter(|test| !test.is_empty())?;
    if test[0] == "NONE" {
        return None;
    }
    let or = |given: Option<i64>, default| given.filter(|given| *given > 0).unwrap_or(default);
    let trying = or(check.interval, INTERVAL_NS).saturating_mul(or(check.retries, RETRIES));
    u64::try_from(trying.saturating_add(check.start_period.unwrap_or_default())).ok()
}
