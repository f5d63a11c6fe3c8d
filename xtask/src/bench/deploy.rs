//! `bench deploy`: seconds from `up` to all running on three engines, beside the same containers made straight through
//! Docker's API and beside Docker Swarm, taking turns; and where Drover's share of the time goes.

use std::time::SystemTime;

use clap::Args;

use super::BenchError;
use super::clone::create_body;
use super::contender::{Contender, Run, measure};
use super::floor::Floor;
use super::product::{Drover, Look, specimen};
use super::stage::{IMAGE, Measured, Stage};
use super::swarm::Swarm;
use super::table::{Spread, table};
use super::watch::Watch;

/// Requests at a time on each engine that are tried, and with how many containers.
const LANES: [usize; 5] = [1, 2, 4, 8, 16];
const LANES_COUNT: usize = 60;

/// A moment of a run that says where its time went.
type Phase = (&'static str, fn(&Run) -> SystemTime);

const PHASES: [Phase; 5] = [
    ("first created", |run| run.marks.made.first()),
    ("last created", |run| run.marks.made.last()),
    ("first running", |run| run.marks.up.first()),
    ("last running", |run| run.marks.up.last()),
    ("answered", |run| run.answered_at),
];

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Containers to deploy, in turn.
    #[arg(long, value_delimiter = ',', default_value = "30,100,300")]
    counts: Vec<usize>,
    /// Times each is done.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Requests at a time on each engine for the floor; found out if left out.
    #[arg(long)]
    lanes: Option<usize>,
    /// Leave Docker Swarm out.
    #[arg(long)]
    no_swarm: bool,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    let engines = stage.engines.clone();
    let mut watch = Watch::new(&stage.sockets(), IMAGE)?;
    let mut swarm = if arguments.no_swarm { None } else { swarm(&stage) };
    let cluster = stage.start_cluster()?;
    let mut drover = Drover::new(&cluster)?;
    let mut floor = Floor::new(&engines, create_body(&specimen(&mut drover)?));
    measure(&mut drover, &mut watch, engines.len())?;
    floor.at_a_time = match arguments.lanes {
        Some(lanes) => lanes,
        None => best_parallelism(&mut floor, &mut watch)?,
    };
    println!("Floor: {} requests at a time on each engine.", floor.at_a_time);
    for &count in &arguments.counts {
        drover.looks.clear();
        let mut contenders: Vec<&mut dyn Contender> = vec![&mut floor, &mut drover];
        contenders.extend(swarm.as_mut().map(|swarm| swarm as &mut dyn Contender));
        let runs = take_turns(&mut contenders, &mut watch, count, arguments.rounds)?;
        print_comparison(&contenders, &runs, count);
        print_phases(&contenders, &runs);
        print_inside(&runs[1], &drover.looks);
    }
    Ok(())
}

fn swarm(stage: &Stage) -> Option<Swarm> {
    let swarm = Swarm::new(&stage.bed, &stage.engines);
    swarm.inspect_err(|error| println!("Docker Swarm doesn't run here: {error}")).ok()
}

/// The runs of each contender.
fn take_turns(
    contenders: &mut [&mut dyn Contender],
    watch: &mut Watch,
    count: usize,
    rounds: u8,
) -> Result<Vec<Vec<Run>>, BenchError> {
    let mut runs = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, runs) in contenders.iter_mut().zip(&mut runs) {
            runs.push(measure(*contender, watch, count)?);
        }
    }
    Ok(runs)
}

/// Each contender beside the first, whose turn in the same round is the measure.
fn print_comparison(contenders: &[&mut dyn Contender], runs: &[Vec<Run>], count: usize) {
    let head = [&format!("{count} containers"), "× the floor", "seconds"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for (contender, own) in contenders.iter().zip(runs) {
        let ratios = own.iter().zip(&runs[0]).map(|(own, floor)| own.seconds() / floor.seconds());
        rows.push(vec![
            contender.name().to_owned(),
            Spread::of(ratios).to_string(),
            Spread::of(own.iter().map(Run::seconds)).to_string(),
        ]);
    }
    println!("\nLeast / middle / greatest of {}:\n\n{}", runs[0].len(), table(&rows));
}

/// Where the time goes, in seconds since the asking.
fn print_phases(contenders: &[&mut dyn Contender], runs: &[Vec<Run>]) {
    let head = std::iter::once("middle, seconds").chain(PHASES.map(|(name, _)| name));
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for (contender, own) in contenders.iter().zip(runs) {
        let until = PHASES.map(|(_, mark)| Spread::of(own.iter().map(|run| run.until(mark(run)))));
        let until = until.iter().map(|spread| format!("{:.2}", spread.middle()));
        rows.push(std::iter::once(contender.name().to_owned()).chain(until).collect());
    }
    println!("{}", table(&rows));
}

fn print_inside(runs: &[Run], looks: &[Look]) {
    let planned = runs.iter().zip(looks).map(|(run, look)| run.until(look.planned_at));
    let planned = Spread::of(planned).middle();
    let busy = Spread::of(looks.iter().map(|look| look.busy_s)).middle();
    println!(
        "Drover: planned after {planned:.2} s; its server and agents took {busy:.2} s of processor time (middle)."
    );
}

/// The number of requests at a time with which Docker's API is fastest here.
fn best_parallelism(floor: &mut Floor, watch: &mut Watch) -> Result<usize, BenchError> {
    let mut best = (f64::MAX, 1);
    let mut row = Vec::new();
    for at_a_time in LANES {
        floor.at_a_time = at_a_time;
        let seconds = measure(floor, watch, LANES_COUNT)?.seconds();
        row.push(format!("{at_a_time} at a time {seconds:.2} s"));
        if seconds < best.0 {
            best = (seconds, at_a_time);
        }
    }
    println!("{LANES_COUNT} containers through Docker's API: {}.", row.join(", "));
    Ok(best.1)
}
