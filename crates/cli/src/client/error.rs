//! Why no server was reached, before the first request: what was attempted, why it failed, what to do next.

use drover_rollout::CallError;

/// Why there is no connection to an environment of a server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL can't be used.
    #[error("`{url}` is not the URL of a server: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("could not set up HTTPS: {0}")]
    Setup(#[source] reqwest::Error),
    /// No environment, or several.
    #[error("could not choose an environment on {server}: {why}")]
    Environment {
        /// Where.
        server: String,
        /// Why, and what to do.
        why: String,
    },
    /// The server could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The innermost cause: the outer ones only say that sending failed.
pub(super) fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
