//! Dead files: Rust files in a crate's folder that no crate root leads to. The compiler doesn't see them, so they rot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;

use super::scan::blanked;
use super::{SourceFile, members};

/// Every file that can't be reached.
pub(super) fn check(metadata: &Metadata, files: &[SourceFile]) -> Vec<String> {
    let root = metadata.workspace_root.as_std_path();
    let mut reached = BTreeSet::new();
    for target in members(metadata).into_iter().flat_map(|p| &p.targets) {
        let path = target.src_path.as_std_path();
        visit(path.strip_prefix(root).unwrap_or(path), true, files, &mut reached);
    }
    let dead = files.iter().filter(|f| !reached.contains(Path::new(&f.path)));
    dead.map(|f| format!("{}: no `mod` leads to this file; use it or remove it", f.path)).collect()
}

fn visit(path: &Path, is_root: bool, files: &[SourceFile], reached: &mut BTreeSet<PathBuf>) {
    let Some(file) = files.iter().find(|f| Path::new(&f.path) == path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_folder_itself = is_root || path.ends_with("mod.rs");
    let below = if is_folder_itself { folder.to_owned() } else { path.with_extension("") };
    for module in modules(&file.text) {
        match module {
            Module::Named(name) => {
                visit(&below.join(format!("{name}.rs")), false, files, reached);
                visit(&below.join(name).join("mod.rs"), false, files, reached);
            }
            Module::At(place) => visit(&folder.join(place), false, files, reached),
        }
    }
}

/// A module that is another file.
#[derive(Debug, PartialEq, Eq)]
enum Module {
    /// In the usual place.
    Named(String),
    /// In the place that a `#[path]` names.
    At(String),
}

/// The modules that a file declares and that are files of their own.
fn modules(text: &str) -> Vec<Module> {
    let clean = blanked(text);
    let mut path = None;
    let mut found = Vec::new();
    for (line, clean) in text.lines().zip(clean.lines()) {
        if clean.trim_start().starts_with("#[path") {
            path = line.split('"').nth(1).map(str::to_owned);
        }
        let words: Vec<&str> = clean.split_whitespace().collect();
        let name = match words[..] {
            ["mod", name] => name,
            [public, "mod", name] if public.starts_with("pub") => name,
            _ => continue,
        };
        if let Some(name) = name.strip_suffix(';') {
            let place = path.take();
            found.push(place.map_or_else(|| Module::Named(name.to_owned()), Module::At));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_root_leads_to_is_reached() {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = [
            file("c/src/lib.rs", "mod a;\npub(crate) mod b;\n// mod dead;\nmod here { }"),
            file("c/src/a.rs", "#[path = \"odd.rs\"]\nmod x;\nmod deep;"),
            file("c/src/a/deep.rs", ""),
            file("c/src/odd.rs", ""),
            file("c/src/b/mod.rs", "mod c;"),
            file("c/src/b/c.rs", ""),
            file("c/src/dead.rs", ""),
        ];
        let mut reached = BTreeSet::new();
        visit(Path::new("c/src/lib.rs"), true, &files, &mut reached);
        let dead: Vec<_> = files.iter().filter(|f| !reached.contains(Path::new(&f.path))).collect();
        assert_eq!(dead.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["c/src/dead.rs"]);
    }
}
