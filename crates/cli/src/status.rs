//! `upgrade status`: where upgrades are, and what became of the requests meanwhile.

use drover_rollout::ServiceView;
use drover_rollout::requests::{self, name};
use serde_json::{Value, json};

use crate::Program;
use crate::args::Selected;
use crate::failure::Failure;
use crate::operator::say;
use crate::progress::Reporter;
use crate::requests as table;
use crate::session::Session;
use crate::table::print;

/// `upgrade status`.
pub(crate) async fn status(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.services).await?;
    let all = session.services().await?;
    let mut rows = Vec::new();
    for view in &views {
        let ledger = requests::of(&view.whole);
        if options.common.output.json {
            say(&as_json(view, ledger).to_string())?;
            continue;
        }
        let target = requests::of_target(&view.whole).map(|(id, ledger)| (name(&all, id), ledger));
        say(&line(view, ledger, target.as_ref().map(|(name, _)| name.as_str())))?;
        rows.extend(ledger.map(|ledger| table::rows(&view.name, ledger)).unwrap_or_default());
        rows.extend(target.map(|(name, ledger)| table::rows(&name, ledger)).unwrap_or_default());
    }
    if rows.is_empty() {
        return Ok(());
    }
    say("")?;
    print(&table::COLUMNS, &rows)
}

fn as_json(view: &ServiceView, ledger: Option<&Value>) -> Value {
    json!({
        "service": view.name, "state": view.state, "upgrade": view.whole["upgrade"]["phase"],
        "requests": ledger,
        "targetRequests": requests::of_target(&view.whole).map(|(_, ledger)| ledger),
    })
}

/// `web: upgrading, revision 3 to 4, 2 of 6 slots moved, 1 at a time: 14,203 requests, 0 failed, …`
fn line(view: &ServiceView, ledger: Option<&Value>, target: Option<&str>) -> String {
    let said = format!("{}: {}, {}", view.name, view.state, progress(view, target));
    match ledger.and_then(requests::sentence) {
        Some(sentence) => format!("{said}: {sentence}"),
        None => said,
    }
}

/// How far its upgrade is, or how the last one ended.
pub(crate) fn progress(view: &ServiceView, target: Option<&str>) -> String {
    let (upgrade, last) = (&view.whole["upgrade"], &view.whole["lastUpgrade"]);
    if upgrade.is_object() {
        let waits =
            if view.message.is_empty() { String::new() } else { format!("; {}", view.message) };
        if let Some(target) = target {
            let strategy = &upgrade["toServiceStrategy"];
            return format!(
                "to {target}, {} of {} units there, {} of its own left, {} at a time{waits}",
                upgrade["slotsMoved"], strategy["finalScale"], view.scale, strategy["batchSize"],
            );
        }
        return format!(
            "revision {} to {}, {} of {} slots moved, {} at a time{waits}",
            upgrade["fromRevision"],
            upgrade["toRevision"],
            upgrade["slotsMoved"],
            view.scale,
            upgrade["inServiceStrategy"]["batchSize"],
        );
    }
    match (last["phase"].as_str(), target) {
        (None, _) => "not upgraded since it was made".to_owned(),
        (Some("rolling-back"), Some(target)) => format!("last upgrade to {target} rolled back"),
        (Some(_), Some(target)) => format!("last upgraded to {target}"),
        (Some("rolling-back"), None) => {
            format!("last upgrade rolled back to revision {}", last["fromRevision"])
        }
        (Some(_), None) => format!("last upgraded to revision {}", last["toRevision"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_service() {
        let check = |service: Value, want: &str| {
            let view = ServiceView::read(&service);
            let target = requests::of_target(&view.whole).map(|(id, _)| id);
            assert_eq!(line(&view, requests::of(&view.whole), target), want);
        };
        check(
            json!({
                "name": "web", "state": "upgrading", "scale": 6,
                "transitioningMessage": "waiting for web-3 to be healthy",
                "upgrade": {
                    "fromRevision": 3, "toRevision": 4, "slotsMoved": 2,
                    "inServiceStrategy": { "batchSize": 1 },
                    "requests": { "answered": 14_203, "held": 1, "longestHeldMillis": 38 },
                },
            }),
            "web: upgrading, revision 3 to 4, 2 of 6 slots moved, 1 at a time; waiting for web-3 to be healthy: \
             14,203 requests, 0 failed, longest wait 38 ms",
        );
        check(
            json!({
                "name": "web", "state": "active",
                "lastUpgrade": { "phase": "rolling-back", "fromRevision": 3, "requests": { "answered": 2 } },
            }),
            "web: active, last upgrade rolled back to revision 3: 2 requests, 0 failed, none had to wait",
        );
        check(
            json!({ "name": "db", "state": "active", "lastUpgrade": { "phase": "finishing-upgrade", "toRevision": 2 } }),
            "db: active, last upgraded to revision 2",
        );
        check(
            json!({
                "name": "v1", "state": "upgrading", "scale": 1, "transitioningMessage": "m",
                "upgrade": {
                    "toServiceStrategy": { "toServiceId": "v2", "finalScale": 5, "batchSize": 2 },
                    "slotsMoved": 4,
                },
            }),
            "v1: upgrading, to v2, 4 of 5 units there, 1 of its own left, 2 at a time; m",
        );
        check(
            json!({
                "name": "v1", "state": "active",
                "lastUpgrade": { "phase": "finishing-upgrade", "toServiceId": "v2" },
            }),
            "v1: active, last upgraded to v2",
        );
        check(
            json!({ "name": "db", "state": "active" }),
            "db: active, not upgraded since it was made",
        );
    }
}
