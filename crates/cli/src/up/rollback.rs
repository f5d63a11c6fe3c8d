//! `up --rollback` and `rollback`: back to the containers from before the upgrade, or to any revision there was.
//!
//! Rancher's client failed at the first service that had nothing to roll back, so that it could not be used on a
//! whole stack. Here those are passed over, and only if there is none at all it is a failure.

use crate::Program;
use crate::args::Rollback;
use crate::failure::Failure;
use crate::history::rollback_body;
use crate::outcome::{Ending, Standing, standing, waits};
use crate::progress::Reporter;
use crate::session::Session;
use crate::status::tell_requests;
use crate::step::{ROLLBACK, confirm};
use crate::wait::{Goal, Rest, Wanted};
use crate::wire::ServiceView;

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

/// Roll back the services named, or all.
pub(super) async fn rollback(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    session.stack()?;
    let views = session.selected(names).await?;
    if views.iter().all(|view| way(view) == Way::Nothing) {
        return Err(Failure::Failed(nothing_to_roll_back(&views)));
    }
    let mut wanted = Vec::new();
    for view in &views {
        // Those that were upgraded as one go back as one: the first that is asked takes the others along.
        let now = session.services().await?;
        let view = now.iter().find(|held| held.id == view.id).unwrap_or(view);
        match way(view) {
            Way::Nothing => continue,
            Way::Watch => {}
            Way::Ask => ROLLBACK.take_unless(session, view, goes_back).await?,
        }
        wanted.push(Wanted::new(view, Goal::RolledBack));
    }
    let names: Vec<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    session.wait(wanted).await?;
    tell_requests(session, &names).await
}

/// `rollback SERVICE`: to a revision, or out of the upgrade that was not confirmed.
pub(crate) async fn rollback_one(
    options: &Rollback,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    let names = std::slice::from_ref(&options.service);
    let Some(to) = options.to else {
        rollback(&session, names).await?;
        return Ok(Ending::Done);
    };
    session.stack()?;
    let views = session.selected(names).await?;
    let Some(view) = views.first() else { return Ok(Ending::Done) };
    let is_on_its_way = view.whole["upgrade"]["toRevision"] == to
        && matches!(view.state.as_str(), "upgrading" | "upgraded");
    if !is_on_its_way {
        let body = rollback_body(to, options.batch_size, options.interval);
        ROLLBACK.take(&session, view, &format!("to revision {to}"), &body).await?;
    }
    let rest = if options.confirm_upgrade { Rest::More } else { Rest::Nothing };
    session.wait_and(vec![Wanted::new(view, Goal::Upgraded)], rest).await?;
    if options.confirm_upgrade {
        confirm(&session, std::slice::from_ref(view), Rest::Nothing).await?;
    }
    tell_requests(&session, names).await?;
    let views = session.services().await?;
    Ok(waits(views.iter().filter(|held| held.id == view.id), options.waiting_ok))
}

/// Whether it is on its way back, or back.
fn goes_back(view: &ServiceView) -> bool {
    view.state == "rolling-back" || matches!(standing(view), Standing::Back(_))
}

fn way(view: &ServiceView) -> Way {
    match view.state.as_str() {
        "upgrading" | "upgraded" | "canceled-upgrade" | "canceling-upgrade" => Way::Ask,
        "rolling-back" => Way::Watch,
        _ => Way::Nothing,
    }
}

fn nothing_to_roll_back(views: &[ServiceView]) -> String {
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
