//! `bench changes`: how soon a change holds. First one balancer under load, whose configuration is replaced thousands of
//! times: what fails, and how long until a change is acknowledged. Then three hosts: how long from a healthy container
//! to its first answer through the balancer, and from a request for fewer to a name that is gone on every host.

mod cluster;
mod names;
mod service;
mod storm;

use std::time::Duration;

use clap::Args;

use self::storm::Outcome;
use super::stage::Measured;
use super::table::table;
use super::{BenchError, alone};

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Changes of one balancer's configuration under load.
    #[arg(long, default_value_t = 10_000)]
    changes: u32,
    /// Times a service is scaled up and down on three hosts.
    #[arg(long, default_value_t = 30)]
    scalings: u32,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let program = arguments.measured.program()?;
    let changes = arguments.changes;
    if changes > 0 {
        alone(move || storm::weather(&program, changes).and_then(|outcome| tell(&outcome)))?;
    }
    let scalings = arguments.scalings;
    if scalings > 0 {
        arguments.measured.on_hosts(move |stage| {
            let times = cluster::scale(stage, scalings)?;
            println!("\nFrom … to …, on three hosts, {scalings} times:\n\n{}", times_table(&times));
            Ok(())
        })?;
    }
    Ok(())
}

fn tell(outcome: &Outcome) -> Result<(), BenchError> {
    let Outcome { acknowledged, requests, conversations, failed } = outcome;
    println!(
        "{} changes: {requests} requests on kept connections and {conversations} conversations, {} failed\n",
        acknowledged.len(),
        failed.len()
    );
    println!("{}", times_table(&[("file replaced → acknowledged", acknowledged.clone())]));
    match failed.first() {
        None => Ok(()),
        Some(first) => {
            let what = format!("{} failed; the first: {first}", failed.len());
            Err(BenchError::Stuck { who: "Drover", what })
        }
    }
}

/// What is timed, and its times.
type Times = (&'static str, Vec<Duration>);

fn times_table(all: &[Times]) -> String {
    let head = ["", "p50 ms", "p99 ms", "longest ms"].map(str::to_owned);
    let rows = all.iter().map(|(name, times)| {
        let ms = [500, 990, 1_000].map(|per_mille| percentile_ms(times, per_mille));
        let ms = ms.map(|ms| format!("{ms:.1}"));
        [(*name).to_owned()].into_iter().chain(ms).collect()
    });
    table(&std::iter::once(head.to_vec()).chain(rows).collect::<Vec<_>>())
}

/// The time that so many of a thousand don't exceed.
fn percentile_ms(times: &[Duration], per_mille: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * per_mille / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        let at = [0, 500, 990, 1_000].map(|per_mille| percentile_ms(&times, per_mille));
        assert_eq!(at.map(|ms| ms.round().to_string()), ["1", "51", "100", "100"]);
        assert!(percentile_ms(&[], 500).is_nan());
    }
}
