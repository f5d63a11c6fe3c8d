//! Why a testbed could not be made, changed or removed, in words for the person at the terminal.

use std::path::PathBuf;

use crate::command::CommandError;
use crate::packages::PackagesError;

/// Why a testbed could not be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// This machine can't carry one at all.
    #[error("no Docker engine can run here: {0}")]
    Impossible(String),
    /// It could, but what it needs is not there and could not be installed.
    #[error("no Docker engine is installed here: {0}")]
    NotInstalled(PackagesError),
    /// Somebody else uses it.
    #[error(
        "testbed {bed} is in use by process {owner}; wait for it, or end it, or use another --bed"
    )]
    InUse {
        /// Number of the bed.
        bed: u8,
        /// Process that owns it.
        owner: u32,
    },
    /// It is up, but not as asked.
    #[error(
        "testbed {bed} is up with {there} hosts, not {asked}; take it down first: cargo xtask testbed down --bed {bed}"
    )]
    OtherSize {
        /// Number of the bed.
        bed: u8,
        /// Hosts it has.
        there: usize,
        /// Hosts asked for.
        asked: u8,
    },
    /// It isn't up.
    #[error("testbed {bed} is not up; start it: cargo xtask testbed up --bed {bed} --hosts 3")]
    NotUp {
        /// Number of the bed.
        bed: u8,
    },
    /// No such host, or not in the state that the request needs.
    #[error("host {host} {problem}")]
    BadHost {
        /// Its number.
        host: u8,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An engine did not come up.
    #[error("the engine of host {host} did not answer; its log ends with:\n{said}")]
    Engine {
        /// Number of the host.
        host: u8,
        /// The last lines of its log.
        said: String,
    },
    /// Something did not end in time.
    #[error("host {host}: {what}; try `cargo xtask testbed down` again")]
    Stuck {
        /// Number of the host.
        host: u8,
        /// What didn't happen.
        what: String,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The bed's folder can't be used.
    #[error("could not use {}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
