//! Back to the containers from before the upgrade.
//!
//! Rancher's client failed at the first service that had nothing to roll back, so that it could not be used on a
//! whole stack. Here those are passed over.

use crate::error::Failure;
use crate::outcome::{Standing, standing};
use crate::requests;
use crate::session::Session;
use crate::step::ROLLBACK;
use crate::view::ServiceView;
use crate::wait::{Goal, Wanted};

/// What there is to do for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Ask for it.
    Ask,
    /// It is under way.
    Watch,
    /// There is nothing to go back to.
    Nothing,
}

/// Roll back those of these services that have something to go back to.
pub async fn roll_back(session: &Session<'_>, views: &[ServiceView]) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for view in views.iter().filter(|view| goes_back(view)) {
        // Those that were upgraded as one go back as one: the first that is asked takes the others along. They may be back by
        // now, which is what is waited for.
        let now = session.services().await?;
        let view = now.iter().find(|held| held.id == view.id).unwrap_or(view);
        if way(view) == Way::Ask {
            ROLLBACK.take_unless(session, view, is_back).await?;
        }
        wanted.push(Wanted::new(view, Goal::RolledBack));
    }
    let names: Vec<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    session.wait(wanted).await?;
    requests::tell(session, &names).await
}

/// Whether it has something to go back to.
pub fn goes_back(view: &ServiceView) -> bool {
    way(view) != Way::Nothing
}

/// Whether it is on its way back, or back.
fn is_back(view: &ServiceView) -> bool {
    view.state == "rolling-back" || matches!(standing(view), Standing::Back(_))
}

fn way(view: &ServiceView) -> Way {
    match view.state.as_str() {
        "upgrading" | "upgraded" | "canceled-upgrade" | "canceling-upgrade" => Way::Ask,
        "rolling-back" => Way::Watch,
        _ => Way::Nothing,
    }
}

/// Why none of these goes back, in words.
pub fn nothing_to_roll_back(views: &[ServiceView]) -> String {
    let why = |view: &ServiceView| {
        let (name, state) = (&view.name, &view.state);
        match state.as_str() {
            "active" | "inactive" => {
                format!("{name} is {state}, with no upgrade that waits for a decision")
            }
            "finishing-upgrade" => format!("{name} is {state}: its upgrade was confirmed"),
            _ => format!("{name} is {state}"),
        }
    };
    let all: Vec<String> = views.iter().map(why).collect();
    let all = if all.is_empty() {
        "the stack has none of these services".to_owned()
    } else {
        all.join(", ")
    };
    format!("nothing to roll back: {all}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(name: &str, state: &str) -> ServiceView {
        ServiceView::read(&json!({ "name": name, "state": state }))
    }

    #[test]
    fn by_state() {
        for (state, want) in [
            ("upgrading", Way::Ask),
            ("upgraded", Way::Ask),
            ("canceled-upgrade", Way::Ask),
            ("rolling-back", Way::Watch),
            ("active", Way::Nothing),
            ("finishing-upgrade", Way::Nothing),
        ] {
            assert_eq!(way(&view("web", state)), want, "{state}");
        }
    }

    #[test]
    fn nothing_is_explained_service_by_service() {
        let views = [view("web", "active"), view("db", "finishing-upgrade")];
        assert_eq!(
            nothing_to_roll_back(&views),
            "nothing to roll back: web is active, with no upgrade that waits for a decision, db is \
             finishing-upgrade: its upgrade was confirmed"
        );
        assert!(nothing_to_roll_back(&[]).contains("none of these services"));
    }
}
