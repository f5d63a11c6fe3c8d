//! Health checks: what users ask for, what an answer means, and what a row of results comes to. Whoever checks (the
//! agent of a unit's host, a balancer) reads the rules from here.
//!
//! Not who is replaced for it: that is the planner's, see `plan/heal.rs`.

use serde::{Deserialize, Serialize};

/// Rancher's health check, probed over the network. Times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// Port probed.
    pub port: u16,
    /// `GET /path HTTP/1.0`; `None` is a TCP connect.
    pub request_line: Option<String>,
    /// Between probes.
    pub interval_ms: Option<u64>,
    /// Before a probe counts as failed.
    pub response_timeout_ms: Option<u64>,
    /// Passes that make it healthy.
    pub healthy_threshold: Option<u32>,
    /// Failures that make it unhealthy.
    pub unhealthy_threshold: Option<u32>,
    /// How long a new container may take to become healthy.
    pub initializing_timeout_ms: Option<u64>,
    /// How long a restarted one may take.
    pub reinitializing_timeout_ms: Option<u64>,
    /// What to do with an unhealthy unit.
    pub strategy: HealthStrategy,
    /// For [`HealthStrategy::RecreateOnQuorum`]: healthy units that must remain.
    pub quorum: Option<u32>,
}

/// What happens to an unhealthy unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStrategy {
    /// Mark it only.
    None,
    /// Replace it.
    #[default]
    Recreate,
    /// Replace it while enough others are healthy.
    RecreateOnQuorum,
}

/// Docker's HEALTHCHECK. Times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerHealth {
    /// `["CMD", …]`, `["CMD-SHELL", line]` or `["NONE"]`.
    pub test: Vec<String>,
    /// Between checks.
    pub interval_ms: Option<u64>,
    /// Before a check counts as failed.
    pub timeout_ms: Option<u64>,
    /// Failures that make it unhealthy.
    pub retries: Option<u32>,
    /// Grace at start in which failures don't count.
    pub start_period_ms: Option<u64>,
}

/// Rancher's values where users give none.
const INTERVAL_MS: u64 = 2_000;
const TIMEOUT_MS: u64 = 2_000;
const RISE: u32 = 2;
const FALL: u32 = 3;
/// No check is made more often.
const LEAST_INTERVAL_MS: u64 = 100;

impl HealthCheck {
    /// Milliseconds between checks.
    pub fn interval_ms(&self) -> u64 {
        self.interval_ms.unwrap_or(INTERVAL_MS).max(LEAST_INTERVAL_MS)
    }

    /// Milliseconds a check may take, connecting included.
    pub fn timeout_ms(&self) -> u64 {
        self.response_timeout_ms.unwrap_or(TIMEOUT_MS).max(1)
    }

    /// Passes in a row that make it healthy.
    pub fn rise(&self) -> u32 {
        self.healthy_threshold.unwrap_or(RISE)
    }

    /// Failures in a row that make it unhealthy.
    pub fn fall(&self) -> u32 {
        self.unhealthy_threshold.unwrap_or(FALL)
    }

    /// What is sent once connected, up to the end of the head; `None` if to be connected is all.
    ///
    /// As HAProxy takes it: users may write `\r\n` and headers behind the line; the protocol may be left out.
    pub fn request(&self) -> Option<String> {
        let line = self.request_line.as_deref()?.trim().trim_matches('"');
        let line = line.replace("\\r\\n", "\r\n").replace("\\ ", " ");
        let line = line.trim_end_matches(['\r', '\n']);
        let (first, rest) =
            line.split_once("\r\n").map_or((line, ""), |(first, rest)| (first, rest));
        let first = match first.split_whitespace().count() {
            0 => return None,
            1 => format!("GET {first} HTTP/1.0"),
            2 => format!("{first} HTTP/1.0"),
            _ => first.to_owned(),
        };
        let headers = if rest.is_empty() { String::new() } else { format!("{rest}\r\n") };
        Some(format!("{first}\r\n{headers}Connection: close\r\n\r\n"))
    }

