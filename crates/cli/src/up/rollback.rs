//! `up --rollback` and `rollback`: back to the containers from before the upgrade, or to any revision there was.

use drover_rollout::{ROLLBACK, confirm, goes_back, nothing_to_roll_back, requests, roll_back};

use crate::Program;
use crate::args::Rollback;
use crate::failure::Failure;
use crate::history::rollback_body;
use crate::outcome::{Ending, waits};
use crate::progress::Reporter;
use crate::session::Session;
use drover_rollout::{Goal, Rest, Wanted};

/// Roll back the services named, or all; that there is none at all to roll back is a failure.
pub(super) async fn rollback(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    session.stack()?;
    let views = session.selected(names).await?;
    if !views.iter().any(goes_back) {
        return Err(Failure::Failed(nothing_to_roll_back(&views)));
    }
    Ok(roll_back(session, &views).await?)
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
    requests::tell(&session, names).await?;
    let views = session.services().await?;
    Ok(waits(views.iter().filter(|held| held.id == view.id), options.waiting_ok))
}
