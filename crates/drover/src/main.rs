//! The one binary: reads the command line, sets up logging and a runtime, calls the `run` of the role asked for,
//! and turns what went wrong into one sentence and an exit status. It decides nothing else.
//!
//! Under the name `rancher-compose` (a link to it is enough) it behaves as that program.

// What a program says on its terminal is said here.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod command_line;
mod name;
mod roles;
mod runtime;
mod trace;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use drover_cli::rancher::Rancher;
use drover_cli::{Ending, Failure, Program};

use command_line::{Drover, Role};
use trace::Level;

/// See `docs/decisions/016-allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let began = Instant::now();
    // The only provider that is built in; without one every connection with TLS would fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<OsString> = std::env::args_os().collect();
    match name::program(words.first()) {
        Program::Drover => drover(&words),
        Program::RancherCompose => rancher_compose(&words, began),
    }
}

fn drover(words: &[OsString]) -> ExitCode {
    let asked = match Drover::read(words) {
        Ok(asked) => asked,
        Err(error) => return usage(&error),
    };
    let level = match asked.role {
        Role::Command(_) => Level::Quiet,
        _ => Level::Normal,
    };
    trace::begin(asked.log, level);
    let outcome = match asked.role {
        Role::Server(options) => roles::server(options),
        Role::Agent(options) => roles::agent(options),
        Role::Balancer(options) => roles::balancer(options),
        Role::Discovery(options) => roles::discovery(options),
        Role::Cipher(options) => roles::cipher(options),
        Role::Command(command) => return commanded(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("drover: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn commanded(command: &drover_cli::Command) -> ExitCode {
    match carry_out(command, Program::Drover) {
        Ok(ending) => {
            if let Ending::Waits(sentence) = &ending {
                eprintln!("drover: {sentence}");
            }
            ExitCode::from(ending.status(Program::Drover))
        }
        Err(failure) => {
            eprintln!("drover: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn rancher_compose(words: &[OsString], began: Instant) -> ExitCode {
    let asked = match Rancher::try_parse_from(words) {
        Ok(asked) => asked,
        Err(error) => return usage(&error),
    };
    let loud = asked.debug || asked.verbose;
    trace::begin(None, if loud { Level::Loud } else { Level::Quiet });
    match carry_out(&asked.into_command(), Program::RancherCompose) {
        Ok(ending) => ExitCode::from(ending.status(Program::RancherCompose)),
        Err(failure) => {
            eprintln!("{}", name::fatal(&failure.to_string(), began.elapsed()));
            // Rancher's program knew no other status for what it lacked.
            ExitCode::from(if matches!(failure, Failure::Settings(_)) {
                1
            } else {
                failure.status()
            })
        }
    }
}

fn carry_out(command: &drover_cli::Command, program: Program) -> Result<Ending, Failure> {
    let runtime = runtime::one_thread()
        .map_err(|error| Failure::Failed(format!("could not set up a runtime: {error}")))?;
    let outcome = runtime.block_on(drover_cli::run(command, program));
    // Whatever still waits (a name server, a log) has nobody to wait for any more.
    runtime.shutdown_background();
    outcome
}

/// Help and version are no mistakes; everything else ends with status 2.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is the reader's choice.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
