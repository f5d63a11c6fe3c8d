//! What every file must have and must not have: a header that says what it is; no path of somebody's machine.

use std::path::Path;

use cargo_metadata::Metadata;

use super::{SourceFile, TidyError, members};

/// Beginnings of paths that exist on one machine only. Split, or this file would find itself.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("../sha", "red"),
    concat!("/root/", "."),
];

/// Kinds of files that are read for machine paths.
const TEXTS: [&str; 9] = ["rs", "toml", "md", "yml", "yaml", "txt", "json", "snap", "sh"];

/// All Rust files of the workspace's crates, in order of their paths.
pub(super) fn read_all(metadata: &Metadata) -> Result<Vec<SourceFile>, TidyError> {
    let root = metadata.workspace_root.as_std_path();
    let mut files = Vec::new();
    for package in members(metadata) {
        if let Some(folder) = package.manifest_path.parent() {
            read_folder(root, folder.as_std_path(), &["rs"], &mut files)?;
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Everything that is wrong with the files taken one by one.
pub(super) fn check(metadata: &Metadata, files: &[SourceFile]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| !f.text.starts_with("//!")) {
        wrong.push(format!("{}: must open with `//!`: what it is, what it is not, why", file.path));
    }
    for package in members(metadata) {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{}: lacks `[lints] workspace = true`", package.manifest_path));
        }
    }
    let mut texts = Vec::new();
    let root = metadata.workspace_root.as_std_path();
    if let Err(error) = read_folder(root, root, &TEXTS, &mut texts) {
        wrong.push(error.to_string());
    }
    wrong.extend(texts.iter().flat_map(machine_paths));
    wrong
}

fn machine_paths(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let found = lines.filter(|(_, line)| MACHINE_PATHS.iter().any(|p| line.contains(p)));
    found.map(|(at, _)| format!("{}:{}: names a path of one machine", file.path, at + 1)).collect()
}

/// Read the files with these extensions in a folder and below, built and hidden things left out.
fn read_folder(
    root: &Path,
    folder: &Path,
    extensions: &[&str],
    into: &mut Vec<SourceFile>,
) -> Result<(), TidyError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        |source| TidyError::Read { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with('.') || matches!(name, "target" | "corpus" | "artifacts") {
            continue;
        }
        if path.is_dir() {
            read_folder(root, &path, extensions, into)?;
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            into.push(SourceFile { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_path_is_found_with_its_line() {
        let text = format!("fine\nsee {}/notes\n", MACHINE_PATHS[0]);
        let file = SourceFile { path: "docs/x.md".to_owned(), text };
        assert_eq!(machine_paths(&file), ["docs/x.md:2: names a path of one machine"]);
    }
}
