//! `cargo xtask test`: every check and every test, the ones on real Docker hosts included. What continuous
//! integration runs is this and nothing else.

use std::process::Command;

use clap::Args;

use crate::checkout::{self, cargo};
use crate::command::is_there;
use crate::steps::{Steps, StepsFailed};
use crate::testbed::{TESTBED_VARIABLE, Testbed, TestbedError};

/// Virtual time that simulated clusters have to live through at every change, all together.
const CLUSTER_HOURS: u32 = 1_000;

/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// Leave out the tests that need real Docker hosts.
    #[arg(long)]
    fast: bool,
    /// Number of the testbed it makes, 0 to 9.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=9))]
    bed: u8,
}

/// Why the run did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// No folder for the outputs.
    #[error("could not make a folder for the outputs")]
    Outputs(#[source] std::io::Error),
    /// Some steps failed.
    #[error(transparent)]
    Failed(#[from] StepsFailed),
}

/// Run everything.
pub fn run(arguments: &Arguments) -> Result<(), TestError> {
    let mut steps = Steps::new(&checkout::outputs()).map_err(TestError::Outputs)?;
    checks(&mut steps);
    tests(&mut steps);
    if arguments.fast {
        steps.skip("tests on Docker hosts", "--fast");
    } else {
        on_docker_hosts(&mut steps, arguments.bed);
    }
    Ok(steps.finish()?)
}

/// What can be said without running the product.
fn checks(steps: &mut Steps) {
    steps.command("format", &mut cargo("fmt --all --check"));
    steps.command("tidy", &mut this_program("tidy"));
    let lints = "clippy --locked --workspace --all-targets -- -D warnings";
    steps.command("lints", &mut cargo(lints));
    let mut docs = cargo("doc --locked --workspace --no-deps --document-private-items");
    // These docs are read by those who work here: private items are part of them.
    docs.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    steps.command("docs", &mut docs);
}

/// What needs nothing but this process's own machine.
fn tests(steps: &mut Steps) {
    steps.command("tests", &mut test_runner("--locked --workspace"));
    steps.command("examples in docs", &mut cargo("test --locked --workspace --doc"));
    let simulation = "run --locked --bin drover-sim --";
    steps.command("simulation", &mut cargo(&format!("{simulation} --hours {CLUSTER_HOURS}")));
    // The checker is worth what it catches: each safety rule is taken out in turn.
    steps.command("simulation without rules", &mut cargo(&format!("{simulation} --mutate all")));
}

/// What only real engines can show.
fn on_docker_hosts(steps: &mut Steps, number: u8) {
    let bed = match Testbed::up(number, 3, true) {
        Ok(bed) => bed,
        Err(error @ TestbedError::Impossible(_)) => {
            return steps.skip("tests on Docker hosts", &error.to_string());
        }
        Err(error) => {
            steps.step("testbed up", || Err::<(), _>(error.to_string()));
            return;
        }
    };
    let programs = steps.step("programs for the hosts", || {
        let drover = checkout::build("--workspace --bin drover").map_err(|e| e.to_string())?;
        let app = crate::images::build_program().map_err(|e| e.to_string())?;
        Ok((drover, app))
    });
    // What is lost while encryption is switched on is what it says.
    steps.step("programs for the tests", || {
        crate::packages::provide(&[("ping", "iputils-ping")]).map_err(|error| error.to_string())
    });
    let sockets: Vec<_> = bed.hosts.iter().map(|h| h.socket.display().to_string()).collect();
    let mut agent = serial_test_runner("--test docker");
    agent.env("DROVER_TEST_DOCKER_SOCKETS", sockets.join(","));
    steps.command("agent on Docker", agent.env(TESTBED_VARIABLE, bed.record()));
    let mut whole = serial_test_runner("--test testbed --test e2e");
    whole.env("DROVER_TEST_TESTBED", "1");
    if let Some((drover, app)) = programs {
        whole.env("DROVER_TEST_BINARY", drover).env("DROVER_TEST_APP", app);
    }
    steps.command("end to end", whole.env(TESTBED_VARIABLE, bed.record()));
    steps.step("testbed down", || {
        Testbed::down(number).map_err(|error| error.to_string())?;
        let traces = Testbed::traces(number);
        if traces.is_empty() { Ok(()) } else { Err(format!("left behind: {}", traces.join(", "))) }
    });
}

/// The test runner that is installed: nextest, or cargo's own.
fn test_runner(arguments: &str) -> Command {
    if has_nextest() {
        cargo(&format!("nextest run --no-fail-fast --no-tests=pass {arguments}"))
    } else {
        cargo(&format!("test --no-fail-fast --tests {arguments}"))
    }
}

/// The same for tests that share the testbed's hosts and so take turns.
/// Of the whole workspace: for one package alone cargo picks other features of what it needs, and builds all of that again.
fn serial_test_runner(arguments: &str) -> Command {
    if has_nextest() {
        cargo(&format!(
            "nextest run --no-fail-fast --test-threads 1 --locked --workspace {arguments}"
        ))
    } else {
        cargo(&format!("test --no-fail-fast --locked --workspace {arguments} -- --test-threads 1"))
    }
}

fn has_nextest() -> bool {
    is_there("cargo-nextest") || crate::command::run("cargo nextest --version").is_ok()
}

fn this_program(argument: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(program);
    command.arg(argument).current_dir(checkout::root());
    command
}
