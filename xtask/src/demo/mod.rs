//! `cargo xtask demo`: the product's main job on three real Docker hosts on this machine, step by step, with timings.
//! Where no Docker engine can run it says so and plays the same scenario on simulated hosts.
//!
//! Not a test: it asserts nothing that it doesn't show. What it starts is gone when it ends, however it ends.

mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use crate::checkout::{self, BuildError};
use crate::cluster::ClusterError;
use crate::command::{self, CommandError};
use crate::docker::EngineError;
use crate::interrupt::unless_interrupted;
use crate::testbed::{Testbed, TestbedError};

/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// End after the last step instead of staying up.
    #[arg(long)]
    exit: bool,
    /// Number of the testbed it makes, 0 to 9.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=9))]
    bed: u8,
}

/// Why the demo did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Hosts.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// Server or agents.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Images.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The programs.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A command that is shown.
    #[error(transparent)]
    Run(#[from] CommandError),
    /// The service does not answer as it should.
    #[error("{0}")]
    Unanswered(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted; everything it started is gone")]
    Interrupted,
    /// This process could not be set up.
    #[error("could not listen for Ctrl-C")]
    Signals(#[source] std::io::Error),
}

/// Tell the story on real hosts, or on simulated ones.
pub fn run(arguments: &Arguments) -> Result<(), DemoError> {
    match on_docker(arguments) {
        Err(DemoError::Testbed(
            error @ (TestbedError::Impossible(_) | TestbedError::NotInstalled(_)),
        )) => {
            println!("{error}; so here is the same story on simulated hosts.\n");
            on_simulated_hosts()
        }
        outcome => outcome,
    }
}

/// The story may be broken off; what it started ends with it.
fn on_docker(arguments: &Arguments) -> Result<(), DemoError> {
    let (bed, exit) = (arguments.bed, arguments.exit);
    let at_the_end = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&at_the_end);
    let told = unless_interrupted(move || story::tell(bed, exit, &flag));
    let outcome = told.map_err(DemoError::Signals)?;
    Testbed::release(bed)?;
    match outcome {
        Some(told) => told,
        None if at_the_end.load(Ordering::SeqCst) => Ok(()),
        None => Err(DemoError::Interrupted),
    }
}

/// The same scenario, hosts and time simulated.
fn on_simulated_hosts() -> Result<(), DemoError> {
    let line = "run --quiet --bin drover-sim -- scenario scenarios/demo.txt";
    Ok(command::show(&mut checkout::cargo(line))?)
}
