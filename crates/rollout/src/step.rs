//! The actions that are asked of a service: what they are called on the wire, in events and in sentences.

use serde_json::Value;

use crate::api::nothing;
use crate::error::Failure;
use crate::event::Event;
use crate::session::Session;
use crate::view::ServiceView;
use crate::wait::{Goal, Rest, Wanted};

/// One action.
pub struct Step {
    /// On the wire.
    action: &'static str,
    /// For programs.
    event: &'static str,
    /// While it is done: `web: starting`.
    says: &'static str,
    /// When it could not be done: `could not start web`.
    does: &'static str,
}

/// Start a service.
pub const ACTIVATE: Step =
    Step { action: "activate", event: "activate", says: "starting", does: "start" };
/// Stop a service.
pub const DEACTIVATE: Step =
    Step { action: "deactivate", event: "deactivate", says: "stopping", does: "stop" };
/// Restart its containers.
pub const RESTART: Step =
    Step { action: "restart", event: "restart", says: "restarting", does: "restart" };
/// Replace its containers.
pub const UPGRADE: Step =
    Step { action: "upgrade", event: "upgrade", says: "upgrading", does: "upgrade" };
/// Stop its upgrade half-way.
pub const CANCEL: Step = Step {
    action: "cancelupgrade",
    event: "cancel",
    says: "stopping its upgrade half-way",
    does: "stop the upgrade of",
};
/// Go on with its upgrade.
pub const CONTINUE: Step = Step {
    action: "continueupgrade",
    event: "continue",
    says: "going on with its upgrade",
    does: "go on with the upgrade of",
};
const FINISH: Step = Step {
    action: "finishupgrade",
    event: "confirm",
    says: "confirming its upgrade",
    does: "confirm the upgrade of",
};
/// Go back to what it was before its upgrade.
pub const ROLLBACK: Step =
    Step { action: "rollback", event: "rollback", says: "rolling back", does: "roll back" };

impl Step {
    /// What it is called on the wire; a service offers it when it can be asked.
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// What it does to a service: `stop the upgrade of`.
    pub fn does(&self) -> &'static str {
        self.does
    }

    /// Say it and ask for it. `more` is said behind it.
    pub async fn take(
        &self,
        session: &Session<'_>,
        view: &ServiceView,
        more: &str,
        body: &Value,
    ) -> Result<(), Failure> {
        self.say(session, view, more);
        let (doing, path) =
            (format!("{} {}", self.does, view.name), format!("services/{}", view.id));
        session.api.act(&doing, &path, self.action, body).await?;
        Ok(())
    }

    /// The same, where it may come about meanwhile by itself or with others: a refusal counts only if it has not.
    pub async fn take_unless(
        &self,
        session: &Session<'_>,
        view: &ServiceView,
        is_under_way: impl Fn(&ServiceView) -> bool,
    ) -> Result<(), Failure> {
        let Err(refused) = self.take(session, view, "", &nothing()).await else { return Ok(()) };
        let now = session.services().await?;
        let came_about = now.iter().any(|held| held.id == view.id && is_under_way(held));
        if came_about { Ok(()) } else { Err(refused) }
    }

    /// Say it only: it is asked for together with others.
    pub fn say(&self, session: &Session<'_>, view: &ServiceView, more: &str) {
        let says =
            if more.is_empty() { self.says.to_owned() } else { format!("{}: {more}", self.says) };
        session.reporter.tell(&Event::step(&view.name, self.event, says));
    }
}

/// Confirm upgrades, and wait until that is done. Those that went as one are confirmed as one, and one whose policy says so
/// was confirmed by itself: what is on its way or over is not asked again. One that was rolled back meanwhile is a failure.
pub async fn confirm(
    session: &Session<'_>,
    views: &[ServiceView],
    rest: Rest,
) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for view in views {
        let now = session.services().await?;
        let view = now.iter().find(|held| held.id == view.id).unwrap_or(view);
        if !is_decided(view) {
            FINISH.take_unless(session, view, is_decided).await?;
        }
        wanted.push(Wanted::new(view, Goal::Finished));
    }
    session.wait_and(wanted, rest).await
}

/// Whether what becomes of its upgrade is decided: it is confirmed, or taken back.
fn is_decided(view: &ServiceView) -> bool {
    matches!(view.state.as_str(), "active" | "finishing-upgrade" | "rolling-back")
}
