//! The actions that commands ask of a service: what they are called on the wire, in events and in sentences.

use serde_json::Value;

use crate::failure::Failure;
use crate::progress::Event;
use crate::session::Session;
use crate::wire::ServiceView;

/// One action.
pub(crate) struct Step {
    /// On the wire.
    action: &'static str,
    /// For programs.
    event: &'static str,
    /// While it is done: `web: starting`.
    says: &'static str,
    /// When it could not be done: `could not start web`.
    does: &'static str,
}

pub(crate) const ACTIVATE: Step =
    Step { action: "activate", event: "activate", says: "starting", does: "start" };
pub(crate) const DEACTIVATE: Step =
    Step { action: "deactivate", event: "deactivate", says: "stopping", does: "stop" };
pub(crate) const RESTART: Step =
    Step { action: "restart", event: "restart", says: "restarting", does: "restart" };
pub(crate) const UPGRADE: Step =
    Step { action: "upgrade", event: "upgrade", says: "upgrading", does: "upgrade" };
pub(crate) const CONTINUE: Step = Step {
    action: "continueupgrade",
    event: "continue",
    says: "going on with its upgrade",
    does: "go on with the upgrade of",
};
pub(crate) const FINISH: Step = Step {
    action: "finishupgrade",
    event: "confirm",
    says: "confirming its upgrade",
    does: "confirm the upgrade of",
};
pub(crate) const ROLLBACK: Step =
    Step { action: "rollback", event: "rollback", says: "rolling back", does: "roll back" };

impl Step {
    /// Say it and ask for it. `more` is said behind it.
    pub(crate) async fn take(
        &self,
        session: &Session<'_>,
        view: &ServiceView,
        more: &str,
        body: &Value,
    ) -> Result<(), Failure> {
        let says =
            if more.is_empty() { self.says.to_owned() } else { format!("{}: {more}", self.says) };
        session.reporter.tell(&Event::step(&view.name, self.event, says));
        let (doing, path) =
            (format!("{} {}", self.does, view.name), format!("services/{}", view.id));
        session.client.act(&doing, &path, self.action, body).await?;
        Ok(())
    }
}
