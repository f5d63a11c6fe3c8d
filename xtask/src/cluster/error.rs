//! Why a cluster could not be started or did not do what was waited for.

use std::path::PathBuf;

use crate::api::ApiError;
use crate::docker::EngineError;
use crate::testbed::TestbedError;

/// Why a cluster could not be started or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A program could not be started.
    #[error("could not start {what}")]
    Start {
        /// The program.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program did not end when told to.
    #[error("{what} did not end in time")]
    Stuck {
        /// The program.
        what: String,
    },
    /// Something did not come to be.
    #[error("waited in vain for {what}; the log of {of} ends with:\n{said}")]
    Waited {
        /// What was waited for.
        what: String,
        /// Whose log may say why.
        of: String,
        /// The last lines of it.
        said: String,
    },
    /// The folder for logs and state can't be used.
    #[error("could not use {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The hosts.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// A host's engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server's API.
    #[error(transparent)]
    Api(#[from] ApiError),
}
