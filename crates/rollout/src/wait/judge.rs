//! Whether a service has arrived, from what the server says of it and nothing else.

use drover_core::ServiceKind;

use crate::outcome::{Standing, standing};
use crate::view::ServiceView;

/// Where a service shall arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Active, or as it was before if an upgrade of it waits for a decision.
    Running,
    /// That many units serve.
    Scaled(u32),
    /// Containers stopped.
    Stopped,
    /// All units replaced, the old ones kept.
    Upgraded,
    /// Upgrade stopped half-way, or through before it could be.
    Canceled,
    /// Upgrade finished, the old ones removed.
    Finished,
    /// Back to the old ones.
    RolledBack,
    /// All units restarted.
    Restarted,
    /// Gone.
    Removed,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has arrived.
    Done,
    /// On its way: what it waits for.
    Going(String),
    /// It has trouble that the server keeps working at: which.
    Failing(String),
    /// It won't arrive any more: why, as a whole sentence.
    Lost(String),
    /// It stands still until someone decides.
    Blocked(String),
    /// It was rolled back.
    Back(String),
}

/// How far is it?
pub fn judge(goal: &Goal, view: &ServiceView) -> Verdict {
    match step(goal, view) {
        Step::Moving if *goal == Goal::Upgraded && decides_itself(view) => {
            Verdict::Going(message(view))
        }
        // Trouble counts whatever the state: an active service may have lost its containers.
        Step::Arrived | Step::Moving
            if view.transitioning == "error" && !matches!(goal, Goal::Removed | Goal::Canceled) =>
        {
            Verdict::Failing(message(view))
        }
        Step::Arrived => Verdict::Done,
        Step::Moving => Verdict::Going(message(view)),
        Step::Counting(n) => Verdict::Going(format!("{} of {n} running", view.current_scale)),
        Step::Elsewhere(why) => Verdict::Lost(format!("{} {why}", view.name)),
        Step::Blocked(why) => Verdict::Blocked(why),
        Step::Back(why) => Verdict::Back(why),
    }
}

/// Its policy says what becomes of trouble, while it moves and while it is watched: nobody else has to.
fn decides_itself(view: &ServiceView) -> bool {
    let upgrade = &view.whole["upgrade"];
    let is_looked_at =
        view.state == "upgrading" || view.state == "upgraded" && upgrade["watched"] == true;
    let on_failure = upgrade["policy"]["onFailure"].as_str();
    is_looked_at && matches!(on_failure, Some("pause" | "rollback"))
}

impl Goal {
    /// What it is called when it is done.
    pub fn reached(&self, view: &ServiceView) -> String {
        match self {
            Self::Running if view.state == "upgraded" => "upgraded, not confirmed yet".to_owned(),
            Self::Running => "running".to_owned(),
            Self::Scaled(n) => format!("running at scale {n}"),
            Self::Stopped => "stopped".to_owned(),
            Self::Upgraded if view.state == "upgraded" => {
                "upgraded; the old containers are kept, stopped".to_owned()
            }
            Self::Upgraded => match view.whole["lastUpgrade"]["verdict"].as_str() {
                Some(why) => format!("upgraded, and confirmed by itself: {why}"),
                None => "upgraded, and confirmed by someone meanwhile".to_owned(),
            },
            Self::Canceled if view.state == "upgraded" => {
                "was upgraded before it could be stopped".to_owned()
            }
            Self::Canceled => "its upgrade stands half-way".to_owned(),
            Self::Finished => "upgrade confirmed; the old containers are removed".to_owned(),
            Self::RolledBack => "rolled back".to_owned(),
            Self::Restarted => "restarted".to_owned(),
            Self::Removed => "removed".to_owned(),
        }
    }

    /// What to do when it does not get there.
    pub(super) fn way_out(&self, name: &str) -> String {
        match self {
            Self::Upgraded => format!("To go back: drover up --rollback {name}"),
            Self::Running | Self::Scaled(_) | Self::Restarted => {
                format!("Look: drover ps {name}, drover logs {name}")
            }
            Self::Stopped | Self::Canceled | Self::Finished | Self::RolledBack | Self::Removed => {
                format!("Look: drover ps {name}, drover host ls")
            }
        }
    }
}

