//! `cargo xtask sim`: the seeded simulation, with whatever options it has.

use clap::Args;

use crate::checkout::cargo;
use crate::command::{CommandError, show};

/// The command line: the simulation's own.
#[derive(Args)]
pub struct Arguments {
    /// For example `--hours 100000`, or `--seed 17 --trace`; `--help` shows them all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Run it.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let mut simulation = cargo("run --quiet --bin drover-sim --");
    show(simulation.args(&arguments.options))
}
