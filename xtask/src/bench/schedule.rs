//! `bench schedule`: how many units a plan places in a second and how long one changed service takes to plan, in clusters
//! of several sizes, beside a plain scan of everything. What is measured is an example of `core`; here its numbers are
//! put together.

use std::collections::BTreeMap;
use std::process::Command;

use clap::Args;

use super::table::{Spread, table};
use super::{BenchError, alone};
use crate::checkout;
use crate::command;

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Times each is done.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
}

/// The numbers of all rounds, by what was measured.
#[derive(Default)]
struct Scores(BTreeMap<String, Vec<f64>>);

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let program = checkout::build("--release --package drover-core --example schedule")?;
    let rounds = arguments.rounds;
    alone(move || {
        let said = command::output(Command::new(program).arg(rounds.to_string()))?.stdout;
        let scores = Scores::read(&String::from_utf8_lossy(&said));
        println!("\nLeast / middle / greatest of {rounds}:\n");
        println!("{}", table(&placements(&scores)));
        println!("{}", table(&plans(&scores)));
        Ok(())
    })
}

fn placements(scores: &Scores) -> Vec<Vec<String>> {
    let head = ["1,000 hosts, 100,000 containers", "placements/s", "× the plain scan"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for labels in ["without labels", "with labels"] {
        let scan = format!("scan, {labels}");
        let of = [
            (format!("placements, {labels}"), "500 services of 4"),
            (format!("one service, {labels}"), "one service of 300"),
            (scan.clone(), "plain scan"),
        ];
        for (name, words) in of {
            rows.push(vec![
                format!("{words}, {labels}"),
                scores.spread(&name),
                scores.ratio(&name, &scan),
            ]);
        }
    }
    rows
}

fn plans(scores: &Scores) -> Vec<Vec<String>> {
    let sizes = ["small", "sparse", "large"];
    let head = [
        "µs to plan one service",
        "10 hosts, 1,000 containers",
        "1,000 hosts, 1,000",
        "1,000 hosts, 100,000",
        "× 10 and 1,000",
        "× 1,000 and 1,000",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for step in ["scale up", "scale down", "upgrade", "scan of one"] {
        let [small, sparse, large] = sizes.map(|size| format!("{step}, {size}"));
        let words = if step == "scan of one" { "plain scan for one unit" } else { step };
        let mut row = vec![words.to_owned()];
        row.extend([&small, &sparse, &large].map(|name| scores.spread(name)));
        row.extend([&small, &sparse].map(|name| scores.ratio(&large, name)));
        rows.push(row);
    }
    rows
}

impl Scores {
    /// From lines of a name, a tab and a number.
    fn read(said: &str) -> Self {
        let mut scores = Self::default();
        for (name, number) in said.lines().filter_map(|line| line.split_once('\t')) {
            let Ok(number) = number.parse() else { continue };
            scores.0.entry(name.to_owned()).or_default().push(number);
        }
        scores
    }

    fn of(&self, name: &str) -> &[f64] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn spread(&self, name: &str) -> String {
        Spread::of(self.of(name).iter().copied()).to_string()
    }

    /// Of numbers of the same round.
    fn ratio(&self, name: &str, to: &str) -> String {
        let both = self.of(name).iter().zip(self.of(to));
        Spread::of(both.map(|(own, other)| own / other)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_round_are_compared() {
        let scores = Scores::read("a\t2\nb\t1\nnoise\na\t9\nb\t3\n");
        assert_eq!(scores.spread("a"), "2.00 / 5.50 / 9.00");
        assert_eq!(scores.ratio("a", "b"), "2.00 / 2.50 / 3.00");
    }
}