enum Step {
    Arrived,
    Moving,
    Counting(u32),
    Elsewhere(&'static str),
    Blocked(String),
    Back(String),
}

fn step(goal: &Goal, view: &ServiceView) -> Step {
    let state = view.state.as_str();
    if matches!(state, "removing" | "removed" | "purged" | "") {
        let gone = state != "removing";
        return match goal {
            Goal::Removed if gone => Step::Arrived,
            Goal::Removed => Step::Moving,
            _ => Step::Elsewhere("was removed meanwhile"),
        };
    }
    match goal {
        Goal::Running => match state {
            "active" | "upgraded" | "canceled-upgrade" => Step::Arrived,
            "inactive" | "deactivating" => Step::Elsewhere("was stopped meanwhile"),
            _ => Step::Moving,
        },
        Goal::Scaled(n) => match state {
            "inactive" | "deactivating" => Step::Arrived,
            _ if view.current_scale == *n || view.kind != ServiceKind::Containers => at_rest(state),
            _ => Step::Counting(*n),
        },
        Goal::Stopped => match state {
            "inactive" => Step::Arrived,
            "deactivating" => Step::Moving,
            _ => Step::Elsewhere("was started again meanwhile"),
        },
        Goal::Upgraded => upgraded(view),
        Goal::Canceled => match state {
            "canceled-upgrade" | "upgraded" => Step::Arrived,
            "canceling-upgrade" => Step::Moving,
            _ => Step::Elsewhere(
                "has no upgrade that could stand half-way: someone changed its course meanwhile",
            ),
        },
        Goal::Finished => match state {
            // It may have been taken back instead: both end in the same state.
            "active" => match standing(view) {
                Standing::Back(why) => Step::Back(why),
                _ => Step::Arrived,
            },
            "finishing-upgrade" | "rolling-back" => Step::Moving,
            _ => {
                Step::Elsewhere("did not finish its upgrade: someone changed its course meanwhile")
            }
        },
        Goal::RolledBack => match state {
            "active" | "inactive" => Step::Arrived,
            "rolling-back" => Step::Moving,
            _ => Step::Elsewhere(
                "is not being rolled back any more: someone changed its course meanwhile",
            ),
        },
        Goal::Restarted => match state {
            "restarting" => Step::Moving,
            "inactive" | "deactivating" => Step::Elsewhere("was stopped meanwhile"),
            _ => Step::Arrived,
        },
        Goal::Removed => Step::Moving,
    }
}

/// An upgrade that is under way, to the end of what goes on by itself.
fn upgraded(view: &ServiceView) -> Step {
    match standing(view) {
        Standing::Moves => Step::Moving,
        Standing::Waits => Step::Arrived,
        Standing::Blocked(why) => Step::Blocked(why),
        Standing::Back(why) => Step::Back(why),
        Standing::Done if view.whole["lastUpgrade"]["phase"] == "finishing-upgrade" => {
            Step::Arrived
        }
        Standing::Done => {
            Step::Elsewhere("has no upgrade any more: someone changed its course meanwhile")
        }
    }
}

fn at_rest(state: &str) -> Step {
    match state {
        "activating" | "registering" | "restarting" => Step::Moving,
        _ => Step::Arrived,
    }
}

/// The server's words, without the service's name that stands before them anyway.
fn message(view: &ServiceView) -> String {
    let name = format!("{}: ", view.name);
    let text = view.message.strip_prefix(&name).unwrap_or(&view.message);
    // Rancher's empty phrase.
    if text == "In Progress" { String::new() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(state: &str, transitioning: &str) -> ServiceView {
        ServiceView::read(&json!({
            "id": "1s1", "name": "web", "type": "service", "state": state,
            "transitioning": transitioning, "transitioningMessage": "web: m", "currentScale": 2,
        }))
    }

    fn word(goal: &Goal, state: &str, transitioning: &str) -> &'static str {
        verdict(&judge(goal, &view(state, transitioning)))
    }

    fn verdict(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Done => "done",
            Verdict::Going(_) => "going",
            Verdict::Failing(_) => "failing",
            Verdict::Lost(_) => "lost",
            Verdict::Blocked(_) => "blocked",
            Verdict::Back(_) => "back",
        }
    }

