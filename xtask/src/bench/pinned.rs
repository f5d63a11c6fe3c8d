//! Programs on one processor core each, so that what carries traffic and what makes it don't take turns, and every
//! contender has as much machine as the next; and how much of its core a program took.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::BenchError;
use crate::cluster::Program;
use crate::command;
use crate::packages::Needed;
use crate::wait::wait;

/// What pinning needs.
pub(super) const NEEDED: [Needed; 2] = [("taskset", "util-linux"), ("prlimit", "util-linux")];

/// The core of what is measured.
pub(super) const MEASURED: u8 = 0;
/// The core of whoever asks, and of whoever answers in the end.
pub(super) const OTHERS: u8 = 1;

/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command line, split at blanks, on one core and with enough files for thousands of connections.
pub(super) fn on_core(core: u8, line: &str) -> Command {
    let mut command = Command::new("prlimit");
    command.args(["--nofile=16384:16384", "taskset", "-c", &core.to_string()]);
    command.args(line.split_whitespace());
    command
}

/// Start a program on a core and wait until it listens on a port, if it does.
pub(super) fn start(
    name: &'static str,
    command: &Command,
    log: &Path,
    port: Option<u16>,
) -> Result<Program, BenchError> {
    let mut program = Program::start(name, command, log)?;
    let mut has_ended = false;
    let listens = wait(PATIENCE, || {
        has_ended = program.has_ended();
        has_ended || port.is_none_or(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    });
    if listens && !has_ended {
        return Ok(program);
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let what = format!("does not listen on port {port:?}: {}", command::last_lines(&said, 12));
    Err(BenchError::Stuck { who: name, what })
}

/// Processor time it has taken, in user mode and in the kernel; Linux counts it in hundredths of a second.
pub(super) fn processor_time_s(program: &Program) -> Option<f64> {
    let counted = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).ok()?;
    // The program's name may hold blanks; what follows it may not.
    let mut numbers = counted.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || numbers.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / 100.0)
}
