//! Carrying out what replaces containers: going on with an upgrade, beginning others as one, confirming them.

use drover_compose::ServiceSpec;
use serde_json::json;

use super::decide::Replace;
use super::{Held, Plan, body};
use crate::args::Up;
use crate::client::nothing;
use crate::failure::Failure;
use crate::session::{Session, list};
use crate::status::tell_requests;
use crate::step::{CONTINUE, UPGRADE, confirm};
use crate::wait::{Goal, Rest, Wanted};
use crate::watch::{ending, settle};
use crate::wire::ServiceView;

impl Plan {
    /// Whether containers of any service are to be replaced.
    pub(super) fn upgrades_anything(&self) -> bool {
        self.held().any(|(_, held)| held.decision.replace.is_some())
    }

    /// All that is replaced goes as one: services that others need first, and the others when those are through. Whoever
    /// watches may go meanwhile; what fails takes the others back with it, if its policy says so.
    pub(super) async fn upgrade(&self, session: &Session<'_>, options: &Up) -> Result<(), Failure> {
        self.watch(session).await?;
        let first = self.held().filter(|(_, held)| held.decision.finish_first);
        confirm(session, &views(first), Rest::More).await?;
        let replaced = self.held().filter(|(_, held)| held.decision.replace.is_some());
        let replaced: Vec<(&ServiceSpec, &Held)> = replaced.collect();
        match replaced.as_slice() {
            [] => {}
            [(spec, held)] => self.upgrade_one(session, options, spec, held).await?,
            several => self.upgrade_together(session, options, several).await?,
        }
        let upgraded = replaced.iter().map(|(_, held)| Wanted::new(&held.view, Goal::Upgraded));
        if let Err(failure) = session.wait_and(upgraded.collect(), self.after_upgrade()).await {
            if matches!(failure, Failure::RolledBack(_)) {
                // Others may have gone back with it after they had arrived.
                let (views, _) = settle(session, &views(replaced.iter().copied())).await?;
                ending(&views.iter().collect::<Vec<_>>(), true)?;
            }
            return Err(failure);
        }
        let confirmed = self.held().filter(|(_, held)| held.decision.confirm);
        confirm(session, &views(confirmed), Rest::Nothing).await?;
        let told = self.held().filter(|(_, held)| {
            let decision = &held.decision;
            decision.replace.is_some() || decision.confirm || decision.resume || decision.watch
        });
        let names: Vec<String> = told.map(|(spec, _)| spec.name.clone()).collect();
        tell_requests(session, &names).await
    }

    async fn upgrade_one(
        &self,
        session: &Session<'_>,
        options: &Up,
        spec: &ServiceSpec,
        held: &Held,
    ) -> Result<(), Failure> {
        let Some(replace) = &held.decision.replace else { return Ok(()) };
        let mut body = body::upgrade(spec, replace, options.batch_size, options.interval);
        if let Some(reason) = &options.reason {
            body["reason"] = reason.as_str().into();
        }
        UPGRADE.take(session, &held.view, what(replace), &body).await
    }

    /// One request for all of them: what one of them can't do, none does.
    async fn upgrade_together(
        &self,
        session: &Session<'_>,
        options: &Up,
        replaced: &[(&ServiceSpec, &Held)],
    ) -> Result<(), Failure> {
        for (_, held) in replaced {
            let Some(replace) = &held.decision.replace else { continue };
            UPGRADE.say(session, &held.view, what(replace));
        }
        let names: Vec<&str> = replaced.iter().map(|(spec, _)| spec.name.as_str()).collect();
        let doing = format!("upgrade {}", list(&names));
        let path = format!("stacks/{}", session.stack()?.id);
        let body = json!({ "services": self.members(options), "reason": options.reason });
        session.client.act(&doing, &path, "upgradeservices", &body).await?;
        Ok(())
    }

    /// Upgrades that are under way already, by an earlier run of this command.
    async fn watch(&self, session: &Session<'_>) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for (_, Held { view, decision, .. }) in self.held() {
            if decision.resume {
                CONTINUE.take(session, view, "", &nothing()).await?;
            }
            if decision.resume || decision.watch {
                wanted.push(Wanted::new(view, Goal::Upgraded));
            }
        }
        let rest = if self.upgrades_anything() { Rest::More } else { self.after_upgrade() };
        session.wait_and(wanted, rest).await
    }

    /// What is left to ask for when all is upgraded.
    fn after_upgrade(&self) -> Rest {
        let any = self.held().any(|(_, held)| held.decision.confirm);
        if any { Rest::More } else { Rest::Nothing }
    }
}

/// What is replaced, in words.
fn what(replace: &Replace) -> &str {
    if replace.what.is_empty() { "as asked" } else { &replace.what }
}

fn views<'a>(held: impl Iterator<Item = (&'a ServiceSpec, &'a Held)>) -> Vec<ServiceView> {
    held.map(|(_, held)| held.view.clone()).collect()
}
