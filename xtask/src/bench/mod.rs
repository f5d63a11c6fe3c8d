//! `cargo xtask bench …`: the product beside a floor and beside others, interleaved in one run on one machine. What is
//! reported is ratios: seconds of a shared machine mean little by themselves.

mod contender;
mod deploy;

use clap::Subcommand;

pub use deploy::Arguments as DeployArguments;

use crate::checkout::BuildError;
use crate::cluster::ClusterError;
use crate::docker::EngineError;
use crate::testbed::TestbedError;

/// The benchmarks.
#[derive(Subcommand)]
pub enum Bench {
    /// Seconds from `up` to all running, beside Docker's own API and Docker Swarm.
    Deploy(DeployArguments),
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
    /// The folder for compose files.
    #[error("could not write the compose files")]
    Files(#[source] std::io::Error),
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
    }
}
