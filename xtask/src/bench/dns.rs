//! `bench dns`: `drover discovery` with a project of many services, beside dnsmasq and Unbound with the same names,
//! taking turns: questions answered in a second, and how long one takes at a steady pace. Each name service has one
//! core, who asks has another.

mod ask;
mod server;

use std::path::Path;

use clap::Args;

use self::ask::{Answers, ask};
use self::server::{Server, dnsmasq, drover, unbound};
use super::pinned;
use super::stage::Measured;
use super::table::{Spread, table};
use super::{BenchError, alone, io};
use crate::packages::{self, Needed};

/// The others, and who asks.
const NEEDED: [Needed; 3] =
    [("dnsmasq", "dnsmasq-base"), ("unbound", "unbound"), ("dnsperf", "dnsperf")];

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Services with a name and an address each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    names: u16,
    /// Questions a second at which the time of an answer is taken.
    #[arg(long, default_value_t = 20_000)]
    pace: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Times each is done.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    #[command(flatten)]
    measured: Measured,
}

/// What one name service did in all rounds.
#[derive(Default)]
struct Score {
    most: Vec<Answers>,
    steady: Vec<Answers>,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    packages::provide(&pinned::NEEDED)?;
    packages::provide(&NEEDED)?;
    let program = arguments.measured.program()?;
    let all = arguments.clone();
    alone(move || compare(&all, &program))
}

fn compare(arguments: &Arguments, program: &Path) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(io("make a folder for the name services"))?;
    let at = folder.path();
    let names = server::names(arguments.names);
    let questions = at.join("questions");
    let lines: Vec<_> = names.iter().map(|(name, _)| format!("{name} A\n")).collect();
    std::fs::write(&questions, lines.concat()).map_err(io("write the questions"))?;
    let servers = [dnsmasq(at, &names)?, drover(at, program, &names)?, unbound(at, &names)?];
    let mut scores = [(); 3].map(|()| Score::default());
    for _ in 0..arguments.rounds {
        for (server, score) in servers.iter().zip(&mut scores) {
            score.most.push(ask(server, &questions, arguments.seconds, None)?);
            score.steady.push(ask(server, &questions, arguments.seconds, Some(arguments.pace))?);
        }
    }
    print(arguments, &servers, &scores);
    Ok(())
}

/// Each beside the one whose turn in the same round is the measure: the first.
fn print(arguments: &Arguments, servers: &[Server], scores: &[Score]) {
    let head = [
        format!("{} names", arguments.names),
        format!("× {} per core", servers[0].name),
        format!("× {}", servers[0].name),
        "answers/s".to_owned(),
        format!("p99 ms at {}/s", arguments.pace),
    ];
    let mut rows = vec![head.to_vec()];
    for (server, score) in servers.iter().zip(scores) {
        let beside = |of: fn(&Answers) -> f64| {
            let both = score.most.iter().zip(&scores[0].most);
            Spread::of(both.map(|(own, other)| of(own) / of(other))).to_string()
        };
        rows.push(vec![
            server.name.to_owned(),
            beside(|answers| answers.per_core_second),
            beside(|answers| answers.per_second),
            Spread::of(score.most.iter().map(|answers| answers.per_second)).to_string(),
            Spread::of(score.steady.iter().map(|answers| answers.p99_ms)).to_string(),
        ]);
    }
    let rounds = arguments.rounds;
    println!("\nLeast / middle / greatest of {rounds}:\n\n{}", table(&rows));
}
