//! Releases of a web service, good ones and all kinds of bad ones: what an upgrade's policy must tell apart.

use std::fmt;

/// A kind of release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// What it is called.
    pub name: &'static str,
    /// Its habits, see the top of `testapp`'s source; by environment, as `KEY: value`.
    habit: &'static str,
    /// It has a limit of memory.
    limited: bool,
    /// Words of the verdict on it; empty for a good one.
    pub verdict: &'static str,
}

const fn bad(name: &'static str, habit: &'static str, verdict: &'static str) -> Release {
    Release { name, habit, limited: false, verdict }
}

/// One that is to be kept.
pub const GOOD: Release = bad("good", "TESTAPP_BOOT_MS: 300", "");

/// Those that are not.
pub const BAD: [Release; 8] = [
    bad("crash loop", "TESTAPP_CRASH_AFTER_MS: 400", "exited with code 1"),
    bad("never healthy", "TESTAPP_SICK: 1", "nothing moved for"),
    bad("one answer in five is an error", "TESTAPP_FAIL_PERCENT: 20", "were errors (5xx)"),
    bad("slow", "TESTAPP_SLOW_MS: 400", "is slow"),
    bad("wrong port", "TESTAPP_PORT: 81", "nothing moved for"),
    bad("hangs on SIGTERM", "TESTAPP_IGNORE_TERM: 1", "did not end on SIGTERM"),
    Release { limited: true, ..bad("out of memory", "TESTAPP_HOG_MB: 256", "want of memory") },
    bad("healthy, but answers nobody", "TESTAPP_MUTE: 1", "got no answer"),
];

impl Release {
    /// Its compose file: three of it behind a balancer on port 80.
    pub fn compose(&self, image: &str) -> String {
        let limit = if self.limited { "\n    mem_limit: 64m" } else { "" };
        let habit = self.habit;
        format!(
            "version: '2'\nservices:\n  web:\n    image: {image}\n    stop_grace_period: 2s{limit}\n    environment:\n      {habit}\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n"
        )
    }
}

/// What decides on it: everything that there is.
pub const RANCHER: &str = "version: '2'
services:
  web:
    scale: 3
    health_check: {port: 80, request_line: GET /health HTTP/1.0, interval: 500, initializing_timeout: 60000}
    upgrade_strategy:
      start_first: true
      batch_size: 1
      interval_millis: 200
      on_failure: rollback
      finish: auto
      deadline: 8s
      verify:
        for: 4s
        requests: {failed: 2, server_errors: 5%, p99_factor: 2, at_least: 30}
        stop: true
  balancer:
    lb_config:
      port_rules:
        - {protocol: http, source_port: 80, target_port: 80, service: web}
";

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
