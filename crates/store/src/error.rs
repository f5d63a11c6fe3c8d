//! What can go wrong: opening, committing, and the database underneath both.
//!
//! Each message is meant for the operator as it is: what was attempted, on what, why not, what to do.

use std::path::PathBuf;

use drover_core::{BadRow, Refused};

/// Why a database was not opened. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or directory of it can't be made or opened.
    #[error("{path} could not be opened for the database; check that the directory is writable")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the database {path} is in use by another process{}; stop that one first, or use another \
         data directory",
        holder.as_ref().map(|pid| format!(" ({pid})")).unwrap_or_default()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// Its process id, if it left one.
        holder: Option<String>,
    },
    /// It holds something else.
    #[error("{path} is not a database of Drover ({what}); give the path of another file")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "the database {path} has schema {found}, and this version of Drover knows schemas up to \
         {known}; start the version that wrote it, or a later one (nothing was changed)"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest this version knows.
        known: i64,
    },
    /// A row of it can't be read.
    #[error(
        "the database {path} holds a row this version of Drover can't read; start the version that \
         wrote it, restore a backup, or repair that row (nothing was changed)"
    )]
    Row {
        /// The database.
        path: PathBuf,
        /// Which row and why.
        source: BadRow,
    },
    /// The database can't be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The operating system gives no thread for the writer.
    #[error("no thread could be started for writing to the database")]
    Thread(#[source] std::io::Error),
}

/// Why changes were not committed. None of them was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// There were commits after the snapshot the changes were made from.
    #[error("the cluster was changed meanwhile; make the change again from its newest state")]
    Conflict,
    /// One of them can't be applied.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database would not take them.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A write failed; it left no trace.
    #[error("the database {database} could not be written: {why}; nothing was lost, {advice}")]
    Write {
        /// Which database.
        database: String,
        /// The database's words.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// A read failed.
    #[error("the database {database} could not be read: {why}; {advice}")]
    Read {
        /// Which database.
        database: String,
        /// The database's words.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// It answers too slowly.
    #[error(
        "the database did not answer within {0} s; the change may have been made or not: look \
         before trying again, and check the server's disk"
    )]
    Slow(u64),
    /// It was closed, or its writer is gone.
    #[error("the database is closed because the server is stopping; try again once it is back")]
    Closed,
}