    #[test]
    fn every_goal_in_every_state() {
        const STATES: [&str; 14] = [
            "registering",
            "inactive",
            "activating",
            "active",
            "restarting",
            "deactivating",
            "upgrading",
            "upgraded",
            "finishing-upgrade",
            "canceling-upgrade",
            "canceled-upgrade",
            "rolling-back",
            "removing",
            "removed",
        ];
        let (d, g, l, b) = ("done", "going", "lost", "blocked");
        for (goal, want) in [
            (Goal::Running, [g, l, g, d, g, l, g, d, g, g, d, g, l, l]),
            (Goal::Scaled(2), [g, d, g, d, g, d, d, d, d, d, d, d, l, l]),
            (Goal::Scaled(3), [g, d, g, g, g, d, g, g, g, g, g, g, l, l]),
            (Goal::Stopped, [l, d, l, l, l, g, l, l, l, l, l, l, l, l]),
            (Goal::Upgraded, [l, l, l, l, l, l, g, d, g, g, b, g, l, l]),
            (Goal::Canceled, [l, l, l, l, l, l, l, d, l, g, d, l, l, l]),
            (Goal::Finished, [l, l, l, d, l, l, l, l, g, l, l, g, l, l]),
            (Goal::RolledBack, [l, d, l, d, l, l, l, l, l, l, l, g, l, l]),
            (Goal::Restarted, [d, l, d, d, g, l, d, d, d, d, d, d, l, l]),
            (Goal::Removed, [g, g, g, g, g, g, g, g, g, g, g, g, g, d]),
        ] {
            for (state, want) in STATES.into_iter().zip(want) {
                assert_eq!(word(&goal, state, "no"), want, "{goal:?} in {state}");
            }
        }
    }

    #[test]
    fn trouble_shows_in_any_state() {
        for (goal, state) in [
            (Goal::Running, "active"),
            (Goal::Running, "activating"),
            (Goal::Upgraded, "upgrading"),
            (Goal::Upgraded, "upgraded"),
            (Goal::RolledBack, "rolling-back"),
        ] {
            assert_eq!(
                judge(&goal, &view(state, "error")),
                Verdict::Failing("m".into()),
                "{state}"
            );
        }
        assert_eq!(word(&Goal::Removed, "removing", "error"), "going");
        assert_eq!(word(&Goal::Upgraded, "rolling-back", "error"), "failing");
    }

    #[test]
    fn trouble_is_the_policys_while_it_looks() {
        for (state, policy, watched, want) in [
            ("upgrading", "rollback", false, "going"),
            ("upgrading", "pause", false, "going"),
            ("upgrading", "retry", false, "failing"),
            ("upgraded", "rollback", true, "going"),
            ("upgraded", "pause", true, "going"),
            ("upgraded", "retry", true, "failing"),
            ("upgraded", "rollback", false, "failing"),
        ] {
            let mut view = view(state, "error");
            view.whole["upgrade"] =
                json!({ "policy": { "onFailure": policy }, "watched": watched });
            let said = verdict(&judge(&Goal::Upgraded, &view));
            assert_eq!(said, want, "{state} {policy} {watched}");
        }
    }

    #[test]
    fn what_went_back_was_not_confirmed() {
        let mut view = view("active", "no");
        for (phase, want) in [("finishing-upgrade", "done"), ("rolling-back", "back")] {
            view.whole["lastUpgrade"] = json!({ "phase": phase });
            assert_eq!(verdict(&judge(&Goal::Finished, &view)), want, "{phase}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(
            judge(&Goal::Scaled(3), &view("active", "no")),
            Verdict::Going("2 of 3 running".into())
        );
        assert_eq!(
            judge(&Goal::Stopped, &view("active", "no")),
            Verdict::Lost("web was started again meanwhile".into())
        );
        assert_eq!(judge(&Goal::Removed, &ServiceView::default()), Verdict::Done);
    }
}
