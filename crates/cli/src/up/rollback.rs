//! `up --rollback` and `rollback`: back to the containers from before the upgrade, or to any revision there was.

use std::collections::BTreeMap;

use drover_rollout::{
    Goal, ROLLBACK, Rest, ServiceView, Wanted, confirm, goes_back, list, nothing_to_roll_back,
    requests, roll_back,
};
use serde_json::{Value, json};

use crate::Program;
use crate::args::Rollback;
use crate::failure::Failure;
use crate::history::rollback_body;
use crate::outcome::{Ending, waits};
use crate::progress::Reporter;
use crate::session::Session;

/// Roll back the services named, or all; that there is none at all to roll back is a failure.
pub(super) async fn rollback(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    session.stack()?;
    let views = session.selected(names).await?;
    if !views.iter().any(goes_back) {
        return Err(Failure::Failed(nothing_to_roll_back(&views)));
    }
    Ok(roll_back(session, &views).await?)
}

/// `rollback SERVICE[@REVISION]…`: to revisions there were, all as one, or out of upgrades that were not confirmed.
pub(crate) async fn rollback_to(
    options: &Rollback,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let past = past(options)?;
    let session = Session::begin(&options.common, program, reporter).await?;
    let names: Vec<String> = options.services.iter().map(|(name, _)| name.clone()).collect();
    if past.is_empty() {
        rollback(&session, &names).await?;
        return Ok(Ending::Done);
    }
    session.stack()?;
    let views = session.selected(&names).await?;
    let chosen: Vec<(&ServiceView, u32)> = views
        .iter()
        .filter_map(|view| Some((view, *past.get(&view.name.to_lowercase())?)))
        .collect();
    let asked: Vec<(&ServiceView, u32)> =
        chosen.iter().copied().filter(|(view, to)| !is_on_its_way(view, *to)).collect();
    match asked.as_slice() {
        [] => {}
        [(view, to)] => {
            let body = rollback_body(*to, options.batch_size, options.interval);
            ROLLBACK.take(&session, view, &to_revision(*to), &body).await?;
        }
        several => as_one(&session, several, options).await?,
    }
    let wanted = |view: &&ServiceView| Wanted::new(view, Goal::Upgraded);
    let rest = if options.confirm_upgrade { Rest::More } else { Rest::Nothing };
    session.wait_and(chosen.iter().map(|(view, _)| wanted(view)).collect(), rest).await?;
    if options.confirm_upgrade {
        let views: Vec<ServiceView> = chosen.iter().map(|(view, _)| (*view).clone()).collect();
        confirm(&session, &views, Rest::Nothing).await?;
    }
    requests::tell(&session, &names).await?;
    let now = session.services().await?;
    let is_one = |held: &&ServiceView| chosen.iter().any(|(view, _)| view.id == held.id);
    Ok(waits(now.iter().filter(is_one), options.waiting_ok))
}

/// One request for all of them: what one of them can't do, none does.
async fn as_one(
    session: &Session<'_>,
    several: &[(&ServiceView, u32)],
    options: &Rollback,
) -> Result<(), Failure> {
    for (view, to) in several {
        ROLLBACK.say(session, view, &to_revision(*to));
    }
    let names: Vec<&str> = several.iter().map(|(view, _)| view.name.as_str()).collect();
    let mut pace = json!({});
    if let Some(batch_size) = options.batch_size {
        pace["batchSize"] = batch_size.into();
    }
    if let Some(interval_ms) = options.interval {
        pace["intervalMillis"] = interval_ms.into();
    }
    let member = |(view, to): &(&ServiceView, u32)| json!({ "serviceId": view.id, "toRevision": to, "inServiceStrategy": pace });
    let body = json!({ "services": several.iter().map(member).collect::<Vec<Value>>() });
    let doing = format!("roll back {}", list(&names));
    let path = format!("stacks/{}", session.stack()?.id);
    session.api.act(&doing, &path, "upgradeservices", &body).await?;
    Ok(())
}

/// The revision of each service, by its name in small letters; none at all, or one for every service that is named.
fn past(options: &Rollback) -> Result<BTreeMap<String, u32>, Failure> {
    let usage = |why: &str| Err(Failure::Usage(why.to_owned()));
    let (services, to) = (&options.services, options.to);
    let mut past = BTreeMap::new();
    for (name, revision) in services {
        let revision = match (revision, to) {
            (Some(_), Some(_)) => return usage("say the revision once: web@3, or web --to 3"),
            (None, Some(_)) if services.len() > 1 => {
                return usage(
                    "--to is for one service; for several write each with its revision: web@3 db@1",
                );
            }
            (revision, to) => revision.or(to),
        };
        let Some(revision) = revision else { continue };
        if past.insert(name.to_lowercase(), revision).is_some() {
            return usage(&format!("{name} is named twice"));
        }
    }
    let has_options =
        options.confirm_upgrade || options.batch_size.is_some() || options.interval.is_some();
    if past.is_empty() && has_options {
        return usage(
            "--confirm-upgrade, --batch-size and --interval are for going back to a revision: web@3",
        );
    }
    if !past.is_empty() && past.len() < services.len() {
        return usage("either every service with its revision, or none: web@3 db@1");
    }
    Ok(past)
}

fn to_revision(to: u32) -> String {
    format!("to revision {to}")
}

fn is_on_its_way(view: &ServiceView, to: u32) -> bool {
    view.whole["upgrade"]["toRevision"] == to
        && matches!(view.state.as_str(), "upgrading" | "upgraded")
}
