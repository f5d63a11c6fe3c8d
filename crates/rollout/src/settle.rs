//! Waiting until nothing is on its way any more, wherever it goes.

use drover_core::ServiceKind;

use crate::error::Failure;
use crate::outcome::{Standing, standing};
use crate::session::Session;
use crate::view::ServiceView;
use crate::wait::{Goal, Wanted};

/// Wait until none of these is on its way anywhere, and say how they stand: those that go as one go back one after the
/// other. With the names of those that were waited for.
pub async fn settle(
    session: &Session<'_>,
    chosen: &[ServiceView],
) -> Result<(Vec<ServiceView>, Vec<String>), Failure> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let views = session.services().await?;
        let is_chosen = |view: &ServiceView| chosen.iter().any(|held| held.id == view.id);
        let views: Vec<ServiceView> = views.into_iter().filter(is_chosen).collect();
        let wanted = views.iter().filter_map(|view| Some(Wanted::new(view, goal(view)?)));
        let wanted: Vec<Wanted> = wanted.collect();
        if wanted.is_empty() {
            return Ok((views, names));
        }
        names.extend(wanted.iter().map(|wanted| wanted.name.clone()));
        match session.wait(wanted).await {
            // What came of it is read again, with what went along.
            Ok(()) | Err(Failure::RolledBack(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// Where a service is on its way to; nothing if it is at rest.
fn goal(view: &ServiceView) -> Option<Goal> {
    match view.state.as_str() {
        "upgrading" | "canceling-upgrade" => Some(Goal::Upgraded),
        "upgraded" if standing(view) == Standing::Moves => Some(Goal::Upgraded),
        "finishing-upgrade" => Some(Goal::Finished),
        "rolling-back" => Some(Goal::RolledBack),
        "registering" | "activating" => Some(Goal::Running),
        "restarting" => Some(Goal::Restarted),
        "deactivating" => Some(Goal::Stopped),
        "removing" => Some(Goal::Removed),
        // One that is scaled stays active all the while.
        "active" if is_scaling(view) => Some(Goal::Scaled(view.scale)),
        _ => None,
    }
}

/// Whether not as many of its units serve as are wanted. A global service has as many as there are hosts.
fn is_scaling(view: &ServiceView) -> bool {
    let is_counted = view.kind == ServiceKind::Containers
        && !view.template().is_ok_and(|template| template.primary.is_global());
    is_counted && view.current_scale != view.scale
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn view(name: &str, state: &str, more: &Value) -> ServiceView {
        let mut whole = json!({ "id": name, "name": name, "state": state });
        for (key, value) in more.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        ServiceView::read(&whole)
    }

    #[test]
    fn what_is_at_rest_is_not_waited_for() {
        for state in ["active", "inactive", "upgraded", "canceled-upgrade", "removed"] {
            assert_eq!(goal(&view("web", state, &json!({}))), None, "{state}");
        }
        let watched = json!({ "upgrade": { "watched": true } });
        assert_eq!(goal(&view("web", "upgraded", &watched)), Some(Goal::Upgraded));
    }

    #[test]
    fn one_that_is_scaled_is_under_way_though_it_is_active() {
        let of = |scale: u32, current: u32, kind: &str, global: &str| {
            let labels = json!({ "io.rancher.scheduler.global": global });
            let launch = json!({ "imageUuid": "docker:a", "labels": labels });
            goal(&view(
                "web",
                "active",
                &json!({
                    "scale": scale, "currentScale": current, "type": kind, "launchConfig": launch,
                }),
            ))
        };
        assert_eq!(of(3, 3, "service", "false"), None);
        assert_eq!(of(5, 3, "service", "false"), Some(Goal::Scaled(5)));
        assert_eq!(of(1, 3, "service", "false"), Some(Goal::Scaled(1)));
        assert_eq!(of(1, 3, "service", "true"), None);
        assert_eq!(of(1, 0, "dnsService", "false"), None);
    }
}
