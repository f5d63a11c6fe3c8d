//! The balancer's own checks: is a target that its service wants checked still well? They only take targets out of
//! rotation and bring them back; a target that joins counts as well, for its agent found it ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{HealthCheck, UnitKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared;
use super::pool;
use super::table::Table;
use super::target::Upstream;

/// The checks that run, by target.
#[derive(Default)]
pub(super) struct Probes(BTreeMap<(UnitKey, String), Probe>);

struct Probe {
    check: HealthCheck,
    target: Arc<Upstream>,
    /// Ends it when it is dropped.
    _end: DropGuard,
}

/// Rancher's values where users give none.
const INTERVAL_MS: u64 = 2_000;
const TIMEOUT_MS: u64 = 2_000;
const RISE: u32 = 2;
const FALL: u32 = 3;

/// More of an answer is not looked at.
const STATUS_LINE: usize = 256;

impl Probes {
    /// Run the checks of this table and no others. What goes on is not disturbed.
    pub(super) fn follow(&mut self, table: &Table, shared: &Arc<Shared>) {
        let wanted: BTreeMap<_, _> = table
            .checks()
            .map(|(target, check)| ((target.unit, target.address.clone()), (target, check)))
            .collect();
        self.0.retain(|key, probe| {
            let stays = wanted.get(key).is_some_and(|(target, check)| {
                Arc::ptr_eq(target, &probe.target) && **check == probe.check
            });
            if !stays {
                probe.target.health.unchecked();
            }
            stays
        });
        for (key, (target, check)) in wanted {
            self.0.entry(key).or_insert_with(|| {
                let end = CancellationToken::new();
                let probing = run(target.clone(), check.clone(), shared.clone(), end.clone());
                tokio::spawn(probing);
                let (check, target) = (check.clone(), target.clone());
                Probe { check, target, _end: end.drop_guard() }
            });
        }
    }
}

async fn run(
    target: Arc<Upstream>,
    check: HealthCheck,
    shared: Arc<Shared>,
    end: CancellationToken,
) {
    let every = Duration::from_millis(check.interval_ms.unwrap_or(INTERVAL_MS).max(100));
    let (rise, fall) =
        (check.healthy_threshold.unwrap_or(RISE), check.unhealthy_threshold.unwrap_or(FALL));
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let probing = async {
            ticks.tick().await;
            probe(&target.address, &check).await
        };
        let result = tokio::select! {
            result = probing => result,
            () = end.cancelled() => return,
        };
        if target.health.checked(result, rise, fall) {
            shared.board.say(|_| ());
        }
    }
}

/// One check; why it failed, in words.
async fn probe(address: &str, check: &HealthCheck) -> Result<(), String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let address = format!("{host}:{}", check.port);
    let ms = check.response_timeout_ms.unwrap_or(TIMEOUT_MS).max(1);
    let within = Duration::from_millis(ms);
    let asking = async {
        let mut stream = pool::connect(&address, within)
            .await
            .map_err(|error| format!("its check on port {} {error}", check.port))?;
        match check.request_line.as_deref().filter(|line| !line.trim().is_empty()) {
            None => Ok(()),
            Some(line) => {
                let request = format!("{}\r\nConnection: close\r\n\r\n", request_line(line));
                let broken = |error| format!("its check `{line}` broke: {error}");
                stream.write_all(request.as_bytes()).await.map_err(broken)?;
                let mut head = Vec::new();
                while head.len() < STATUS_LINE && !head.contains(&b'\n') {
                    if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
                        break;
                    }
                }
                judge(line, &head)
            }
        }
    };
    timeout(within, asking).await.unwrap_or_else(|_| {
        Err(format!("its check on port {} took longer than {ms} ms", check.port))
    })
}

/// As HAProxy takes it: users may write `\r\n` and headers behind the line; the protocol may be left out.
fn request_line(line: &str) -> String {
    let line = line.trim().trim_matches('"').replace("\\r\\n", "\r\n").replace("\\ ", " ");
    let line = line.trim_end_matches(['\r', '\n']);
    let (first, rest) = line.split_once("\r\n").map_or((line, ""), |(first, rest)| (first, rest));
    let first = match first.split_whitespace().count() {
        1 => format!("GET {first} HTTP/1.0"),
        2 => format!("{first} HTTP/1.0"),
        _ => first.to_owned(),
    };
    if rest.is_empty() { first } else { format!("{first}\r\n{rest}") }
}

/// 2xx and 3xx pass.
fn judge(line: &str, head: &[u8]) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_users_write_them() {
        for (given, sent) in [
            ("GET /ping HTTP/1.0", "GET /ping HTTP/1.0"),
            ("\"OPTIONS / HTTP/1.0\"", "OPTIONS / HTTP/1.0"),
            ("GET /ping", "GET /ping HTTP/1.0"),
            ("/ping", "GET /ping HTTP/1.0"),
            ("GET / HTTP/1.1\\r\\nHost:\\ www", "GET / HTTP/1.1\r\nHost: www"),
        ] {
            assert_eq!(request_line(given), sent, "{given}");
        }
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
            assert_eq!(judge("GET /", head.as_bytes()).is_ok(), passes, "{head}");
        }
    }
}
