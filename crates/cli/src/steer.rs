//! `upgrade cancel` and `upgrade continue`: an upgrade that is under way is stopped half-way, and goes on again.
//!
//! Going back is `up --rollback`, and the end `up --confirm-upgrade`.
use drover_rollout::{CANCEL, CONTINUE, Event, Goal, ServiceView, Step, Wanted, requests};

use crate::Program;
use crate::args::{Continue, Selected};
use crate::failure::Failure;
use crate::outcome::{Ending, waits};
use crate::progress::Reporter;
use crate::session::Session;

/// `upgrade cancel`.
pub(crate) async fn cancel(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.services).await?;
    let is_under_way = |view: &ServiceView| {
        matches!(view.state.as_str(), "canceling-upgrade" | "canceled-upgrade")
    };
    let came_about = |view: &ServiceView| is_under_way(view) || view.state == "upgraded";
    let ways = (is_under_way, came_about);
    let stopped = ask(&session, (&views, &options.services), &CANCEL, ways).await?;
    if stopped.is_empty() {
        reporter.tell(&Event::note("nothing to stop: no upgrade is under way"));
    }
    let wanted = stopped.iter().map(|view| Wanted::new(view, Goal::Canceled)).collect();
    session.wait(wanted).await?;
    let now = session.services().await?;
    let stands =
        |held: &ServiceView| stopped.iter().any(|view| view.id == held.id) && is_under_way(held);
    if now.iter().any(stands) {
        let program = program.name();
        reporter.tell(&Event::note(format!(
            "go on with `{program} upgrade continue`, or back with `{program} up --rollback`"
        )));
    }
    Ok(())
}

/// `upgrade continue`.
pub(crate) async fn go_on(
    options: &Continue,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let selected = &options.selected;
    let session = Session::begin(&selected.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&selected.services).await?;
    let is_under_way = |view: &ServiceView| view.state == "upgrading";
    let ways = (is_under_way, is_under_way);
    let moving = ask(&session, (&views, &selected.services), &CONTINUE, ways).await?;
    if moving.is_empty() {
        reporter.tell(&Event::note("nothing to go on with: no upgrade stands half-way"));
        return Ok(Ending::Done);
    }
    let wanted = moving.iter().map(|view| Wanted::new(view, Goal::Upgraded)).collect();
    session.wait(wanted).await?;
    let names: Vec<String> = moving.iter().map(|view| view.name.clone()).collect();
    requests::tell(&session, &names).await?;
    let now = session.services().await?;
    let moved = now.iter().filter(|held| moving.iter().any(|view| view.id == held.id));
    Ok(waits(moved, options.waiting_ok))
}

/// Ask it of those that can do it; who was named and can't is an error. Those that are on the way already are waited for.
async fn ask(
    session: &Session<'_>,
    (views, named): (&[ServiceView], &[String]),
    step: &Step,
    (is_under_way, came_about): (impl Fn(&ServiceView) -> bool, impl Fn(&ServiceView) -> bool),
) -> Result<Vec<ServiceView>, Failure> {
    let may = |view: &&ServiceView| is_under_way(view) || view.actions.contains(step.action());
    if let Some(view) = views.iter().find(|view| !named.is_empty() && !may(view)) {
        let (name, state, does) = (&view.name, &view.state, step.does());
        return Err(Failure::Failed(format!("can't {does} {name}: it is {state}")));
    }
    let asked: Vec<ServiceView> = views.iter().filter(may).cloned().collect();
    for view in asked.iter().filter(|view| !is_under_way(view)) {
        step.take_unless(session, view, &came_about).await?;
    }
    Ok(asked)
}
