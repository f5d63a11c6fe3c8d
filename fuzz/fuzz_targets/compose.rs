//! The compose parser against any bytes at all: it must answer, never panic, and what it accepts must
//! survive an export.
//!
//! On files, or on standard input where none is named:
//! `cargo run --manifest-path fuzz/Cargo.toml --bin compose -- fuzz/seeds/compose/*`.
//!
//! With libFuzzer, guided by coverage, on the stable toolchain (a C++ compiler is needed):
//!
//! ```sh
//! mkdir -p fuzz/corpus/compose
//! RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!   -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
//!   -Cllvm-args=-sanitizer-coverage-trace-compares" cargo run --release --manifest-path fuzz/Cargo.toml \
//!   --bin compose -- -max_total_time=60 -max_len=4096 fuzz/corpus/compose fuzz/seeds/compose
//! ```
//!
//! An input is up to four files, parted by lines of `=====`: docker-compose.yml, rancher-compose.yml, an
//! override, and whatever the others name under `extends` and `env_file`.

#![cfg_attr(fuzzing, no_main)]

use drover_compose::{Input, export, parse};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| feed(data));

/// Feed each file named, or standard input.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    use std::io::Read;

    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data)?;
        feed(&data);
    }
    for file in files {
        feed(&std::fs::read(&file)?);
        println!("{}: answered", file.display());
    }
    Ok(())
}

/// One input.
fn feed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split("\n=====\n");
    let docker = parts.next().unwrap_or_default();
    let rancher = parts.next();
    let over = parts.next();
    let other = parts.next();
    let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mut docker_compose = vec![named("docker-compose.yml", docker)];
    docker_compose.extend(over.map(|text| named("docker-compose.override.yml", text)));
    let parsed = parse(&Input {
        docker_compose,
        rancher_compose: rancher.map(|text| named("rancher-compose.yml", text)),
        variables: &|name| (name.len() % 2 == 1).then(|| format!("{name} ${{x}}\n- {{")),
        read: &|_| other.map(str::to_owned).ok_or_else(|| "no such file".to_owned()),
        project: "fuzz",
    });
    match parsed {
        Err(said) => assert!(!said.is_empty(), "refused without a word"),
        Ok(parsed) => {
            let written = export(&parsed.stack);
            let again = parse(&Input {
                docker_compose: vec![named("docker-compose.yml", &written.docker_compose)],
                rancher_compose: Some(named("rancher-compose.yml", &written.rancher_compose)),
                variables: &|_| None,
                read: &|_| Err("an export names no other file".to_owned()),
                project: "fuzz",
            });
            assert!(
                again.is_ok(),
                "{again:?}\n{}\n{}",
                written.docker_compose,
                written.rancher_compose
            );
        }
    }
}
