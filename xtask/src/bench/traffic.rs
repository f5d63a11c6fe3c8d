//! `bench upgrade-traffic`: what a change of services costs the requests that flow meanwhile, through two balancers on
//! three hosts: which failed, which arrived twice, and how much later they were answered than in a quiet time, and than
//! while as many containers come and go that no request has to do with.

mod swarm;

use clap::Args;

use super::BenchError;
use super::stage::{Measured, Stage};
use super::table::table;
use crate::traffic::{self, Amount, Phase, Tally, phase};

/// How much later 999 of 1000 requests may be answered during a change than while the same is done to a service that
/// nobody asks, milliseconds.
const AIM_MS: f64 = 100.0;

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Requests of all phases together, at least: the phases are gone through again until there are so many. Once
    /// takes about 100,000 at 400 requests/s; the long form is 1000000.
    #[arg(long, default_value_t = 1)]
    requests: u64,
    /// Requests for each second, whatever becomes of those before.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Seconds that a phase is held at least.
    #[arg(long, default_value_t = 5)]
    hold: u64,
    /// Seconds by which one balancer is late to learn of an upgrade, an upgrade for each.
    #[arg(long, value_delimiter = ',', default_value = "5,15,30")]
    delays: Vec<u64>,
    /// Put the same load on Docker Swarm before, and show both.
    #[arg(long)]
    swarm: bool,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    stage.import_all()?;
    let amount = Amount {
        per_second: arguments.rate,
        requests: arguments.requests,
        phase_s: arguments.hold,
        delays_s: arguments.delays.clone(),
    };
    let mut tell = |line: &str| println!("{line}");
    let swarm = arguments.swarm.then(|| swarm::run(&stage, &amount, &mut tell)).transpose()?;
    let mut cluster = stage.start_cluster()?;
    let tally = traffic::run(&mut cluster, &amount, &mut tell)?;
    print(&tally, arguments.rate);
    if let Some(swarm) = swarm {
        print_beside(&tally, &swarm);
    }
    verdict(&tally)
}

fn verdict(tally: &Tally) -> Result<(), BenchError> {
    let (failed, replays) = (tally.failed(), tally.orders.replays().len());
    if failed == 0 && replays == 0 {
        return Ok(());
    }
    let what = format!("{failed} requests failed, {replays} arrived twice");
    Err(BenchError::Stuck { who: "Drover", what })
}

fn print(tally: &Tally, rate: u32) {
    println!("\n{rate} requests/s:\n\n{}", table(&by_phase(&tally.phases)));
    println!("{}", table(&by_kind(&tally.phases)));
    println!(
        "{} requests, {} failed; {} orders confirmed, {} arrived twice, {} not heard of",
        tally.requests(),
        tally.failed(),
        tally.orders.confirmed(),
        tally.orders.replays().len(),
        tally.orders.unheard()
    );
    for cause in tally.causes() {
        println!("- {cause}");
    }
    for of in [phase::QUIET, phase::ASIDE] {
        let base_ms = of_phase_ms(&tally.phases, of, 999);
        let slow = tally.phases.iter().filter(|p| p.latencies.quantile_ms(999) - base_ms > AIM_MS);
        let slow: Vec<_> = slow.map(|phase| phase.name.as_str()).collect();
        let which = if slow.is_empty() { "none".to_owned() } else { slow.join("; ") };
        println!("p99.9 more than {AIM_MS} ms above \"{of}\": {which}.");
    }
}

/// What both went through.
fn print_beside(drover: &Tally, swarm: &Tally) {
    let head = ["phase", "who", "requests", "failed", "of a million", "p99 ms", "p99.9 ms"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for theirs in &swarm.phases {
        let own = drover.phases.iter().find(|phase| phase.name == theirs.name);
        let both = own.map(|own| ("Drover", own)).into_iter().chain([("Docker Swarm", theirs)]);
        rows.extend(both.map(|(who, phase)| beside(who, phase)));
    }
    println!("{}", table(&rows));
    println!("Docker Swarm, causes:");
    for cause in swarm.causes() {
        println!("- {cause}");
    }
}

fn beside(who: &str, phase: &Phase) -> Vec<String> {
    let ms = |per_mille| format!("{:.1}", phase.latencies.quantile_ms(per_mille));
    let per_million = phase.failed * 1_000_000 / phase.requests().max(1);
    let counts = [phase.requests(), phase.failed, per_million].map(|count| count.to_string());
    let mut row = vec![phase.name.clone(), who.to_owned()];
    row.extend(counts);
    row.extend([ms(990), ms(999)]);
    row
}

fn by_phase(phases: &[Phase]) -> Vec<Vec<String>> {
    let head = [
        "phase",
        "times",
        "s each",
        "requests",
        "failed",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "p99.9 above quiet",
        "above aside",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for phase in phases {
        let ms = |per_mille| phase.latencies.quantile_ms(per_mille);
        let added = [phase::QUIET, phase::ASIDE].map(|of| ms(999) - of_phase_ms(phases, of, 999));
        let times = u32::try_from(phase.times).unwrap_or(u32::MAX).max(1);
        let each = phase.lasted.as_secs_f64() / f64::from(times);
        let mut row = vec![phase.name.clone(), times.to_string(), format!("{each:.1}")];
        row.extend([phase.requests(), phase.failed].map(|count| count.to_string()));
        row.extend([ms(500), ms(990), ms(999)].map(|ms| format!("{ms:.1}")));
        row.extend(added.map(|ms| format!("{ms:+.1}")));
        rows.push(row);
    }
    rows
}

fn of_phase_ms(phases: &[Phase], name: &str, per_mille: u64) -> f64 {
    let phase = phases.iter().find(|phase| phase.name == name);
    phase.map_or(f64::NAN, |phase| phase.latencies.quantile_ms(per_mille))
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
