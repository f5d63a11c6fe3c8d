//! Carrying out what replaces containers: going on with an upgrade, beginning others as one, confirming them.

use drover_compose::ServiceSpec;
use serde_json::{Value, json};

use super::decide::Replace;
use super::{Held, Plan, body, order};
use crate::api::nothing;
use crate::error::Failure;
use crate::outcome::worst;
use crate::requests;
use crate::session::{Session, list};
use crate::settle::settle;
use crate::step::{CONTINUE, UPGRADE, confirm};
use crate::view::ServiceView;
use crate::wait::{Goal, Rest, Wanted};

impl Plan {
    /// Whether containers of any service are to be replaced.
    pub(super) fn upgrades_anything(&self) -> bool {
        self.held().any(|(_, held)| held.decision.replace.is_some())
    }

    /// All that is replaced goes as one: services that others need first, and the others when those are through. Whoever
    /// watches may go meanwhile; what fails takes the others back with it, if its policy says so.
    pub(super) async fn upgrade(&self, session: &Session<'_>) -> Result<(), Failure> {
        self.watch(session).await?;
        let first = self.held().filter(|(_, held)| held.decision.finish_first);
        confirm(session, &views(first), Rest::More).await?;
        let replaced = self.held().filter(|(_, held)| held.decision.replace.is_some());
        let replaced: Vec<(&ServiceSpec, &Held)> = replaced.collect();
        match replaced.as_slice() {
            [] => {}
            [(spec, held)] => self.upgrade_one(session, spec, held).await?,
            several => self.upgrade_together(session, several).await?,
        }
        let upgraded = replaced.iter().map(|(_, held)| Wanted::new(&held.view, Goal::Upgraded));
        if let Err(failure) = session.wait_and(upgraded.collect(), self.after_upgrade()).await {
            if matches!(failure, Failure::RolledBack(_)) {
                // Others may have gone back with it after they had arrived.
                let (views, _) = settle(session, &views(replaced.iter().copied())).await?;
                worst(&views.iter().collect::<Vec<_>>())?;
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
        requests::tell(session, &names).await
    }

    async fn upgrade_one(
        &self,
        session: &Session<'_>,
        spec: &ServiceSpec,
        held: &Held,
    ) -> Result<(), Failure> {
        let Some(replace) = &held.decision.replace else { return Ok(()) };
        let mut body = self.upgrade_of(spec, replace);
        if let Some(reason) = &self.asked.reason {
            body["reason"] = reason.as_str().into();
        }
        UPGRADE.take(session, &held.view, what(replace), &body).await
    }

    /// One request for all of them: what one of them can't do, none does.
    async fn upgrade_together(
        &self,
        session: &Session<'_>,
        replaced: &[(&ServiceSpec, &Held)],
    ) -> Result<(), Failure> {
        for (_, held) in replaced {
            let Some(replace) = &held.decision.replace else { continue };
            UPGRADE.say(session, &held.view, what(replace));
        }
        let names: Vec<&str> = replaced.iter().map(|(spec, _)| spec.name.as_str()).collect();
        let doing = format!("upgrade {}", list(&names));
        let path = format!("stacks/{}", session.stack()?.id);
        let body = json!({ "services": self.members(), "reason": self.asked.reason });
        session.api.act(&doing, &path, "upgradeservices", &body).await?;
        Ok(())
    }

    /// What is upgraded, as one request has it.
    pub(super) fn members(&self) -> Vec<Value> {
        let replaced = || self.held().filter(|(_, held)| held.decision.replace.is_some());
        let names: Vec<String> = replaced().map(|(spec, _)| spec.name.clone()).collect();
        let id = |name: &str| {
            let found = replaced().find(|(spec, _)| spec.name == name);
            found.map(|(_, held)| held.view.id.clone())
        };
        let member = |(spec, held): (&ServiceSpec, &Held)| {
            let replace = held.decision.replace.as_ref()?;
            let mut body = self.upgrade_of(spec, replace);
            body["serviceId"] = held.view.id.as_str().into();
            let after = order::after(&self.spec, &names, &spec.name);
            body["after"] = after.iter().filter_map(|name| id(name)).collect();
            Some(body)
        };
        replaced().filter_map(member).collect()
    }

    /// The body that upgrades one service, at the pace that is asked for.
    fn upgrade_of(&self, spec: &ServiceSpec, replace: &Replace) -> Value {
        body::upgrade(spec, replace, self.asked.batch_size, self.asked.interval_ms)
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
