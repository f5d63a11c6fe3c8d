//! `cargo xtask bench …`: the product beside a floor and beside others, interleaved in one run on one machine. What is
//! reported is ratios: seconds of a shared machine mean little by themselves.

mod api;
mod blips;
mod changes;
mod clone;
mod contender;
mod deploy;
mod dns;
mod fences;
mod floor;
mod host_loss;
mod iperf;
mod lb;
mod lookout;
mod memory;
mod overlay;
mod pinned;
mod product;
mod rollback;
mod schedule;
mod shop;
mod stage;
mod swarm;
mod table;
mod traffic;
mod verdicts;
mod watch;

use clap::Subcommand;

use crate::checkout::BuildError;
use crate::cluster::ClusterError;
use crate::docker::EngineError;
use crate::interrupt::unless_interrupted;
use crate::testbed::TestbedError;

/// The benchmarks.
#[derive(Subcommand)]
pub enum Bench {
    /// Seconds from `up` to all running, beside Docker's own API and Docker Swarm.
    Deploy(deploy::Arguments),
    /// Resident memory of server and agents, idle and with containers to look after.
    Memory(memory::Arguments),
    /// The balancer beside `HAProxy`, nginx and Caddy, one core each.
    Lb(lb::Arguments),
    /// The name service beside dnsmasq and Unbound.
    Dns(dns::Arguments),
    /// What two containers on two hosts get through, beside plain VXLAN.
    Overlay(overlay::Arguments),
    /// What upgrades and other changes cost the requests that flow meanwhile.
    UpgradeTraffic(traffic::Arguments),
    /// How soon a change of configuration holds, and that none costs a request.
    Changes(changes::Arguments),
    /// How soon what a lost host ran serves elsewhere, beside Docker Swarm.
    HostLoss(host_loss::Arguments),
    /// Whether hosts and agents that are away for five seconds move anything.
    Blips(blips::Arguments),
    /// Whether what must never run twice ever does, on hosts whose cable is pulled.
    Fences(fences::Arguments),
    /// Whether a rollback to any revision leads to the very images there were, and how long it takes.
    Rollback(rollback::Arguments),
    /// Whether bad releases of eight kinds are recognised and taken back, and good ones kept.
    Verdicts(verdicts::Arguments),
    /// Placements a second, and what planning one service costs, beside a plain scan.
    Schedule(schedule::Arguments),
    /// What the API takes with many hosts and containers, all simulated, and what the server weighs then.
    Api(api::Arguments),
}

/// Why a benchmark did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Hosts.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// Server or agents.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The programs.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The server's API.
    #[error(transparent)]
    Api(#[from] crate::api::ApiError),
    /// Compose files, sockets, /proc.
    #[error("could not {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Another program.
    #[error(transparent)]
    Command(#[from] crate::command::CommandError),
    /// A server of its own.
    #[error(transparent)]
    Solo(#[from] crate::simulated::SoloError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] crate::registry::RegistryError),
    /// What is to be there beside the product.
    #[error(transparent)]
    Packages(#[from] crate::packages::PackagesError),
    /// The load, or what was done under it.
    #[error(transparent)]
    Traffic(#[from] crate::traffic::TrafficError),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted; everything it started is gone")]
    Interrupted,
    /// A contender did not get there.
    #[error("{who}: {what}")]
    Stuck {
        /// The contender.
        who: &'static str,
        /// What did not happen.
        what: String,
    },
}

/// Run one.
pub fn run(bench: &Bench) -> Result<(), BenchError> {
    match bench {
        Bench::Deploy(arguments) => deploy::run(arguments),
        Bench::Memory(arguments) => memory::run(arguments),
        Bench::Lb(arguments) => lb::run(arguments),
        Bench::Dns(arguments) => dns::run(arguments),
        Bench::Overlay(arguments) => overlay::run(arguments),
        Bench::UpgradeTraffic(arguments) => traffic::run(arguments),
        Bench::Changes(arguments) => changes::run(arguments),
        Bench::HostLoss(arguments) => host_loss::run(arguments),
        Bench::Blips(arguments) => blips::run(arguments),
        Bench::Fences(arguments) => fences::run(arguments),
        Bench::Rollback(arguments) => rollback::run(arguments),
        Bench::Verdicts(arguments) => verdicts::run(arguments),
        Bench::Schedule(arguments) => schedule::run(arguments),
        Bench::Api(arguments) => api::run(arguments),
    }
}

/// Do it without hosts, on a thread whose end takes all its programs along.
fn alone(act: impl FnOnce() -> Result<(), BenchError> + Send + 'static) -> Result<(), BenchError> {
    let outcome = unless_interrupted(act).map_err(io("listen for Ctrl-C"))?;
    outcome.unwrap_or(Err(BenchError::Interrupted))
}

/// An [`BenchError::Io`] in the making.
fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BenchError {
    let what = what.into();
    move |source| BenchError::Io { what, source }
}
