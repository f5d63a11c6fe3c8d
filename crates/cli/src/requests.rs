//! What became of requests during an upgrade, in words: from the numbers the server shows to one sentence, and to rows.
//! Pure.

use serde_json::Value;

/// Columns of [`rows`].
pub(crate) const COLUMNS: [&str; 9] =
    ["SERVICE", "REVISION", "ANSWERED", "5XX", "FAILED", "RETRIED", "HELD", "P50", "P99"];

/// The ledger of a service: of its upgrade in progress, or of the last one that ended.
pub(crate) fn of(service: &Value) -> Option<&Value> {
    let current = &service["upgrade"]["requests"];
    let last = &service["lastUpgrade"]["requests"];
    [current, last].into_iter().find(|ledger| ledger.is_object())
}

/// The service that its upgrade, or the last one that ended, led to, if that was another: its id, and the requests that
/// it got.
pub(crate) fn of_target(service: &Value) -> Option<(&str, &Value)> {
    let (current, last) = (&service["upgrade"], &service["lastUpgrade"]);
    let upgrade = if current.is_object() { current } else { last };
    let id = [&upgrade["toServiceStrategy"]["toServiceId"], &upgrade["toServiceId"]];
    let id = id.into_iter().find_map(Value::as_str)?;
    Some((id, &upgrade["toServiceRequests"]))
}

/// `14,203 requests, 0 failed, longest wait 38 ms`; `None` if no balancer sent the service any.
pub(crate) fn sentence(ledger: &Value) -> Option<String> {
    let count = |member: &str| ledger[member].as_u64().unwrap_or(0);
    let (failed, held, retried) = (count("failed"), count("held"), count("retried"));
    let all = count("answered") + failed;
    if all == 0 {
        return None;
    }
    let noun = if all == 1 { "request" } else { "requests" };
    let why = match failed {
        0 => String::new(),
        _ => format!(" ({})", causes(&ledger["failedBy"])),
    };
    let waited = match held {
        0 => "none had to wait".to_owned(),
        _ => format!("longest wait {} ms", grouped(count("longestHeldMillis"))),
    };
    let again = match retried {
        0 => String::new(),
        _ => format!(", {} sent again to another container", grouped(retried)),
    };
    Some(format!("{} {noun}, {} failed{why}, {waited}{again}", grouped(all), grouped(failed)))
}

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

/// `2 cut off in the answer, 1 timed out`.
fn causes(failed_by: &Value) -> String {
    let words = |cause: &str| match cause {
        "noTarget" => "without a container to go to",
        "heldTooLong" => "held too long",
        "unreachable" => "could not connect",
        "broken" => "broken off before the answer",
        "cutOff" => "cut off in the answer",
        "timedOut" => "timed out",
        _ => "for another reason",
    };
    let causes = failed_by.as_object().into_iter().flatten();
    let said = causes
        .map(|(cause, count)| format!("{} {}", grouped(count.as_u64().unwrap_or(0)), words(cause)));
    said.collect::<Vec<_>>().join(", ")
}

/// `14,203`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_sentence() {
        let check = |ledger: Value, want: Option<&str>| {
            assert_eq!(sentence(&ledger).as_deref(), want, "{ledger}");
        };
        check(json!({}), None);
        check(json!({ "answered": 0 }), None);
        check(json!({ "answered": 1 }), Some("1 request, 0 failed, none had to wait"));
        check(
            json!({ "answered": 14_203, "failed": 0, "held": 7, "longestHeldMillis": 38 }),
            Some("14,203 requests, 0 failed, longest wait 38 ms"),
        );
        check(
            json!({
                "answered": 999, "failed": 3, "failedBy": { "cutOff": 2, "timedOut": 1 },
                "held": 1, "longestHeldMillis": 1_200, "retried": 1_000_000,
            }),
            Some(
                "1,002 requests, 3 failed (2 cut off in the answer, 1 timed out), longest wait 1,200 ms, \
                 1,000,000 sent again to another container",
            ),
        );
    }

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

    #[test]
    fn the_upgrade_in_progress_goes_before_the_last_one() {
        let ended = json!({ "lastUpgrade": { "requests": { "answered": 1 } }, "upgrade": null });
        assert_eq!(of(&ended).unwrap()["answered"], 1);
        let both = json!({
            "lastUpgrade": { "requests": { "answered": 1 } },
            "upgrade": { "requests": { "answered": 2 } },
        });
        assert_eq!(of(&both).unwrap()["answered"], 2);
        assert_eq!(of(&json!({ "upgrade": null })), None);
        assert_eq!(of_target(&both), None);
        let now = json!({ "upgrade": {
            "toServiceStrategy": { "toServiceId": "1s2" }, "toServiceRequests": { "answered": 3 },
        }});
        assert_eq!(of_target(&now).unwrap(), ("1s2", &json!({ "answered": 3 })));
        let ended = json!({ "upgrade": null, "lastUpgrade": {
            "toServiceId": "1s4", "toServiceRequests": { "answered": 5 },
        }});
        assert_eq!(of_target(&ended).unwrap().0, "1s4");
    }
}