    /// Whether the beginning of an answer to the request passes: 2xx and 3xx do. Otherwise why not, in words.
    pub fn judge(&self, head: &[u8]) -> Result<(), String> {
        let line = self.request_line.as_deref().unwrap_or_default().trim();
        let text = String::from_utf8_lossy(head);
        let status = text.lines().next().unwrap_or_default();
        let mut words = status.split_whitespace();
        let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
        match words.next().filter(|_| is_http) {
            Some(code) if code.starts_with(['2', '3']) => Ok(()),
            Some(code) => Err(format!("its check `{line}` was answered {code}")),
            None => Err(format!("its check `{line}` was not answered by HTTP")),
        }
    }
}

/// What a row of checks comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Why it is down, if it is.
    pub down: Option<String>,
    /// Results in a row that speak against what holds now.
    pub against: u32,
}

impl Checked {
    /// Of something that is yet to pass.
    pub fn not_yet() -> Self {
        Self { down: Some("its health check has not passed yet".to_owned()), against: 0 }
    }

    /// With one more result: as many passes in a row as the check's `rise` bring it up, as many failures as its `fall`
    /// take it down.
    #[must_use]
    pub fn after(mut self, result: Result<(), String>, check: &HealthCheck) -> Self {
        let speaks_against = result.is_ok() == self.down.is_some();
        self.against = if speaks_against { self.against + 1 } else { 0 };
        match result {
            Ok(()) if self.down.is_some() && self.against >= check.rise() => Self::default(),
            Err(why) if self.down.is_some() || self.against >= check.fall() => {
                Self { down: Some(why), against: 0 }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> HealthCheck {
        HealthCheck { request_line: Some(line.to_owned()), ..HealthCheck::default() }
    }

    #[test]
    fn lines_as_users_write_them() {
        for (given, sent) in [
            ("GET /ping HTTP/1.0", "GET /ping HTTP/1.0\r\n"),
            ("\"OPTIONS / HTTP/1.0\"", "OPTIONS / HTTP/1.0\r\n"),
            ("GET /ping", "GET /ping HTTP/1.0\r\n"),
            ("/ping", "GET /ping HTTP/1.0\r\n"),
            ("GET / HTTP/1.1\\r\\nHost:\\ www", "GET / HTTP/1.1\r\nHost: www\r\n"),
        ] {
            let sent = format!("{sent}Connection: close\r\n\r\n");
            assert_eq!(check(given).request(), Some(sent), "{given}");
        }
        assert_eq!(check(" \"\" ").request(), None);
        assert_eq!(HealthCheck::default().request(), None);
    }

    #[test]
    fn answers_that_pass() {
        for (head, passes) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n", false),
            ("HTTP/1.1 503", false),
            ("SSH-2.0-OpenSSH 200", false),
            ("", false),
        ] {
            assert_eq!(check("GET /").judge(head.as_bytes()).is_ok(), passes, "{head}");
        }
    }

    #[test]
    fn checks_take_down_and_bring_up() {
        // `.` is a pass, `x` a failure; then whether it is up after each: `u`p or `d`own.
        let of = HealthCheck::default();
        let follow = |mut checked: Checked, results: &str| -> String {
            let each = results.chars().map(|result| {
                let result = if result == '.' { Ok(()) } else { Err("no".to_owned()) };
                checked = checked.clone().after(result, &of);
                if checked.down.is_some() { 'd' } else { 'u' }
            });
            each.collect()
        };
        for (results, want) in [
            ("....", "uuuu"),
            ("xx.xx.", "uuuuuu"),
            ("xxx", "uud"),
            ("xxxx.x..", "uudddddu"),
            ("xxx..xx.xxx", "uudduuuuuud"),
        ] {
            assert_eq!(follow(Checked::default(), results), want, "{results}");
        }
        assert_eq!(follow(Checked::not_yet(), "x.x..xxx"), "dddduuud");
    }
}
