//! Steps of a longer run: each named and timed as it goes, its output kept in a file and shown if it fails, all of
//! them summed up at the end. A step that fails doesn't stop the next: one run shows everything that is wrong.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{last_lines, printed};
use crate::wait::wait;

/// Longer than any step takes on a slow machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(40);

/// Lines of a failed step's output that are shown.
const SHOWN: usize = 120;

/// A run in progress.
pub struct Steps {
    logs: PathBuf,
    started: Instant,
    failed: Vec<String>,
    skipped: Vec<String>,
}

/// Some steps failed; they have been shown.
#[derive(Debug, thiserror::Error)]
#[error("failed: {}", .0.join(", "))]
pub struct StepsFailed(Vec<String>);

impl Steps {
    /// Begin; outputs go to files in the folder `logs`.
    pub fn new(logs: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(logs)?;
        let logs = logs.to_owned();
        Ok(Self { logs, started: Instant::now(), failed: Vec::new(), skipped: Vec::new() })
    }

    /// Run a command as a step; whether it succeeded.
    pub fn command(&mut self, name: &str, command: &mut Command) -> bool {
        let log = self.logs.join(format!("{}.log", name.replace(' ', "-")));
        let line = printed(command);
        self.step(name, || {
            run_to_end(command, &log).map_err(|problem| {
                let said = std::fs::read(&log).unwrap_or_default();
                let said = last_lines(&String::from_utf8_lossy(&said), SHOWN);
                format!("{said}\n`{line}` {problem}; the whole output is in {}", log.display())
            })
        })
        .is_some()
    }

    /// Run a function as a step; what it made, if it succeeded.
    pub fn step<T>(&mut self, name: &str, act: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let started = Instant::now();
        eprintln!("  …     {name}");
        let result = act();
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(made) => {
                println!("  ok    {name} ({seconds:.1} s)");
                Some(made)
            }
            Err(problem) => {
                println!("  FAIL  {name} ({seconds:.1} s)\n{problem}");
                self.failed.push(name.to_owned());
                None
            }
        }
    }

    /// Say loudly that something was not done, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        println!("  SKIP  {name}: {why}");
        self.skipped.push(format!("{name} ({why})"));
    }

    /// Sum up.
    pub fn finish(self) -> Result<(), StepsFailed> {
        let seconds = self.started.elapsed().as_secs();
        for skipped in &self.skipped {
            println!("NOT TESTED: {skipped}");
        }
        if self.failed.is_empty() {
            println!("All steps that ran passed, in {} min {} s.", seconds / 60, seconds % 60);
            return Ok(());
        }
        println!(
            "{} steps failed, after {} min {} s.",
            self.failed.len(),
            seconds / 60,
            seconds % 60
        );
        Err(StepsFailed(self.failed))
    }
}

fn run_to_end(command: &mut Command, log: &Path) -> Result<(), String> {
    let file =
        File::create(log).map_err(|e| format!("could not be run, no file for its output: {e}"))?;
    let again = file.try_clone().map_err(|e| format!("could not be run: {e}"))?;
    command.stdin(Stdio::null()).stdout(file).stderr(again);
    let mut child = command.spawn().map_err(|e| format!("could not be started: {e}"))?;
    let mut status = None;
    wait(PATIENCE, || {
        status = child.try_wait().transpose();
        status.is_some()
    });
    match status {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(format!("ended with {status}")),
        Some(Err(error)) => Err(format!("could not be waited for: {error}")),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("did not end within {PATIENCE:?} and was killed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_but_not_the_steps_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut steps = Steps::new(folder.path()).unwrap();
        assert!(!steps.command("a bad one", &mut Command::new("false")));
        assert!(steps.command("a good one", Command::new("sh").args(["-c", "echo said"])));
        let said = std::fs::read_to_string(folder.path().join("a-good-one.log")).unwrap();
        assert_eq!(said, "said\n");
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: a bad one");
    }
}
