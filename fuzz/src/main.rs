//! One input after the other into a target.
//!
//! By hand, on files or on standard input: `drover-fuzz TARGET [FILE]…`. Built with libFuzzer (`cargo xtask fuzz`) its
//! arguments are libFuzzer's, and the target's name stands in `DROVER_FUZZ`.

#![cfg_attr(fuzzing, no_main)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line tool

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    use std::sync::OnceLock;

    static FEED: OnceLock<fn(&[u8])> = OnceLock::new();
    let feed = FEED.get_or_init(|| {
        let name = std::env::var("DROVER_FUZZ").expect("DROVER_FUZZ names the target");
        drover_fuzz::target(&name).expect("DROVER_FUZZ names a target").feed
    });
    feed(data);
});

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<std::process::ExitCode> {
    use std::io::Read;
    use std::process::ExitCode;

    let mut arguments = std::env::args_os().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(target) = name.to_str().and_then(drover_fuzz::target) else {
        let names: Vec<&str> = drover_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: drover-fuzz TARGET [FILE]…; the targets are {}", names.join(", "));
        return Ok(ExitCode::FAILURE);
    };
    let mut files = arguments.peekable();
    if files.peek().is_none() {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data)?;
        (target.feed)(&data);
    }
    for file in files {
        (target.feed)(&std::fs::read(&file)?);
        println!("{}: no rule broken", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
