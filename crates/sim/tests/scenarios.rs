//! Every script under `scenarios/` prints what it says.

#![allow(clippy::unwrap_used)] // a script that can't be read is a failed test

use std::path::PathBuf;

#[test]
fn scripts_print_what_they_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
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
