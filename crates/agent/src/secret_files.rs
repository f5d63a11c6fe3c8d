//! The folder a container has as its `/run/secrets`: one file for each secret it asks for, with the owner and permissions
//! it asks for. Made before the container, brought up to date when it starts, removed with it.
//!
//! The folders are below the agent's own, which nobody else may enter; a container sees its own, read-only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_core::{SECRET_MODE, Secret, SecretFile};

/// Ending of a file that is not whole yet.
const NEW: &str = "new";

/// The folder of one container, under the agent's own.
pub(crate) fn folder(state: &Path, docker_name: &str) -> PathBuf {
    state.join("secrets").join(docker_name)
}

/// Why a container can't have its secrets. No value is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecret {
    /// The server told no value.
    #[error(
        "there is no secret `{0}`, or it was removed: make it (again), or take it out of the service"
    )]
    Missing(String),
    /// What was told is no value.
    #[error("the value of secret `{0}` can't be read: remove it and make it again")]
    Unreadable(String),
    /// The disk or its permissions.
    #[error("can't write its file {}: {source}", path.display())]
    Disk {
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// Write the files of a container. One whose secret is gone is left as it is; if there is none, that is refused. `owns`:
/// files are given to who is to own them, which only root may do.
pub(crate) fn write(
    folder: &Path,
    files: &[SecretFile],
    values: &BTreeMap<String, Secret>,
    owns: bool,
) -> Result<(), NoSecret> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NoSecret::Disk { path, source }
    };
    make_folder(folder).map_err(failed(folder))?;
    for file in files {
        let path = folder.join(file.file_name());
        let Some(value) = values.get(&file.secret) else {
            if path.exists() {
                continue;
            }
            return Err(NoSecret::Missing(file.secret.clone()));
        };
        let value = STANDARD.decode(value.reveal());
        let value = value.map_err(|_| NoSecret::Unreadable(file.secret.clone()))?;
        write_one(folder, &path, file, &value, owns).map_err(failed(&path))?;
    }
    Ok(())
}

/// Remove the folder of a container that is gone.
pub(crate) fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            // The next assignment tries again.
            tracing::error!(folder = %folder.display(), %error, "can't remove the secrets of a container");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Remove the folders of containers other than these.
pub(crate) fn clean(state: &Path, kept: &BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(state.join("secrets")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of = name.strip_suffix(&format!(".{NEW}")).unwrap_or(&name);
        if kept.contains(of) {
            continue;
        }
        if of == name {
            remove(&entry.path());
        } else {
            // Half a file, of a write that was broken off.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The folder of all is the agent's; that of one is seen by whoever the container's process is.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if let Some(all) = folder.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(all)?;
        std::fs::set_permissions(all, Permissions::from_mode(0o700))?;
    }
    DirBuilder::new().recursive(true).create(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))
}

/// Beside the folder until it is whole and has its owner, so that nobody sees it before.
fn write_one(
    folder: &Path,
    path: &Path,
    asked: &SecretFile,
    value: &[u8],
    owns: bool,
) -> std::io::Result<()> {
    let new = folder.with_added_extension(NEW);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(value)?;
    if owns {
        fchown(&file, Some(asked.uid.unwrap_or(0)), Some(asked.gid.unwrap_or(0)))?;
    }
    // After the owner: giving a file away takes some permissions from it.
    file.set_permissions(Permissions::from_mode(asked.mode.unwrap_or(SECRET_MODE)))?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn values(of: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(STANDARD.encode(value))))
            .collect()
    }

    fn file(secret: &str, file: &str, mode: Option<u32>) -> SecretFile {
        SecretFile { secret: secret.into(), file: file.into(), mode, ..SecretFile::default() }
    }

    #[test]
    fn files_are_as_asked_for() {
        let state = tempfile::tempdir().unwrap();
        let folder = folder(state.path(), "r-app-web-1-30");
        let files = [file("db", "", None), file("key", "tls.key", Some(0o400))];
        let told = values(&[("db", "hunter2"), ("key", "k")]);
        write(&folder, &files, &told, false).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((read("db").as_str(), read("tls.key").as_str()), ("hunter2", "k"));
        assert_eq!(mode(&folder.join("db")), 0o444);
        assert_eq!(mode(&folder.join("tls.key")), 0o400);
        assert_eq!((mode(&state.path().join("secrets")), mode(&folder)), (0o700, 0o755));
        assert_eq!(std::fs::read_dir(state.path().join("secrets")).unwrap().count(), 1);
    }

    #[test]
    fn a_start_reads_what_is_new_and_keeps_what_is_gone() {
        let state = tempfile::tempdir().unwrap();
        let folder = folder(state.path(), "c");
        let files = [file("db", "", Some(0o400))];
        let missing = write(&folder, &files, &values(&[]), false).unwrap_err();
        assert!(missing.to_string().contains("no secret `db`"), "{missing}");
        for (told, held) in [(&[("db", "1")][..], "1"), (&[("db", "2")], "2"), (&[], "2")] {
            write(&folder, &files, &values(told), false).unwrap();
            assert_eq!(std::fs::read_to_string(folder.join("db")).unwrap(), held);
        }
        let bad = BTreeMap::from([("db".to_owned(), Secret::new("h!unter2"))]);
        let said = write(&folder, &files, &bad, false).unwrap_err();
        assert!(!format!("{said} {said:?}").contains("unter2"), "{said}");
    }

    #[test]
    fn folders_of_others_go() {
        let state = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            write(
                &folder(state.path(), name),
                &[file("x", "", None)],
                &values(&[("x", "1")]),
                false,
            )
            .unwrap();
        }
        for name in ["a.new", "b.new"] {
            std::fs::write(folder(state.path(), name), "half").unwrap();
        }
        clean(state.path(), &BTreeSet::from(["a".to_owned()]));
        let left = std::fs::read_dir(state.path().join("secrets")).unwrap();
        let mut left: Vec<_> =
            left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["a", "a.new"]);
    }
}
