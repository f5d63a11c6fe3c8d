//! Where an upgrade stands, from what the server says of the service and nothing else.

use crate::error::Failure;
use crate::view::ServiceView;

/// What came of an upgrade, or what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on by itself.
    Moves,
    /// There is none, or it is confirmed.
    Done,
    /// It waits for its confirmation.
    Waits,
    /// It was rolled back, or is about to be: why.
    Back(String),
    /// It stands still until someone decides: why, and the ways out.
    Blocked(String),
}

/// Where the last upgrade of a service stands.
pub fn standing(view: &ServiceView) -> Standing {
    let upgrade = &view.whole["upgrade"];
    let verdict = upgrade["verdict"].as_str();
    let name = &view.name;
    match view.state.as_str() {
        "upgraded" => match verdict {
            Some(why) => Standing::Blocked(format!(
                "{name} has moved, but is not to be kept: {why}. To go back: up --rollback {name}; to keep it all the \
                 same: up --confirm-upgrade {name}"
            )),
            None if upgrade["watched"] == true || upgrade["finishesItself"] == true => {
                Standing::Moves
            }
            None => Standing::Waits,
        },
        "canceled-upgrade" => Standing::Blocked(format!(
            "{name} stays half-way: {}. To go on: up --upgrade {name}; to go back: up --rollback {name}",
            verdict.map_or_else(
                || "its upgrade was cancelled".to_owned(),
                |why| format!("its upgrade was paused: {why}")
            )
        )),
        "upgrading" | "canceling-upgrade" | "finishing-upgrade" | "rolling-back" => Standing::Moves,
        _ => ended(view),
    }
}

/// How the last one ended.
fn ended(view: &ServiceView) -> Standing {
    let last = &view.whole["lastUpgrade"];
    if last["phase"] != "rolling-back" {
        return Standing::Done;
    }
    let (name, from) = (&view.name, &last["fromRevision"]);
    let kept = if from.is_null() { String::new() } else { format!(" to revision {from}") };
    let why = match last["verdict"].as_str() {
        Some(why) => format!("{name} was rolled back{kept}: {why}"),
        None => format!("{name} was rolled back{kept}: someone asked for it"),
    };
    Standing::Back(why)
}

/// The worst of how they stand: one that stands still before one that went back.
pub fn worst(views: &[&ServiceView]) -> Result<(), Failure> {
    let (mut blocked, mut back) = (Vec::new(), Vec::new());
    for view in views {
        match standing(view) {
            Standing::Blocked(why) => blocked.push(why),
            Standing::Back(why) => back.push(why),
            Standing::Done if view.state == "active" && view.transitioning == "error" => {
                blocked.push(format!("{}: {}", view.name, view.message));
            }
            Standing::Done | Standing::Moves | Standing::Waits => {}
        }
    }
    if !blocked.is_empty() {
        return Err(Failure::Blocked([blocked, back].concat().join("; ")));
    }
    if !back.is_empty() {
        return Err(Failure::RolledBack(back.join("; ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn where_an_upgrade_stands() {
        let said = |service: Value| match standing(&ServiceView::read(&service)) {
            Standing::Moves => "moves".to_owned(),
            Standing::Done => "done".to_owned(),
            Standing::Waits => "waits".to_owned(),
            Standing::Back(why) => format!("back: {why}"),
            Standing::Blocked(why) => format!("blocked: {why}"),
        };
        let with = |state: &str, upgrade: Value| {
            said(json!({ "name": "web", "state": state, "upgrade": upgrade }))
        };
        for state in ["upgrading", "rolling-back", "finishing-upgrade", "canceling-upgrade"] {
            assert_eq!(with(state, json!({})), "moves", "{state}");
        }
        assert_eq!(with("upgraded", json!({})), "waits");
        assert_eq!(with("upgraded", json!({ "watched": true })), "moves");
        assert_eq!(with("upgraded", json!({ "finishesItself": true })), "moves");
        let bad = with("upgraded", json!({ "verdict": "it is slow" }));
        assert!(
            bad.starts_with("blocked: web has moved, but is not to be kept: it is slow."),
            "{bad}"
        );
        let paused = with("canceled-upgrade", json!({ "verdict": "it crashes" }));
        assert!(
            paused.starts_with("blocked: web stays half-way: its upgrade was paused: it crashes.")
        );
        let cancelled = with("canceled-upgrade", json!({}));
        assert!(cancelled.contains("its upgrade was cancelled"), "{cancelled}");
        let last =
            |last: Value| said(json!({ "name": "web", "state": "active", "lastUpgrade": last }));
        assert_eq!(last(Value::Null), "done");
        assert_eq!(last(json!({ "phase": "finishing-upgrade" })), "done");
        let verdict =
            json!({ "phase": "rolling-back", "fromRevision": 3, "verdict": "it crashes" });
        assert_eq!(last(verdict), "back: web was rolled back to revision 3: it crashes");
        let asked = json!({ "phase": "rolling-back" });
        assert_eq!(last(asked), "back: web was rolled back: someone asked for it");
    }
}
