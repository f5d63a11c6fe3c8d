//! Files that are whole or not there: written beside, synced, renamed, and the rename synced.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::de::DeserializeOwned;

use super::LedgerError;

/// The right to use a folder, alone.
pub struct Guard {
    _file: File,
}

/// Make a folder that only its owner may enter.
pub(super) fn make_private(folder: &Path) -> Result<(), LedgerError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let made = made.and_then(|()| std::fs::set_permissions(folder, Permissions::from_mode(0o700)));
    made.map_err(|source| LedgerError::Disk { what: "make", path: folder.to_owned(), source })
}

/// Take the lock that a file stands for. The kernel gives it back when the process ends, however it does.
pub(super) fn lock(path: &Path) -> Result<Guard, LedgerError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(path);
    let failed = |source| LedgerError::Disk { what: "lock", path: path.to_owned(), source };
    let file = opened.map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Guard { _file: file }),
        Err(Errno::WOULDBLOCK) => Err(LedgerError::InUse(path.parent().unwrap_or(path).to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

/// Replace a file as a whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = beside(path, "new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Read a file; one that can't be understood is put aside.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LedgerError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(LedgerError::Disk { what: "read", path: path.to_owned(), source });
        }
    };
    match serde_json::from_slice(&bytes) {
        Ok(read) => Ok(Some(read)),
        Err(error) => {
            let aside = beside(path, "damaged");
            tracing::error!(file = %path.display(), %error, "the file is damaged and put aside");
            std::fs::rename(path, &aside).map_err(|source| LedgerError::Disk {
                what: "put aside the damaged",
                path: path.to_owned(),
                source,
            })?;
            Ok(None)
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
