//! `cargo xtask fuzz`: inputs made up under the guidance of coverage, for every part that reads what others wrote. Builds the
//! targets of `fuzz/` with libFuzzer and its instruments, on the stable toolchain, then gives each its time.
//!
//! What it learns is kept in `target/fuzz/corpus` for the next time, what breaks a rule in `target/fuzz/found`: whatever is found
//! belongs into `fuzz/seeds`, which every test run feeds.

use std::fs;
use std::path::PathBuf;
use std::thread;

use clap::Args;

use crate::checkout::{cargo, outputs, root};
use crate::command::{CommandError, show};
use crate::packages::{self, PackagesError};

/// libFuzzer's instruments, as `cargo fuzz` sets them: counters and comparisons. Lints are for ordinary builds: what stands
/// for the entry point here is a macro of libFuzzer's, which can't do without `unsafe`.
const INSTRUMENTS: &str = "--cfg fuzzing --cap-lints allow -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// Which; all of `fuzz/seeds` if none is named.
    targets: Vec<String>,
    /// For how long each.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// Why it did not go well.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// No C++ compiler, which libFuzzer is built with.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// It could not be built, or a rule was broken; it has said why.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No room for what is found.
    #[error("what is found can't be kept: {0}")]
    Room(#[from] std::io::Error),
    /// A name that is none of a target.
    #[error("there is no target `{name}`; there are {}", .there.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        there: Vec<String>,
    },
}

/// Give each its time.
pub fn run(arguments: &Arguments) -> Result<(), FuzzError> {
    let chosen = chosen(&arguments.targets)?;
    packages::provide(&[("g++", "g++")])?;
    let home = outputs().with_file_name("fuzz");
    let mut build = cargo("build --profile fuzz --locked --package drover-fuzz --bin drover-fuzz");
    build.env("RUSTFLAGS", INSTRUMENTS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    show(build.arg("--target-dir").arg(&home))?;
    let program = built(&home)?;
    for name in chosen {
        let (corpus, found) = (home.join("corpus").join(&name), home.join("found"));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&found)?;
        println!("{name}: {} s", arguments.seconds);
        let mut fuzz = std::process::Command::new(&program);
        fuzz.env("DROVER_FUZZ", &name).env("RUST_BACKTRACE", "0").current_dir(&home);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        fuzz.arg(format!("-fork={threads}")).arg(format!("-max_total_time={}", arguments.seconds));
        // One input that takes seconds is a finding too.
        fuzz.args(["-timeout=10", "-max_len=8192", "-print_final_stats=1"]);
        fuzz.arg(format!("-artifact_prefix={}/{name}-", found.display()));
        show(fuzz.arg(&corpus).arg(root().join("fuzz/seeds").join(&name)))?;
    }
    Ok(())
}

/// Those named, or all that have seeds.
fn chosen(named: &[String]) -> Result<Vec<String>, FuzzError> {
    let mut there = Vec::new();
    for folder in fs::read_dir(root().join("fuzz/seeds"))? {
        there.push(folder?.file_name().to_string_lossy().into_owned());
    }
    there.sort();
    match named.iter().find(|name| !there.contains(name)) {
        Some(name) => Err(FuzzError::Unknown { name: name.clone(), there }),
        None if named.is_empty() => Ok(there),
        None => Ok(named.to_vec()),
    }
}

/// The program lies below the folder of its target's triple.
fn built(home: &std::path::Path) -> Result<PathBuf, FuzzError> {
    for folder in fs::read_dir(home)? {
        let program = folder?.path().join("fuzz").join("drover-fuzz");
        if program.is_file() {
            return Ok(program);
        }
    }
    Err(std::io::Error::other("the build left no program behind").into())
}
