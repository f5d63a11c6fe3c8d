//! What server and hosts weigh, as the kernel counts it, and the processor time they have taken.

use super::stand::Stand;
use crate::bench::pinned::processor_time_s;
use crate::cluster::Program;

/// One look.
pub(super) struct Weight {
    when: &'static str,
    took_s: f64,
    server_mb: f64,
    server_s: f64,
    hosts_mb: f64,
    hosts_s: f64,
}

impl Weight {
    /// Look, after something that took so many seconds.
    pub(super) fn of(when: &'static str, stand: &Stand, took_s: f64) -> Self {
        let sum = |of: fn(&Program) -> Option<f64>| {
            stand.hosts.iter().filter_map(of).fold(0.0, |sum, one| sum + one)
        };
        let server = &stand.solo.server;
        Self {
            when,
            took_s,
            server_mb: resident_mb(server).unwrap_or_default(),
            server_s: processor_time_s(server).unwrap_or_default(),
            hosts_mb: sum(resident_mb),
            hosts_s: sum(processor_time_s),
        }
    }

    /// A row for each look.
    pub(super) fn rows(looks: &[Self]) -> Vec<Vec<String>> {
        let head = ["with", "after s", "server MB", "its CPU s", "hosts MB", "their CPU s"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(looks.iter().map(|look| {
            let numbers = [look.took_s, look.server_mb, look.server_s, look.hosts_mb, look.hosts_s];
            let numbers = numbers.map(|number| format!("{number:.0}"));
            [look.when.to_owned()].into_iter().chain(numbers).collect()
        }));
        rows
    }
}

fn resident_mb(program: &Program) -> Option<f64> {
    let said = std::fs::read_to_string(format!("/proc/{}/status", program.id())).ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb / 1024.0)
}
