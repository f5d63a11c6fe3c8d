//! Asking as fast as a proxy answers, with wrk and h2load, and reading what they say. Each connection has one request
//! under way at a time, so that a number of connections is the same load in HTTP/1.1 and HTTP/2.

use std::path::Path;

use super::super::pinned::{OTHERS, on_core};
use super::super::{BenchError, io};
use crate::command;

/// What is spoken between clients and proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Plain,
    Tls,
    Two,
}

/// What came of one load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
    /// Requests that were not answered with 200.
    pub(super) failures: u64,
}

impl Spoken {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Two];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "HTTP/1.1",
            Self::Tls => "HTTP/1.1 over TLS",
            Self::Two => "HTTP/2 over TLS",
        }
    }
}

/// Ask for so many seconds.
pub(super) fn press(
    spoken: Spoken,
    port: u16,
    connections: u32,
    seconds: u32,
    folder: &Path,
) -> Result<Load, BenchError> {
    let scheme = if spoken == Spoken::Plain { "http" } else { "https" };
    let url = format!("{scheme}://127.0.0.1:{port}/");
    let common = format!("-t 1 -c {connections}");
    if spoken != Spoken::Two {
        let line = format!("wrk --latency {common} -d {seconds}s --timeout 10s {url}");
        let said = asked(&line)?;
        return wrk(&said).ok_or_else(|| unread("wrk", &said));
    }
    let log = folder.join("requests");
    let _ = std::fs::remove_file(&log);
    let line = format!("h2load {common} -m 1 -D {seconds} --log-file={} {url}", log.display());
    let said = asked(&line)?;
    let requests = std::fs::read_to_string(&log).map_err(io("read what h2load wrote"))?;
    h2load(&said, &requests).ok_or_else(|| unread("h2load", &said))
}

fn asked(line: &str) -> Result<String, BenchError> {
    let done = command::output(&mut on_core(OTHERS, line))?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn unread(who: &'static str, said: &str) -> BenchError {
    BenchError::Stuck { who, what: format!("what it says can't be read:\n{said}") }
}

fn wrk(said: &str) -> Option<Load> {
    let after = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name));
    let sum = |text: &str| {
        let numbers = text.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
        numbers.sum::<u64>()
    };
    let refused = after("Non-2xx or 3xx responses:").map(sum).unwrap_or_default();
    let broken = after("Socket errors:").map(sum).unwrap_or_default();
    Some(Load {
        per_second: after("Requests/sec:")?.trim().parse().ok()?,
        p99_ms: milliseconds(after("99%")?.trim())?,
        failures: refused + broken,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let number = |unit| text.strip_suffix(unit)?.parse::<f64>().ok();
    let seconds = || number("s").map(|seconds| seconds * 1_000.0);
    number("us").map(|us| us / 1_000.0).or_else(|| number("ms")).or_else(seconds)
}

fn h2load(said: &str, requests: &str) -> Option<Load> {
    let finished = said.lines().find(|line| line.starts_with("finished in "))?;
    let per_second = finished.split(", ").find_map(|part| part.strip_suffix(" req/s"))?;
    let codes = said.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let of = |kind: &str| {
        let part = codes.split(", ").find_map(|part| part.strip_suffix(kind));
        part.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    // Columns: when it began, its status, microseconds until its end.
    let took = requests.lines().filter_map(|line| line.split('\t').nth(2)?.parse::<u32>().ok());
    let mut took_us: Vec<u32> = took.collect();
    took_us.sort_unstable();
    let p99_us = *took_us.get(took_us.len().checked_mul(99)? / 100)?;
    Some(Load {
        per_second: per_second.parse().ok()?,
        p99_ms: f64::from(p99_us) / 1_000.0,
        failures: of(" failed") + of(" errored") + of(" timeout"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "  Latency Distribution\n     50%    1.09ms\n     99%  870.00us\n  16 requests in 2s\n  \
            Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 4\n\
            Requests/sec:  58109.32\nTransfer/sec:      7.98MB\n";
        let load = Load { per_second: 58_109.32, p99_ms: 0.87, failures: 7 };
        assert_eq!(wrk(said), Some(load));
        assert_eq!(wrk("unable to connect to 127.0.0.1:1"), None);
        assert_eq!(milliseconds("1.20s"), Some(1_200.0));
    }

    #[test]
    fn what_h2load_says_is_read() {
        let said = "finished in 2.01s, 1234.50 req/s, 1.2MB/s\nrequests: 99 total, 99 started, 98 done, 97 \
            succeeded, 1 failed, 1 errored, 0 timeout\n";
        let load = Load { per_second: 1234.5, p99_ms: 3.0, failures: 2 };
        let log = "17\t200\t1000\n17\t200\t3000\n17\t200\t2000\n";
        assert_eq!(h2load(said, log), Some(load));
        assert_eq!(h2load(said, ""), None);
    }
}
