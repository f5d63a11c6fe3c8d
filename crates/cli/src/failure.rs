//! Why a command did not do what it was asked, in one sentence, and the exit status that says which kind it is: one for
//! each thing that a job could want to do about it.

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
    /// What the server would refuse; it was not even asked.
    #[error("{0}")]
    Refused(String),
    /// It was tried and did not work, or can't work.
    #[error("{0}")]
    Failed(String),
    /// It stands still: something is in its way that someone has to take out of it, or a decision is to be made.
    #[error("{0}")]
    Blocked(String),
    /// The new version was tried and taken back.
    #[error("{0}")]
    RolledBack(String),
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
    /// The same, with those named that were rolled back meanwhile: whoever is told of one that is stuck must know that the
    /// others are not where they were sent.
    pub(crate) fn and(self, back: &[String]) -> Self {
        let whole = |why: String| [std::slice::from_ref(&why), back].concat().join("; ");
        match self {
            Self::Failed(why) => Self::Failed(whole(why)),
            Self::Blocked(why) => Self::Blocked(whole(why)),
            Self::TimedOut(why) => Self::TimedOut(whole(why)),
            other => other,
        }
    }

    /// The exit status; `up --help` lists them. 0 is for success alone.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Project(_) | Self::Failed(_) | Self::Output(_) => 1,
            Self::Call(error) => match error {
                CallError::BadUrl { .. } | CallError::Environment { .. } => 2,
                CallError::Setup(_) => 1,
                CallError::Refused { status, .. } if *status >= 500 => 1,
                CallError::Refused { .. } => 4,
                CallError::Unreachable { .. } | CallError::Garbled { .. } => 5,
                CallError::Denied { .. } => 6,
            },
            Self::Refused(_) => 4,
            Self::Blocked(_) => 7,
            Self::RolledBack(_) => 20,
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
            (Failure::Refused(String::new()), 4),
            (Failure::Blocked(String::new()), 7),
            (Failure::RolledBack(String::new()), 20),
            (Failure::Interrupted(String::new()), 130),
        ] {
            assert_eq!(failure.status(), status, "{failure:?}");
        }
    }
}
