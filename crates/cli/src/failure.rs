//! Why a command did not do what it was asked, in one sentence, and the exit status that says which kind it is.

use crate::client::CallError;
use crate::project::ProjectError;
use crate::settings::SettingsError;

/// The command was interrupted from the keyboard: 128 and the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Why a command ended without doing all it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense; nothing was tried.
    #[error("{0}")]
    Usage(String),
    /// Where the server is, or who asks, is not known.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The files of the stack can't be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It was tried and did not work, or can't work.
    #[error("{0}")]
    Failed(String),
    /// It did not end in the time given; the server goes on with it.
    #[error("{0}")]
    TimedOut(String),
    /// Ctrl-C; the server goes on with it.
    #[error("{0}")]
    Interrupted(String),
    /// The output could not be written; a closed pipe is no failure and never gets here.
    #[error("could not write the output: {0}")]
    Output(std::io::Error),
}

impl Failure {
    /// The exit status: 1 failed, 2 usage, 3 timed out waiting, 130 interrupted. 0 is for success alone.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Project(_) | Self::Call(_) | Self::Failed(_) | Self::Output(_) => 1,
            Self::TimedOut(_) => 3,
            Self::Interrupted(_) => INTERRUPTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (failure, status) in [
            (Failure::Usage(String::new()), 2),
            (Failure::Failed(String::new()), 1),
            (Failure::TimedOut(String::new()), 3),
            (Failure::Interrupted(String::new()), 130),
        ] {
            assert_eq!(failure.status(), status, "{failure:?}");
        }
    }
}
