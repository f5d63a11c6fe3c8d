//! `upgrade FROM TO`: move the load from one service to another, a batch at a time.
//!
//! The source must be on the server; a target that isn't is made from the files, at scale 0, and started. Then one request,
//! and, where that is asked for, waiting. Going back is the same command with the names changed, or `up --rollback FROM`
//! as long as it is not confirmed.

use drover_compose::ServiceSpec;
use drover_rollout::{
    ACTIVATE, CONTINUE, Event, Goal, Plan, Rest, ServiceView, Wanted, confirm, nothing, requests,
    view_of,
};
use serde_json::{Value, json};

use crate::Program;
use crate::args::{Between, Common};
use crate::failure::Failure;
use crate::outcome::{Ending, waits};
use crate::progress::Reporter;
use crate::pull;
use crate::session::Session;

/// What stands in the way of a service that runs once on every host; Rancher's words.
const NO_GLOBALS: &str = "Upgrade is not supported for global services";

/// Rancher's defaults for this command.
const BATCH_SIZE: u32 = 2;
const INTERVAL_MS: u64 = 2000;

/// `upgrade FROM TO`.
pub(crate) async fn upgrade(
    options: &Between,
    common: &Common,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let mut session = Session::begin(common, program, reporter).await?;
    let spec = session.project()?;
    let known = |name: &String| {
        spec.service(name).ok_or_else(|| Failure::Failed(format!("No such service: {name}")))
    };
    let (from, to) = (known(&options.from)?, known(&options.to)?);
    check(from, to).map_err(Failure::Failed)?;
    session.stack()?;
    let views = session.services().await?;
    let Some(source) = view_of(&views, &from.name) else {
        let why = format!(
            "{} is not on the server, so there is nothing to move; `up` creates it",
            from.name
        );
        return Err(Failure::Failed(why));
    };
    if options.pull {
        pull::pull_specs(&session, vec![to.clone()], false).await?;
    }
    let stand = stand(source, view_of(&views, &to.name));
    match stand {
        Stand::UnderWay => resume(&session, source).await?,
        Stand::Confirmed if options.cleanup => {
            let text = format!("{} has been upgraded and confirmed already", from.name);
            reporter.tell(&Event::note(text));
            session.wait_and(vec![Wanted::new(source, Goal::Finished)], Rest::More).await?;
            clean_up(&session, source).await?;
            return Ok(Ending::Done);
        }
        Stand::Apart | Stand::Confirmed => {
            let scale = final_scale(options.scale, source).map_err(Failure::Failed)?;
            let target = target(&mut session, to).await?;
            begin(&session, source, (&target, scale), options).await?;
        }
    }
    if options.wait || options.cleanup {
        let rest = if options.cleanup { Rest::More } else { Rest::Nothing };
        session.wait_and(vec![Wanted::new(source, Goal::Upgraded)], rest).await?;
    }
    if options.cleanup {
        confirm(&session, std::slice::from_ref(source), Rest::More).await?;
        clean_up(&session, source).await?;
        return Ok(Ending::Done);
    }
    if !options.wait {
        return Ok(Ending::Done);
    }
    requests::tell(&session, std::slice::from_ref(&source.name)).await?;
    let views = session.services().await?;
    Ok(waits(views.iter().filter(|held| held.id == source.id), options.waiting_ok))
}

/// What the files say against it.
fn check(from: &ServiceSpec, to: &ServiceSpec) -> Result<(), String> {
    for side in [from, to] {
        if side.template.primary.is_global() && side.kind.has_units() {
            return Err(format!("{}: {NO_GLOBALS}", side.name));
        }
        if !side.kind.has_units() {
            return Err(format!(
                "{} has no containers of its own, so it has no part in an upgrade",
                side.name
            ));
        }
    }
    if from.name == to.name {
        return Err(format!("{} can't be upgraded to itself: name two services", from.name));
    }
    Ok(())
}

/// How far this very upgrade is: the same command goes on where an earlier one was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It was not asked for yet.
    Apart,
    /// On its way or through, or cancelled half-way.
    UnderWay,
    /// Confirmed; nothing is left to the source.
    Confirmed,
}

fn stand(source: &ServiceView, target: Option<&ServiceView>) -> Stand {
    let leads_there = |to: &Value| target.is_some_and(|target| *to == target.id);
    let now = leads_there(&source.whole["upgrade"]["toServiceStrategy"]["toServiceId"]);
    let last = &source.whole["lastUpgrade"];
    let before = leads_there(&last["toServiceId"]) && last["phase"] == "finishing-upgrade";
    match source.state.as_str() {
        "upgrading" | "upgraded" | "canceling-upgrade" | "canceled-upgrade" if now => {
            Stand::UnderWay
        }
        "finishing-upgrade" if now => Stand::Confirmed,
        "active" | "inactive" if before && source.scale == 0 => Stand::Confirmed,
        _ => Stand::Apart,
    }
}

async fn resume(session: &Session<'_>, source: &ServiceView) -> Result<(), Failure> {
    match source.state.as_str() {
        "upgraded" => {
            let text = format!("{} is upgraded already", source.name);
            session.reporter.tell(&Event::note(text));
            Ok(())
        }
        "upgrading" => Ok(()),
        _ => Ok(CONTINUE.take(session, source, "", &nothing()).await?),
    }
}

