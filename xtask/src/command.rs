//! Running other programs and saying what they said when they fail. Not a shell: no quoting, no pipes; a
//! command line is split at blanks, which is all that `ip` and `iptables` need.

use std::process::{Command, Output, Stdio};

/// A program that could not be started or that failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It isn't there, or may not be run.
    #[error("could not start `{line}`; is it installed?")]
    Start {
        /// The whole command line.
        line: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ran and failed.
    #[error("`{line}` ended with {status}: {said}")]
    Failed {
        /// The whole command line.
        line: String,
        /// Its exit status, in words.
        status: String,
        /// The last lines it wrote.
        said: String,
    },
}

/// Run a command line to its end; what it printed, or why it failed.
pub fn run(line: &str) -> Result<String, CommandError> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    output(&mut command).map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Run a prepared command to its end, its output kept.
pub fn output(command: &mut Command) -> Result<Output, CommandError> {
    let line = printed(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommandError::Start { line: line.clone(), source })?;
    if done.status.success() {
        return Ok(done);
    }
    let all = [done.stdout, done.stderr].concat();
    let said = last_lines(&String::from_utf8_lossy(&all), 12);
    Err(CommandError::Failed { line, status: done.status.to_string(), said })
}

/// Run a command in sight of the user.
pub fn show(command: &mut Command) -> Result<(), CommandError> {
    let line = printed(command);
    let status =
        command.status().map_err(|source| CommandError::Start { line: line.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    let said = "see above".to_owned();
    Err(CommandError::Failed { line, status: status.to_string(), said })
}

/// A command as one would type it.
pub fn printed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The last `count` lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Whether a program is on the path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps `ip`, `iptables` and `dockerd` where only root's path leads.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_words_of_the_program() {
        let error = run("ls /no/such/folder").unwrap_err().to_string();
        assert!(error.starts_with("`ls /no/such/folder` ended with exit status: 2"), "{error}");
        assert!(error.contains("No such file"), "{error}");
        assert!(run("no-such-program").unwrap_err().to_string().contains("is it installed"));
    }

    #[test]
    fn the_last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
