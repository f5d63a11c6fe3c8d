//! `cargo xtask …`: reads the command line, calls one function, prints what went wrong. Nothing is decided here.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;

/// Checks, tests, demo and testbed of this project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Xtask {
    /// The seeded simulation of a cluster.
    Sim(xtask::sim::Arguments),
    /// Several Docker hosts on this machine, each with its own address, name and engine.
    Testbed(xtask::testbed::cli::Arguments),
    /// The product's main job on three Docker hosts on this machine, step by step.
    Demo(xtask::demo::Arguments),
    /// Programs that others wrote for Rancher's API, from PyPI, against this server with simulated hosts.
    Clients(xtask::clients::Arguments),
    /// Inputs made up under the guidance of coverage, for every part that reads what others wrote.
    Fuzz(xtask::fuzz::Arguments),
    /// The product beside a floor and beside others.
    #[command(subcommand)]
    Bench(xtask::bench::Bench),
    /// Every check and every test.
    Test(xtask::test::Arguments),
    /// The rules that no compiler checks; prints the largest files and functions.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Xtask::parse() {
        Xtask::Testbed(arguments) => xtask::testbed::cli::run(&arguments).map_err(Into::into),
        Xtask::Demo(arguments) => xtask::demo::run(&arguments).map_err(Into::into),
        Xtask::Clients(arguments) => xtask::clients::run(&arguments).map_err(Into::into),
        Xtask::Fuzz(arguments) => xtask::fuzz::run(&arguments).map_err(Into::into),
        Xtask::Bench(bench) => xtask::bench::run(&bench).map_err(Into::into),
        Xtask::Sim(arguments) => xtask::sim::run(&arguments).map_err(Into::into),
        Xtask::Test(arguments) => xtask::test::run(&arguments).map_err(Into::into),
        Xtask::Tidy => xtask::tidy::run().map_err(Into::into),
    };
    done.map_or_else(
        |error: Box<dyn std::error::Error>| failed(error.as_ref()),
        |()| ExitCode::SUCCESS,
    )
}

/// Print an error with its causes.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprint!("error: {error}");
    let mut cause = error.source();
    while let Some(deeper) = cause {
        eprint!(": {deeper}");
        cause = deeper.source();
    }
    eprintln!();
    ExitCode::FAILURE
}
