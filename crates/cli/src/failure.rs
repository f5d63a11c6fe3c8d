//! Why a command did not do what it was asked, in one sentence, and the exit status that says which kind it is: one for
//! each thing that a job could want to do about it.

use drover_rollout::CallError;

use crate::client::ConnectError;
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
    /// There is no connection to the server.
    #[error(transparent)]
    Connect(ConnectError),
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
    /// The exit status; `up --help` lists them. 0 is for success alone.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Project(_) | Self::Failed(_) | Self::Output(_) => 1,
            Self::Connect(error) => match error {
                ConnectError::BadUrl { .. } | ConnectError::Environment { .. } => 2,
                ConnectError::Setup(_) => 1,
                ConnectError::Call(error) => of_call(error),
            },
            Self::Call(error) => of_call(error),
            Self::Refused(_) => 4,
            Self::Blocked(_) => 7,
            Self::RolledBack(_) => 20,
            Self::TimedOut(_) => 3,
            Self::Interrupted(_) => INTERRUPTED,
        }
    }
}

/// The exit status of a request that did not do what it was for.
fn of_call(error: &CallError) -> u8 {
    match error {
        CallError::Refused { status, .. } if *status >= 500 => 1,
        CallError::Refused { .. } => 4,
        CallError::Unreachable { .. } | CallError::Garbled { .. } => 5,
        CallError::Denied { .. } => 6,
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Call(error) => Self::Call(error),
            other => Self::Connect(other),
        }
    }
}

impl From<drover_rollout::Failure> for Failure {
    fn from(failure: drover_rollout::Failure) -> Self {
        use drover_rollout::Failure as Work;
        match failure {
            Work::Call(error) => Self::Call(error),
            Work::Refused(why) => Self::Refused(why),
            Work::Failed(why) => Self::Failed(why),
            Work::Blocked(why) => Self::Blocked(why),
            Work::RolledBack(why) => Self::RolledBack(why),
            Work::TimedOut(why) => Self::TimedOut(why),
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