/// The target, running: made at scale 0 if it isn't there.
async fn target(session: &mut Session<'_>, spec: &ServiceSpec) -> Result<ServiceView, Failure> {
    let views = session.services().await?;
    if view_of(&views, &spec.name).is_none() {
        let none = ServiceSpec { scale: Some(0), ..spec.clone() };
        Plan::of_one(session.project()?, &none).create(session).await?;
    }
    let views = session.registered(&[&spec.name]).await?;
    let Some(view) = view_of(&views, &spec.name) else {
        return Err(Failure::Failed(format!("{} was removed meanwhile", spec.name)));
    };
    if view.actions.contains("activate") && view.state != "restarting" {
        ACTIVATE.take(session, view, "", &nothing()).await?;
        session.wait_and(vec![Wanted::new(view, Goal::Running)], Rest::More).await?;
    }
    Ok(view.clone())
}

/// Ask for it.
async fn begin(
    session: &Session<'_>,
    source: &ServiceView,
    (target, scale): (&ServiceView, u32),
    options: &Between,
) -> Result<(), Failure> {
    let (from, to) = (&source.name, &target.name);
    let says = format!("Upgrading {from} to {to}, scale={scale}");
    session.reporter.tell(&Event::general("upgrade", says));
    let doing = format!("upgrade {from} to {to}");
    let path = format!("services/{}", source.id);
    session.client.act(&doing, &path, "upgrade", &body(options, scale, &target.id)).await?;
    Ok(())
}

/// A scale that is negative means the source's; one of 0 is none to move to.
fn final_scale(asked: Option<i64>, source: &ServiceView) -> Result<u32, String> {
    let scale = u32::try_from(asked.unwrap_or(-1)).unwrap_or(source.scale);
    if scale == 0 {
        let name = &source.name;
        return Err(format!(
            "{name} has scale {}: say with --scale how many units there shall be in the end, at least 1",
            source.scale
        ));
    }
    Ok(scale)
}

fn body(options: &Between, scale: u32, target: &str) -> Value {
    json!({ "toServiceStrategy": {
        "toServiceId": target,
        "finalScale": scale,
        "updateLinks": options.update_links.unwrap_or(true),
        "batchSize": options.batch_size.unwrap_or(BATCH_SIZE),
        "intervalMillis": options.interval.unwrap_or(INTERVAL_MS),
    }})
}

/// What was confirmed is over: remove the source, if nothing of it runs.
async fn clean_up(session: &Session<'_>, source: &ServiceView) -> Result<(), Failure> {
    requests::tell(session, std::slice::from_ref(&source.name)).await?;
    let views = session.services().await?;
    let Some(now) = view_of(&views, &source.name) else { return Ok(()) };
    if now.scale != 0 {
        let text = format!("{} is kept: its scale is {} again", now.name, now.scale);
        session.reporter.tell(&Event::warning(text));
        return Ok(());
    }
    session.reporter.tell(&Event::step(&now.name, "remove", "removing"));
    let doing = format!("remove {}", now.name);
    session.client.delete(&doing, &format!("services/{}", now.id)).await?;
    Ok(session.wait(vec![Wanted::new(now, Goal::Removed)]).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_in_the_end() {
        let source = |scale| ServiceView::read(&json!({ "name": "v1", "scale": scale }));
        for (asked, scale, want) in [
            (None, 3, Ok(3)),
            (Some(-1), 3, Ok(3)),
            (Some(5), 3, Ok(5)),
            (Some(2), 0, Ok(2)),
            (Some(0), 3, Err(())),
            (None, 0, Err(())),
        ] {
            assert_eq!(final_scale(asked, &source(scale)).map_err(drop), want, "{asked:?} {scale}");
        }
    }

    #[test]
    fn the_same_upgrade_is_gone_on_with() {
        let view = |state: &str, scale: u32, upgrade: Value, last: Value| {
            ServiceView::read(&json!({
                "id": "1s1", "name": "v1", "state": state, "scale": scale, "upgrade": upgrade,
                "lastUpgrade": last,
            }))
        };
        let target = ServiceView::read(&json!({ "id": "1s2", "name": "v2" }));
        let to = |id: &str| json!({ "toServiceStrategy": { "toServiceId": id } });
        for (state, id, want) in [
            ("upgrading", "1s2", Stand::UnderWay),
            ("canceled-upgrade", "1s2", Stand::UnderWay),
            ("upgrading", "1s3", Stand::Apart),
            ("upgraded", "1s2", Stand::UnderWay),
            ("rolling-back", "1s2", Stand::Apart),
            ("finishing-upgrade", "1s2", Stand::Confirmed),
        ] {
            let source = view(state, 3, to(id), Value::Null);
            assert_eq!(stand(&source, Some(&target)), want, "{state} {id}");
        }
        assert_eq!(stand(&view("upgrading", 3, to("1s2"), Value::Null), None), Stand::Apart);
        for (scale, phase, id, want) in [
            (0, "finishing-upgrade", "1s2", Stand::Confirmed),
            (2, "finishing-upgrade", "1s2", Stand::Apart),
            (0, "rolling-back", "1s2", Stand::Apart),
            (0, "finishing-upgrade", "1s3", Stand::Apart),
        ] {
            let last = json!({ "phase": phase, "toServiceId": id });
            let source = view("active", scale, Value::Null, last);
            assert_eq!(stand(&source, Some(&target)), want, "{scale} {phase} {id}");
        }
    }
}
