//! What became of requests during an upgrade, as a table. Pure.

use drover_rollout::requests::{causes, grouped};
use serde_json::Value;

/// Columns of [`rows`].
pub(crate) const COLUMNS: [&str; 9] =
    ["SERVICE", "REVISION", "ANSWERED", "5XX", "FAILED", "RETRIED", "HELD", "P50", "P99"];

/// One row for each revision that answered.
pub(crate) fn rows(service: &str, ledger: &Value) -> Vec<Vec<String>> {
    let revisions = ledger["revisions"].as_array().into_iter().flatten();
    let row = |counts: &Value| {
        let count = |member: &str| grouped(counts[member].as_u64().unwrap_or(0));
        let ms = |member: &str| counts[member].as_u64().map_or("-".into(), |ms| format!("{ms} ms"));
        let failed = match counts["failed"].as_u64() {
            None | Some(0) => "0".to_owned(),
            Some(failed) => format!("{} ({})", grouped(failed), causes(&counts["failedBy"])),
        };
        vec![
            service.to_owned(),
            counts["revision"]
                .as_u64()
                .filter(|no| *no > 0)
                .map_or("-".into(), |no| no.to_string()),
            count("answered"),
            count("serverErrors"),
            failed,
            count("retried"),
            count("held"),
            ms("p50Millis"),
            ms("p99Millis"),
        ]
    };
    revisions.map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_for_each_revision() {
        let ledger = json!({ "revisions": [
            { "revision": 1, "answered": 9_000, "p50Millis": 4, "p99Millis": 12 },
            { "revision": 2, "answered": 5_203, "serverErrors": 1, "held": 7, "p50Millis": 3, "p99Millis": 8 },
            { "revision": 0, "failed": 2, "failedBy": { "noTarget": 2 } },
        ]});
        let rows: Vec<String> = rows("web", &ledger).iter().map(|row| row.join(" | ")).collect();
        assert_eq!(
            rows,
            [
                "web | 1 | 9,000 | 0 | 0 | 0 | 0 | 4 ms | 12 ms",
                "web | 2 | 5,203 | 1 | 0 | 0 | 7 | 3 ms | 8 ms",
                "web | - | 0 | 0 | 2 (2 without a container to go to) | 0 | 0 | - | -",
            ]
        );
    }
}
