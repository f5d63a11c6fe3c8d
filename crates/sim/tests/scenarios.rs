//! Every script under `scenarios/`, in folders too, prints what it says.

#![allow(clippy::unwrap_used)] // a script that can't be read is a failed test

use std::path::{Path, PathBuf};

#[test]
fn scripts_print_what_they_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = files_under(&folder);
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        let script = std::fs::read_to_string(&file).unwrap();
        let printed =
            drover_sim::scenario::run(&script).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            std::fs::write(&file, &printed).unwrap();
        } else if printed != script {
            wrong.push(format!("{name} prints:\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_SCENARIOS=1 accepts it", wrong.join("\n"));
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|e| e.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_under(folder)));
    files.sort();
    files
}
