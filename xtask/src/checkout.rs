//! This checkout: where it is, and the programs built from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::Message;

/// Why a program could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be run.
    #[error("could not run cargo to build {what}")]
    Cargo {
        /// What was to be built.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It doesn't compile; the compiler has said why.
    #[error("{what} could not be built; the compiler's words are above")]
    Failed {
        /// What was to be built.
        what: String,
    },
}

/// The workspace's root.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where logs and other outputs of `xtask` go.
pub fn outputs() -> PathBuf {
    root().join("target").join("xtask")
}

/// A cargo command in the workspace, which finds what one typed by hand has built.
pub fn cargo(arguments: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments.split_whitespace()).current_dir(root());
    // `cargo xtask` runs with this package's own variables. Build scripts that watch them (ring's does) would be taken
    // for outdated, and everything above them would be compiled again on every turn from one to the other.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name.as_ref());
        }
    }
    cargo
}

/// Build one executable in the profile of daily work; where it is. `what` is cargo's choice of target, such as
/// `--workspace --bin drover`.
pub fn build(what: &str) -> Result<PathBuf, BuildError> {
    let name = what.to_owned();
    let failed = |source| BuildError::Cargo { what: name.clone(), source };
    let mut cargo = cargo(&format!("build --message-format=json-render-diagnostics {what}"));
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut built = None;
    if let Some(output) = child.stdout.take() {
        for message in Message::parse_stream(std::io::BufReader::new(output)) {
            if let Message::CompilerArtifact(artifact) = message.map_err(failed)? {
                built = artifact.executable.or(built);
            }
        }
    }
    let done = child.wait().map_err(failed)?;
    match built {
        Some(path) if done.success() => Ok(path.into_std_path_buf()),
        Some(_) | None => Err(BuildError::Failed { what: name }),
    }
}
