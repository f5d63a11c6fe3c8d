//! One database, one process: each holds the newest world in memory, so two would overwrite each other.
//!
//! A lock on a file beside the database, which ends with the process however it ends. Not a lock on the
//! database itself: people may look into it while the server runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::OpenError;

/// The right to write to a database.
pub(crate) struct Claim(File);

impl Claim {
    /// Claim the database at `path`; makes the file and its directory if they aren't there, readable
    /// for nobody else, since it holds passwords of registries.
    pub(crate) fn on(path: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::File { path, source }
        };
        let directory = match path.parent() {
            Some(directory) if directory != Path::new("") => directory,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let lock_path = beside(path);
        let mut lock = open(&lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: path.to_owned(), holder: holder(&lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path)(error)),
        }
        // For the message above only, so it may fail.
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).ok();
        open(path).map_err(failed(path))?;
        // A new file's name must be on disk before the first commit in it is acknowledged.
        File::open(directory).and_then(|d| d.sync_all()).map_err(failed(directory))?;
        Ok(Self(lock))
    }

    /// Let another process have it.
    pub(crate) fn give_up(&self) {
        // If it fails, the lock ends with the process.
        self.0.unlock().ok();
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn holder(mut lock: &File) -> Option<String> {
    let mut pid = String::new();
    lock.read_to_string(&mut pid).ok()?;
    let pid = pid.trim();
    (!pid.is_empty()).then(|| format!("process {pid}"))
}
