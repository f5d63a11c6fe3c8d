//! Asking with dnsperf and reading what it says.

use std::path::Path;

use super::super::BenchError;
use super::super::pinned::{OTHERS, on_core, processor_time_s};
use super::server::Server;
use crate::command;

/// What came of asking for some seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) per_second: f64,
    /// The same for each second of the name service's own processor time.
    pub(super) per_core_second: f64,
    /// Of all answers; not a number where they were not looked at one by one.
    pub(super) p99_ms: f64,
}

/// Ask all names over and over: as fast as they are answered, or at a pace.
pub(super) fn ask(
    server: &Server,
    questions: &Path,
    seconds: u32,
    pace: Option<u32>,
) -> Result<Answers, BenchError> {
    // At a pace every answer is told with its time; at the limit that would cost who asks too much.
    let pace = pace.map(|pace| format!("-Q {pace} -v")).unwrap_or_default();
    let line = format!(
        "dnsperf -s 127.0.0.1 -p {} -d {} -l {seconds} -c 16 -T 1 -q 100 {pace}",
        server.port,
        questions.display()
    );
    let before_s = processor_time_s(&server.program).unwrap_or_default();
    let done = command::output(&mut on_core(OTHERS, &line))?;
    let busy_s = processor_time_s(&server.program).unwrap_or_default() - before_s;
    let said = String::from_utf8_lossy(&done.stdout);
    let stuck = |what: String| BenchError::Stuck { who: server.name, what };
    if let Some(other) = not_found(&said) {
        return Err(stuck(format!("a name was not found: {other}")));
    }
    read(&said, f64::from(seconds) / busy_s)
        .ok_or_else(|| stuck(format!("what dnsperf says can't be read:\n{said}")))
}

/// A line that tells of other answers than addresses.
fn not_found(said: &str) -> Option<&str> {
    let codes = said.lines().find(|line| line.trim().starts_with("Response codes:"))?;
    (codes.contains("NXDOMAIN") || codes.contains("REFUSED") || codes.contains("SERVFAIL"))
        .then_some(codes)
}

/// `idle` is how much longer it took than the name service was busy.
fn read(said: &str, idle: f64) -> Option<Answers> {
    let rate = said.lines().find_map(|line| line.trim().strip_prefix("Queries per second:"))?;
    let per_second: f64 = rate.trim().parse().ok()?;
    let took = said.lines().filter(|line| line.starts_with("> "));
    let mut took_s: Vec<f64> =
        took.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    took_s.sort_by(f64::total_cmp);
    let p99_ms = took_s.get(took_s.len() * 99 / 100).map_or(f64::NAN, |s| s * 1_000.0);
    Some(Answers { per_second, per_core_second: per_second * idle, p99_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dnsperf_says_is_read() {
        let end = "Statistics:\n\n  Response codes:       NOERROR 3 (100.00%)\n  Queries per second:   1234.500000\n";
        let told = format!("> NOERROR a.b A 0.000100\n> NOERROR c.d A 0.002000\n{end}");
        let answers = Answers { per_second: 1234.5, per_core_second: 2469.0, p99_ms: 2.0 };
        assert_eq!(read(&told, 2.0), Some(answers));
        assert_eq!(not_found(&told), None);
        assert!(read(end, 1.0).unwrap().p99_ms.is_nan());
        let other = "  Response codes:       NOERROR 3 (99.00%), NXDOMAIN 1 (1.00%)\n";
        assert_eq!(not_found(other), Some(other.trim_end()));
    }
}
