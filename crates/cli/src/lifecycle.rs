//! `start`, `stop`, `restart`, `scale` and `rm`: one request for each service, then wait for the outcome.

use std::io::IsTerminal as _;

use drover_core::ServiceKind;
use drover_rollout::{
    ACTIVATE, DEACTIVATE, Event, Goal, RESTART, Rest, ServiceView, Wanted, list, nothing,
};
use serde_json::json;

use crate::Program;
use crate::args::{Restart, Rm, Scale, Selected};
use crate::ask::confirmed;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::session::Session;

/// `start`.
pub(crate) async fn start(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.services).await?;
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    session.registered(&names).await?;
    let views = session.selected(&options.services).await?;
    let mut waited = Vec::new();
    for view in &views {
        if view.actions.contains("activate") && view.state != "restarting" {
            ACTIVATE.take(&session, view, "", &nothing()).await?;
        }
        waited.push(Wanted::new(view, Goal::Running));
    }
    Ok(session.wait(waited).await?)
}

/// `stop`.
pub(crate) async fn stop(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.services).await?;
    let mut waited = Vec::new();
    // Those that others need go last.
    for view in views.iter().rev() {
        if view.state != "inactive" {
            if view.state != "deactivating" {
                DEACTIVATE.take(&session, view, "", &nothing()).await?;
            }
            waited.push(Wanted::new(view, Goal::Stopped));
        }
    }
    if waited.is_empty() {
        reporter.tell(&Event::note("nothing to stop: all of it is stopped"));
    }
    Ok(session.wait(waited).await?)
}

/// `restart`.
pub(crate) async fn restart(
    options: &Restart,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.selected.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.selected.services).await?;
    let strategy = json!({ "batchSize": options.batch_size, "intervalMillis": options.interval });
    let body = json!({ "rollingRestartStrategy": strategy });
    let mut waited = Vec::new();
    for view in views.iter().filter(|view| view.kind.has_units()) {
        RESTART.take(&session, view, "", &body).await?;
        waited.push(Wanted::new(view, Goal::Restarted));
    }
    Ok(session.wait(waited).await?)
}

/// `scale`.
pub(crate) async fn scale(
    options: &Scale,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let names: Vec<String> = options.scales.iter().map(|(name, _)| name.clone()).collect();
    let views = session.selected(&names).await?;
    let of = |view: &ServiceView| {
        options
            .scales
            .iter()
            .rfind(|(name, _)| view.name.eq_ignore_ascii_case(name))
            .map(|(_, n)| *n)
    };
    for view in &views {
        check_scalable(view).map_err(Failure::Failed)?;
    }
    let mut waited = Vec::new();
    for view in &views {
        let Some(units) = of(view) else { continue };
        let message = format!("scaling from {} to {units}", view.scale);
        reporter.tell(&Event::step(&view.name, "scale", message));
        let (doing, path) = (format!("scale {}", view.name), format!("services/{}", view.id));
        session.client.update(&doing, &path, &json!({ "scale": units })).await?;
        waited.push(Wanted::new(view, Goal::Scaled(units)));
    }
    Ok(session.wait(waited).await?)
}

/// `rm`.
pub(crate) async fn rm(options: &Rm, program: Program, reporter: &Reporter) -> Result<(), Failure> {
    let selected = &options.selected;
    let session = Session::begin(&selected.common, program, reporter).await?;
    let stack = session.stack()?.clone();
    let views = if options.stack_too {
        session.services().await?
    } else {
        session.selected(&selected.services).await?
    };
    if views.is_empty() && !options.stack_too {
        reporter.tell(&Event::note("nothing to remove: the stack has none of these services"));
        return Ok(());
    }
    if !options.force
        && std::io::stdin().is_terminal()
        && !confirmed(&question(&views, &stack.name, options.stack_too)).await?
    {
        return Err(Failure::Failed("nothing was removed".to_owned()));
    }
    let mut waited = Vec::new();
    for view in views.iter().rev() {
        reporter.tell(&Event::step(&view.name, "remove", "removing"));
        let doing = format!("remove {}", view.name);
        session.client.delete(&doing, &format!("services/{}", view.id)).await?;
        waited.push(Wanted::new(view, Goal::Removed));
    }
    let rest = if options.stack_too { Rest::More } else { Rest::Nothing };
    session.wait_and(waited, rest).await?;
    if options.stack_too {
        let doing = format!("remove stack {}", stack.name);
        session.client.delete(&doing, &format!("stacks/{}", stack.id)).await?;
        reporter.tell(&Event::general("remove", format!("stack {}: removed", stack.name)));
    }
    Ok(())
}

fn check_scalable(view: &ServiceView) -> Result<(), String> {
    let name = &view.name;
    match view.kind {
        ServiceKind::Alias | ServiceKind::External => {
            Err(format!("{name} has no containers of its own, so it has no scale"))
        }
        ServiceKind::Containers | ServiceKind::Balancer => {
            let global = view.template().is_ok_and(|template| template.primary.is_global());
            if global {
                return Err(format!(
                    "{name} runs once on every host (label io.rancher.scheduler.global), so it has no scale"
                ));
            }
            if !view.whole["scalePolicy"].is_null() {
                return Err(format!(
                    "{name} has a scale_policy, and its scale is found out: change the policy in its file, and `up`"
                ));
            }
            Ok(())
        }
    }
}

fn question(views: &[ServiceView], stack: &str, stack_too: bool) -> String {
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    let what = match (stack_too, names.as_slice()) {
        (true, []) => format!("stack {stack}"),
        (true, names) => format!("stack {stack} with {}", list(names)),
        (false, names) => format!("{} of stack {stack}", list(names)),
    };
    format!("Remove {what}, with all containers?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_scale() {
        let view = |kind: &str, label: &str| {
            ServiceView::read(&json!({
                "name": "web", "type": kind,
                "launchConfig": { "imageUuid": "docker:a", "labels": { "io.rancher.scheduler.global": label } },
            }))
        };
        assert_eq!(check_scalable(&view("service", "false")), Ok(()));
        assert!(check_scalable(&view("service", "true")).unwrap_err().contains("every host"));
        assert!(check_scalable(&view("dnsService", "")).unwrap_err().contains("no containers"));
    }
}
