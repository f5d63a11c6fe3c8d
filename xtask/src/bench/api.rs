//! `bench api`: what a server of many hosts and containers takes for the requests that clients make, for a change to reach
//! those who follow it, for an `up` that changes nothing, and how much memory it needs. Hosts are simulated: the real agent and
//! protocol, over engines in memory.
//!
//! Hosts share the machine with the server, so that theirs is part of every number; `/ping`, asked in turns with all else,
//! says how much of it is HTTP and the machine.

mod client;
mod fill;
mod follow;
mod kinds;
mod rounds;
mod stand;
mod up;
mod weight;

use std::path::Path;

use clap::Args;

use self::follow::Followed;
use self::kinds::Targets;
use self::rounds::{Rounds, Size};
use self::stand::Stand;
use self::up::Up;
use self::weight::Weight;
use super::stage::Measured;
use super::table::{Spread, percentile, table};
use super::{BenchError, alone, io};

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Hosts.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    hosts: u32,
    /// Containers, in stacks of 50.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    containers: u32,
    /// Projects that hosts and containers are spread over [default: one for each hundred hosts]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    projects: Option<u32>,
    /// Clients that ask at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    clients: u8,
    /// Times all is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Requests of a kind that each client makes in a round.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..))]
    asks: u8,
    /// Who follows the events of one project.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..))]
    subscribers: u8,
    /// Seconds that the hosts, and then the containers, may take to be there.
    #[arg(long, default_value_t = 900)]
    patience: u64,
    #[command(flatten)]
    measured: Measured,
}

impl Arguments {
    fn projects(&self) -> u32 {
        self.projects.unwrap_or_else(|| self.hosts.div_ceil(100)).min(self.hosts)
    }
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let program = arguments.measured.program()?;
    let all = arguments.clone();
    alone(move || measure(&all, &program))
}

fn measure(arguments: &Arguments, program: &Path) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(io("make a folder for server and hosts"))?;
    let mut stand = Stand::start(program, folder.path(), arguments.projects())?;
    let mut weights = vec![Weight::of("empty", &stand, 0.0)];
    let took = stand.add_hosts(arguments.hosts, arguments.patience)?;
    weights.push(Weight::of("hosts", &stand, took));
    let (count, took) = fill::fill(&mut stand, arguments.containers, arguments.patience)?;
    weights.push(Weight::of("and containers", &stand, took));
    let lost_before = stand.connections_lost();
    let targets = Targets::choose(&stand)?;
    let up = Up::make(&stand)?;
    let size = Size { clients: arguments.clients, asks: arguments.asks };
    let mut rounds = Rounds::default();
    let mut followed = Followed::default();
    let mut ups = Vec::new();
    for _ in 0..arguments.rounds {
        rounds.add(&stand, &targets, size)?;
        followed.add(&stand, &targets, arguments.subscribers)?;
        ups.push(up.play(&stand)?);
    }
    let lost = stand.connections_lost() - lost_before;
    weights.push(Weight::of("and requests", &stand, 0.0));
    println!(
        "\n{} hosts, {count} containers, {} projects; {} clients, {} rounds; connections to agents lost before: {lost_before}, \
         while it was measured: {lost}\n",
        arguments.hosts,
        arguments.projects(),
        arguments.clients,
        arguments.rounds
    );
    println!("{}", table(&rounds.rows()));
    println!("{}", table(&events(&followed, arguments, &ups)));
    println!("{}", table(&Weight::rows(&weights)));
    Ok(())
}

/// What is not a single request: a change until all who follow have it, and an `up`.
fn events(followed: &Followed, arguments: &Arguments, ups: &[f64]) -> Vec<Vec<String>> {
    let mut rows =
        vec![["ms", "times", "least / middle / greatest", "p99"].map(str::to_owned).to_vec()];
    let mut add = |name: String, numbers: &[f64]| {
        let spread = Spread::of(numbers.iter().copied()).to_string();
        let p99 = format!("{:.2}", percentile(numbers, 99));
        rows.push(vec![name, numbers.len().to_string(), spread, p99]);
    };
    add("a change until it is answered".to_owned(), &followed.answered);
    add("until the first subscriber has it".to_owned(), &followed.first);
    add(format!("until all {} have it", arguments.subscribers), &followed.last);
    add(format!("`up` without a change, {} requests", up::REQUESTS), ups);
    rows
}
