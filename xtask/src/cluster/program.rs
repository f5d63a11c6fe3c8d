//! A program that runs until it is told to end: server or agent. It dies with the thread that started it, whatever
//! kills that: the kernel is asked to see to it.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::ClusterError;
use crate::wait::wait;

/// How a program is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM, as a service stop.
    Stop,
    /// SIGKILL, as a crash.
    Crash,
}

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
}

impl Program {
    /// Start it; what it prints is appended to the file `log`.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self, ClusterError> {
        let failed = |source| ClusterError::Start { what: name.to_owned(), source };
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let again = file.try_clone().map_err(failed)?;
        let mut tied = tied_to_this_thread(command);
        // Out of the terminal's reach: a Ctrl-C is for whoever started this to handle.
        tied.stdin(Stdio::null()).stdout(file).stderr(again).process_group(0);
        let child = tied.spawn().map_err(failed)?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Let it stand still until [`Self::thaw`], as a machine that swaps or a process that is looked at by a debugger.
    pub fn freeze(&self) {
        crate::testbed::freeze(self.id());
    }

    /// Let it go on.
    pub fn thaw(&self) {
        crate::testbed::thaw(self.id());
    }

    /// End it and wait until it is gone.
    pub fn end(mut self, ending: Ending) -> Result<(), ClusterError> {
        self.signal(ending);
        if wait(Duration::from_secs(20), || self.has_ended()) {
            return Ok(());
        }
        Err(ClusterError::Stuck { what: self.name.clone() })
    }

    fn signal(&mut self, ending: Ending) {
        match ending {
            Ending::Crash => drop(self.child.kill()),
            Ending::Stop => crate::testbed::terminate(self.id()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, wrapped so that the kernel kills it when the thread that starts it ends.
fn tied_to_this_thread(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}
