//! The catalog's directory, read when the server starts and looked at again now and then. What is in it is `drover-api`'s to say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drover_api::Library;
use tokio::time::interval;

use crate::server::Server;

/// Between two looks; as often as Rancher looked.
const AGAIN: Duration = Duration::from_mins(5);
/// Folders within each other: a kind, a template, a version, and some of its own.
const DEEPEST: usize = 6;
/// What is larger is no text of a template.
const LARGEST_BYTES: u64 = 1 << 20;

/// Read the catalog until the server stops.
pub(crate) async fn run(server: Arc<Server>, directory: Option<PathBuf>) {
    let Some(directory) = directory else { return };
    let mut due = interval(AGAIN);
    loop {
        tokio::select! {
            () = server.stop.cancelled() => return,
            _ = due.tick() => {}
        }
        let from = directory.clone();
        let reading = tokio::task::spawn_blocking(move || read(&from));
        let Ok((library, said)) = reading.await else { continue };
        for text in said {
            tracing::warn!(directory = %directory.display(), "{text}");
        }
        server.library.send_if_modified(|held| {
            let differs = **held != library;
            if differs {
                *held = Arc::new(library);
            }
            differs
        });
    }
}

/// A catalog's directory.
fn read(directory: &Path) -> (Library, Vec<String>) {
    let (mut files, mut said) = (BTreeMap::new(), Vec::new());
    gather(directory, "", DEEPEST, &mut files, &mut said);
    let (library, more) = Library::read(files);
    said.extend(more);
    (library, said)
}

/// The texts below a folder, by their paths. What begins with a dot is not the catalog's.
fn gather(
    folder: &Path,
    path: &str,
    depth: usize,
    files: &mut BTreeMap<String, String>,
    said: &mut Vec<String>,
) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            said.push(format!("the catalog's {} can't be read: {error}", folder.display()));
            return;
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        if kind.is_dir() && depth > 0 {
            gather(&entry.path(), &path, depth - 1, files, said);
        } else if kind.is_file()
            && entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST_BYTES)
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            // Pictures are no text, and are left out.
            files.insert(path, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_gathered_and_the_rest_is_left() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("templates/web/config.yml", b"name: Web\nversion: v1\n");
        write("templates/web/0/docker-compose.yml", b"web: {image: a}\n");
        write("templates/web/catalogIcon-web.png", &[0xff, 0xfe]);
        write("templates/broken/config.yml", b"name: Broken\n");
        write(".git/config", b"x");
        let (library, said) = read(home.path());
        assert_eq!(
            said,
            ["the catalog's broken is left out: no version of it has a docker-compose.yml"]
        );
        assert_ne!(library, Library::default());
        let (_, said) = read(&home.path().join("nowhere"));
        assert!(said[0].contains("can't be read"), "{said:?}");
    }
}
