//! `cargo xtask tidy`: the rules of this repository that no compiler checks. It fails on what is wrong (a forbidden
//! dependency, a missing header, a dead file) and prints what is large, so that someone asks whether it is one thing.
//!
//! Not a style checker: rustfmt and clippy are that.

mod dependencies;
mod largest;
mod reach;
mod scan;
mod sources;

use cargo_metadata::{Metadata, MetadataCommand};

/// Why `tidy` did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// Cargo could not describe the workspace.
    #[error("could not ask cargo what the workspace is made of")]
    Metadata(#[source] cargo_metadata::Error),
    /// A file could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something is wrong; it has been printed.
    #[error("{0} things are not tidy; they are listed above")]
    Untidy(usize),
}

/// Check everything; print the largest files and functions, then what is wrong.
pub fn run() -> Result<(), TidyError> {
    let metadata = ask_cargo()?;
    let files = sources::read_all(&metadata)?;
    largest::print(&files);
    let mut wrong = dependencies::check(&metadata);
    wrong.extend(sources::check(&metadata, &files));
    wrong.extend(reach::check(&metadata, &files));
    for problem in &wrong {
        eprintln!("{problem}");
    }
    if wrong.is_empty() { Ok(()) } else { Err(TidyError::Untidy(wrong.len())) }
}

/// What the workspace is made of, on this platform: asking about all of them would download their crates.
fn ask_cargo() -> Result<Metadata, TidyError> {
    let version = crate::command::run("rustc --version --verbose").unwrap_or_default();
    let platform = version.lines().find_map(|line| line.strip_prefix("host: "));
    let filter = platform.map(|p| format!("--filter-platform={p}"));
    MetadataCommand::new()
        .other_options(filter.into_iter().collect::<Vec<_>>())
        .exec()
        .map_err(TidyError::Metadata)
}

/// A Rust file of the workspace.
struct SourceFile {
    /// From the workspace's root.
    path: String,
    text: String,
}

/// The names of the workspace's crates.
fn members(metadata: &Metadata) -> Vec<&cargo_metadata::Package> {
    metadata.workspace_packages()
}
