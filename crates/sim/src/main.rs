//! `drover-sim`: live through seeds, prove the checker, run scripts.
//!
//! `drover-sim --seeds N [--from S]` · `drover-sim --hours N [--failures N]` · `drover-sim --seed S` · `drover-sim --mutate all` · `drover-sim scenario FILE…`

#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line tool

use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use drover_sim::chaos::{self, Outcome};
use drover_sim::mutation::Mutation;
use drover_sim::scenario;

/// A sixth less time for an hour of a cluster than with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Live through seeds of a simulated cluster, and judge every step.
#[derive(Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// As many as it takes until clusters have lived for this many hours together, instead.
    #[arg(long, conflicts_with_all = ["seeds", "seed", "mutate"])]
    hours: Option<u64>,
    /// Go on after failures, until so many seeds have failed.
    #[arg(long, default_value_t = 1, conflicts_with_all = ["seed", "mutate"])]
    failures: usize,
    /// Replay this one seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happened, with --seed.
    #[arg(long)]
    trace: bool,
    /// Take a safety rule out, or `all` of them in turn: each must be caught within the seeds.
    #[arg(long)]
    mutate: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run scripts and compare what they print with what the files say.
    Scenario {
        /// The scripts.
        files: Vec<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let good = match (&options.command, options.mutate.as_deref()) {
        (Some(Command::Scenario { files }), _) => scenarios(files),
        (None, Some("all")) => Mutation::all().iter().all(|&m| mutated(&options, m)),
        (None, Some(name)) => named(&options, name),
        (None, None) => seeds(&options),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn named(options: &Options, name: &str) -> bool {
    if let Ok(mutation) = <Mutation as clap::ValueEnum>::from_str(name, true) {
        return mutated(options, mutation);
    }
    let names: Vec<String> = Mutation::all().iter().map(ToString::to_string).collect();
    eprintln!("no rule is called `{name}`; there are {}", names.join(", "));
    false
}

/// Live through all seeds; every one must end well.
fn seeds(options: &Options) -> bool {
    let limit = match (options.seed, options.hours) {
        (Some(seed), _) => Limit { from: seed, seeds: 1, virtual_ms: u64::MAX },
        (None, Some(hours)) => {
            Limit { from: options.from, seeds: u64::MAX, virtual_ms: hours.saturating_mul(HOUR_MS) }
        }
        (None, None) => options.all_seeds(),
    };
    let started = Instant::now();
    let lived = Lived::default();
    if let Some(seed) = options.seed.filter(|_| options.trace) {
        for line in chaos::run(seed, None, true).trace {
            println!("{line}");
        }
    }
    let failed = failures(limit, None, options.failures, &lived, show);
    let seconds = started.elapsed().as_secs_f64();
    match failed.len() {
        0 => println!("{lived}, no rule broken ({seconds:.1} s)"),
        n if options.failures > 1 => println!("{lived}, {n} of the seeds failed ({seconds:.1} s)"),
        _ => {}
    }
    failed.is_empty()
}

fn show(outcome: &Outcome) {
    println!("seed {} breaks rules:", outcome.seed);
    for (at_ms, violation) in outcome.violations.iter().take(5) {
        println!("  after {at_ms} ms: {violation}");
    }
    println!("replay it with: cargo xtask sim --seed {}", outcome.seed);
}

/// Without the rule, some seed must fail.
fn mutated(options: &Options, mutation: Mutation) -> bool {
    let failed = failures(options.all_seeds(), Some(mutation), 1, &Lived::default(), |_| ());
    let caught = failed.first().and_then(|f| Some((f.seed, f.violations.first()?)));
    if let Some((seed, (_, violation))) = caught {
        println!("without {mutation}: caught at seed {seed}: {violation}");
    } else {
        println!("without {mutation}: NOT CAUGHT within {} seeds", options.seeds);
    }
    caught.is_some()
}

const HOUR_MS: u64 = 3_600_000;

/// Which seeds, and when it is enough.
#[derive(Clone, Copy)]
struct Limit {
    from: u64,
    seeds: u64,
    /// Virtual time of all clusters together.
    virtual_ms: u64,
}

impl Options {
    fn all_seeds(&self) -> Limit {
        Limit { from: self.from, seeds: self.seeds, virtual_ms: u64::MAX }
    }
}

/// What seeds without a failure went through.
#[derive(Default)]
struct Lived {
    seeds: AtomicU64,
    upgrades: AtomicU64,
    requests: AtomicU64,
    virtual_ms: AtomicU64,
}

impl Lived {
    fn count(&self, outcome: &Outcome) {
        self.seeds.fetch_add(1, Ordering::Relaxed);
        self.upgrades.fetch_add(outcome.upgrades, Ordering::Relaxed);
        self.requests.fetch_add(outcome.requests, Ordering::Relaxed);
        self.virtual_ms.fetch_add(outcome.lived_ms, Ordering::Relaxed);
    }
}

impl fmt::Display for Lived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (seeds, hours) = (read(&self.seeds), read(&self.virtual_ms) / HOUR_MS);
        let (upgrades, requests) = (read(&self.upgrades), read(&self.requests));
        write!(f, "{seeds} seeds, {hours} cluster-hours, {upgrades} upgrades, {requests} requests")
    }
}

/// Live through seeds on all processors until `most` of them have failed, each told at once: those, by number. Seeds that
/// were begun by then are lived to their end, so that there can be a few more.
fn failures(
    limit: Limit,
    mutation: Option<Mutation>,
    most: usize,
    lived: &Lived,
    tell: impl Fn(&Outcome) + Sync,
) -> Vec<Outcome> {
    let next = AtomicU64::new(0);
    let failed = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut mine = Vec::new();
        while failed.load(Ordering::Relaxed) < most {
            let count = next.fetch_add(1, Ordering::Relaxed);
            if count >= limit.seeds || lived.virtual_ms.load(Ordering::Relaxed) >= limit.virtual_ms
            {
                break;
            }
            let outcome = chaos::run(limit.from + count, mutation, false);
            lived.count(&outcome);
            if !outcome.violations.is_empty() {
                failed.fetch_add(1, Ordering::Relaxed);
                tell(&outcome);
                mine.push(outcome);
            }
        }
        mine
    };
    let mut failures: Vec<Outcome> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
    });
    failures.sort_by_key(|outcome| outcome.seed);
    failures
}

fn scenarios(files: &[std::path::PathBuf]) -> bool {
    let mut good = true;
    for file in files {
        let name = file.display();
        let script = match std::fs::read_to_string(file) {
            Ok(script) => script,
            Err(e) => {
                eprintln!("{name} can't be read: {e}");
                good = false;
                continue;
            }
        };
        match scenario::run(&script) {
            Ok(printed) => print!("{printed}"),
            Err(bad) => {
                eprintln!("{name}: {bad}");
                good = false;
            }
        }
    }
    good
}
