//! What became of requests during an upgrade, in words: from the numbers the server shows to one sentence.

use serde_json::Value;

use crate::error::Failure;
use crate::event::Event;
use crate::session::Session;
use crate::view::ServiceView;

/// The ledger of a service: of its upgrade in progress, or of the last one that ended.
pub fn of(service: &Value) -> Option<&Value> {
    let current = &service["upgrade"]["requests"];
    let last = &service["lastUpgrade"]["requests"];
    [current, last].into_iter().find(|ledger| ledger.is_object())
}

/// The service that its upgrade, or the last one that ended, led to, if that was another: its id, and the requests that
/// it got.
pub fn of_target(service: &Value) -> Option<(&str, &Value)> {
    let (current, last) = (&service["upgrade"], &service["lastUpgrade"]);
    let upgrade = if current.is_object() { current } else { last };
    let id = [&upgrade["toServiceStrategy"]["toServiceId"], &upgrade["toServiceId"]];
    let id = id.into_iter().find_map(Value::as_str)?;
    Some((id, &upgrade["toServiceRequests"]))
}

/// `14,203 requests, 0 failed, longest wait 38 ms`; `None` if no balancer sent the service any.
pub fn sentence(ledger: &Value) -> Option<String> {
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

/// Say what became of the requests, at the end of what upgraded these services.
pub async fn tell(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    let all = session.services().await?;
    for view in all.iter().filter(|view| names.contains(&view.name)) {
        let own = of(&view.whole).map(|ledger| (view.name.clone(), ledger));
        let target = of_target(&view.whole).map(|(id, ledger)| (name(&all, id), ledger));
        for (service, ledger) in own.into_iter().chain(target) {
            let Some(message) = sentence(ledger) else { continue };
            let requests = ledger.clone();
            session.reporter.tell(&Event::Requests { service, message, requests });
        }
    }
    Ok(())
}

/// A service of the stack by its id; the id itself for one that is elsewhere or gone.
pub fn name(all: &[ServiceView], id: &str) -> String {
    all.iter().find(|view| view.id == id).map_or_else(|| id.to_owned(), |view| view.name.clone())
}

/// `2 cut off in the answer, 1 timed out`.
pub fn causes(failed_by: &Value) -> String {
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
pub fn grouped(number: u64) -> String {
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
