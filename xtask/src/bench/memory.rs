//! `bench memory`: what server and agents weigh, idle and with containers to look after, as the kernel counts it.

use std::time::Duration;

use clap::Args;

use super::contender::Contender;
use super::product::Drover;
use super::stage::{Measured, Stage};
use super::table::table;
use super::{BenchError, io};
use crate::cluster::{Cluster, Program};

/// After a change, so that what is only needed for a moment is given back.
const REST: Duration = Duration::from_secs(10);

/// The command line.
#[derive(Args, Clone)]
pub struct Arguments {
    /// Containers to look after.
    #[arg(long, default_value_t = 300)]
    count: usize,
    #[command(flatten)]
    measured: Measured,
}

/// Run it.
pub(super) fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let all = arguments.clone();
    arguments.measured.on_hosts(move |stage| on_stage(&all, stage))
}

fn on_stage(arguments: &Arguments, stage: Stage) -> Result<(), BenchError> {
    let cluster = stage.start_cluster()?;
    let head = ["MB resident (proportional)", "server", "agents"].map(str::to_owned);
    let mut rows = vec![head.to_vec(), weigh(&cluster, "idle")?];
    let mut drover = Drover::new(&cluster)?;
    drover.deploy(arguments.count)?;
    rows.push(weigh(&cluster, &format!("with {} containers", arguments.count))?);
    drover.remove()?;
    rows.push(weigh(&cluster, "after their removal")?);
    println!("\n{}", table(&rows));
    Ok(())
}

/// A row: what each program holds at rest.
fn weigh(cluster: &Cluster, when: &str) -> Result<Vec<String>, BenchError> {
    std::thread::sleep(REST);
    let server = cluster.server().map(weight).transpose()?.unwrap_or_default();
    let agents = cluster.host_numbers().into_iter().filter_map(|host| cluster.agent(host));
    let agents = agents.map(weight).collect::<Result<Vec<_>, _>>()?;
    Ok(vec![when.to_owned(), server, agents.join(", ")])
}

/// Resident set, and the share of it that is left when memory used together is divided by its users.
fn weight(program: &Program) -> Result<String, BenchError> {
    let path = format!("/proc/{}/smaps_rollup", program.id());
    let counted = std::fs::read_to_string(&path).map_err(io(format!("read {path}")))?;
    let megabytes = |name| kilobytes(&counted, name).unwrap_or_default() / 1024.0;
    Ok(format!("{:.1} ({:.1})", megabytes("Rss:"), megabytes("Pss:")))
}

fn kilobytes(counted: &str, name: &str) -> Option<f64> {
    let line = counted.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_read() {
        let counted = "5500-7ffe [rollup]\nRss:  9216 kB\nPss:   512 kB\nPss_Dirty: 4 kB\n";
        assert_eq!(kilobytes(counted, "Rss:"), Some(9216.0));
        assert_eq!(kilobytes(counted, "Pss:"), Some(512.0));
        assert_eq!(kilobytes(counted, "Swap:"), None);
    }
}
