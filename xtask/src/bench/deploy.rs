//! `bench deploy`: seconds from `up` to all running on three engines, beside the same containers made straight through
//! Docker's API and beside Docker Swarm, taking turns; and what server and agents weigh, idle and loaded.

use clap::Args;

use super::BenchError;
use super::contender::{Contender, Drover, Floor, IMAGE, Swarm, measure};
use crate::cluster::{Cluster, Program};
use crate::docker::Engine;
use crate::testbed::Testbed;
use crate::{checkout, images};

/// The testbed of benchmarks.
const BED: u8 = 3;

/// The command line.
#[derive(Args)]
pub struct Arguments {
    /// Containers to deploy, in turn.
    #[arg(long, value_delimiter = ',', default_value = "30,100,300")]
    counts: Vec<usize>,
    /// Times each is done.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let outcome = on_bed(arguments);
    Testbed::down(BED)?;
    outcome
}

fn on_bed(arguments: &Arguments) -> Result<(), BenchError> {
    let drover = checkout::build("--release -p drover --bin drover")?;
    let program = images::build_program()?;
    let bed = Testbed::up(BED, 3, true)?;
    let engines: Vec<Engine> = bed.hosts.iter().map(|h| Engine::at(&h.socket)).collect();
    for engine in &engines {
        images::import_sleeper_as(engine, &program, IMAGE)?;
    }
    let swarm = Swarm::new(&bed, &engines);
    let cluster = Cluster::start(bed, &drover)?;
    print_memory(&cluster, "idle");

    let mut floor = Floor::new(&engines, 1);
    floor.at_a_time = best_parallelism(&mut floor, &engines)?;
    println!("Docker's API: {} requests at a time on each engine are fastest", floor.at_a_time);
    let folder = tempfile::tempdir().map_err(BenchError::Files)?;
    let mut drover = Drover { cluster: &cluster, folder };
    let mut contenders: Vec<&mut dyn Contender> = vec![&mut floor, &mut drover];
    let mut swarm = swarm.inspect_err(|error| println!("Docker Swarm doesn't run here: {error}"));
    if let Ok(swarm) = &mut swarm {
        contenders.push(swarm);
    }
    for &count in &arguments.counts {
        compare(&mut contenders, &engines, count, arguments.rounds)?;
    }
    print_memory(&cluster, "after all that");
    Ok(())
}

/// Let the contenders take turns, print the best of each and its ratio to the first.
fn compare(
    contenders: &mut [&mut dyn Contender],
    engines: &[Engine],
    count: usize,
    rounds: usize,
) -> Result<(), BenchError> {
    let mut best = vec![f64::MAX; contenders.len()];
    for _ in 0..rounds {
        for (contender, best) in contenders.iter_mut().zip(&mut best) {
            *best = best.min(measure(*contender, engines, count)?.as_secs_f64());
        }
    }
    println!("{count} containers, best of {rounds}:");
    for (contender, seconds) in contenders.iter().zip(&best) {
        let ratio = seconds / best[0];
        println!("  {:<14} {seconds:6.1} s  {ratio:.2} × the floor", contender.name());
    }
    Ok(())
}

/// The number of requests at a time with which Docker's API is fastest here.
fn best_parallelism(floor: &mut Floor, engines: &[Engine]) -> Result<usize, BenchError> {
    let mut best = (f64::MAX, 1);
    for at_a_time in [1, 2, 4, 8] {
        floor.at_a_time = at_a_time;
        let seconds = measure(floor, engines, 30)?.as_secs_f64();
        if seconds < best.0 {
            best = (seconds, at_a_time);
        }
    }
    Ok(best.1)
}

fn print_memory(cluster: &Cluster, when: &str) {
    let memory = |program: Option<&Program>| match program.and_then(Program::memory_kb) {
        Some(kilobytes) => format!("{} MB", kilobytes / 1024),
        None => "?".to_owned(),
    };
    let agents: Vec<String> =
        cluster.host_numbers().into_iter().map(|host| memory(cluster.agent(host))).collect();
    println!("resident, {when}: server {}, agents {}", memory(cluster.server()), agents.join(", "));
}
