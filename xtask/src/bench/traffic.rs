//! `bench upgrade-traffic`: what a change of services costs the requests that flow meanwhile, through two balancers on
//! three hosts: which failed, which arrived twice, and how much later than in a quiet time they were answered.

use clap::Args;

use super::BenchError;
use super::stage::{Measured, Stage};
use super::table::table;
use crate::images;
use crate::traffic::{self, Amount, Phase, QUIET, Tally};

/// Its phases.
const PHASES: u64 = 12;

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Requests of all phases together, at least.
    #[arg(long, default_value_t = 30_000)]
    requests: u64,
    /// Requests for each second, whatever becomes of those before.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    let program = images::build_program()?;
    for engine in &stage.engines {
        images::import_all(engine, &program)?;
    }
    let cluster = stage.start_cluster()?;
    let amount =
        Amount { per_second: arguments.rate, per_phase: arguments.requests.div_ceil(PHASES) };
    let tally = traffic::run(&cluster, amount, &mut |line| println!("{line}"))?;
    print(&tally, arguments.rate);
    let failed = tally.failures.len();
    if failed == 0 && tally.replays().is_empty() {
        return Ok(());
    }
    let what = format!("{failed} requests failed, {} arrived twice", tally.replays().len());
    Err(BenchError::Stuck { who: "Drover", what })
}

fn print(tally: &Tally, rate: u32) {
    let quiet = tally.phases.iter().find(|phase| phase.name == QUIET);
    let head = ["phase", "s", "requests", "failed", "p50 ms", "p99 ms", "p99.9 ms", "added p99"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for phase in &tally.phases {
        let failed = tally.failures.iter().filter(|f| f.phase == phase.name).count();
        let ms = |per_mille| phase.latency_ms(per_mille);
        let added = ms(990) - quiet.map_or(0.0, |quiet| quiet.latency_ms(990));
        let mut row = vec![phase.name.clone(), format!("{:.1}", phase.lasted.as_secs_f64())];
        row.extend([phase.requests().to_string(), failed.to_string()]);
        row.extend([ms(500), ms(990), ms(999), added].map(|ms| format!("{ms:.1}")));
        rows.push(row);
    }
    println!("\n{rate} requests/s:\n\n{}", table(&rows));
    println!("{}", table(&by_kind(&tally.phases)));
    println!(
        "{} requests, {} failed; {} orders confirmed, {} arrived twice, {} not heard of",
        tally.requests(),
        tally.failures.len(),
        tally.confirmed.len(),
        tally.replays().len(),
        tally.unheard()
    );
    for cause in tally.causes() {
        println!("- {cause}");
    }
    println!(
        "(Not among the phases: `drover upgrade` between services, which is not offered yet.)"
    );
}

fn by_kind(phases: &[Phase]) -> Vec<Vec<String>> {
    let mut rows = vec![["kind", "sent", "good", "ended politely"].map(str::to_owned).to_vec()];
    for kind in traffic::Kind::ALL {
        let counts: Vec<_> = phases.iter().filter_map(|phase| phase.counts.get(&kind)).collect();
        let sum = |of: fn(&traffic::Counts) -> u64| {
            counts.iter().map(|counts| of(counts)).sum::<u64>().to_string()
        };
        let numbers = [sum(|c| c.sent), sum(|c| c.good), sum(|c| c.ended)];
        rows.push([format!("{kind:?}")].into_iter().chain(numbers).collect());
    }
    rows
}
