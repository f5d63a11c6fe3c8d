//! Carrying a plan out, apart from upgrades: volumes, new services, links, members, starting, pruning.

use super::targets::Targets;
use super::{Chosen, Held, Plan, body, links};
use crate::api::nothing;
use crate::diff::compare;
use crate::error::Failure;
use crate::event::Event;
use crate::session::{Session, view_of};
use crate::step::ACTIVATE;
use crate::view::ServiceView;
use crate::wait::{Goal, Rest, Wanted};

impl Plan {
    /// Do all of it, and wait for the outcome.
    pub async fn carry_out(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let stack = session.make_stack().await?.id;
        self.create_volumes(session, &stack).await?;
        let targets = self.create_missing(session, &stack).await?;
        let views = session.services().await?;
        let mut linked = false;
        for chosen in &self.chosen {
            linked |= links::write(session, &chosen.spec, &views).await?;
        }
        self.put_members(session, &targets).await?;
        self.activate(session).await?;
        if self.asked.prune {
            self.prune(session).await?;
        }
        self.say_if_nothing(session, linked);
        if self.upgrades_anything() {
            // What is replaced may need what is new.
            session.wait_and(self.started(&views), Rest::More).await?;
        }
        self.upgrade(session).await?;
        self.wait_until_running(session, &views).await
    }

    /// Make what isn't there, and start nothing.
    pub async fn create(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let stack = session.make_stack().await?.id;
        self.create_volumes(session, &stack).await?;
        self.create_missing(session, &stack).await?;
        // Links in a second pass, so that services may link to each other.
        let views = session.services().await?;
        for spec in self.missing() {
            links::write(session, spec, &views).await?;
        }
        Ok(())
    }

    async fn create_volumes(&self, session: &Session<'_>, stack: &str) -> Result<(), Failure> {
        if self.spec.volumes.is_empty() {
            return Ok(());
        }
        let doing = "list the volumes of the stack";
        let held = session.api.list(doing, "volumetemplates", &[("stackId", stack)]).await?;
        for (name, volume) in &self.spec.volumes {
            if let Some(held) = held.iter().find(|row| row["name"] == name.as_str()) {
                body::check_volume(name, volume, held).map_err(Failure::Failed)?;
                continue;
            }
            session.reporter.tell(&Event::general("create", format!("creating volume {name}")));
            let (doing, body) =
                (format!("create volume {name}"), body::volume(name, volume, stack));
            session.api.create(&doing, "volumetemplates", &body).await?;
        }
        Ok(())
    }

    /// Make the services that aren't there, in the order of the stack; gives back the ids of all.
    async fn create_missing(&self, session: &Session<'_>, stack: &str) -> Result<Targets, Failure> {
        let views = session.services().await?;
        let mut targets = Targets::find(session, &self.spec, &views).await?;
        for spec in self.missing() {
            targets.check(spec)?;
            session.reporter.tell(&Event::step(&spec.name, "create", "creating"));
            let body = body::service(spec, stack, &|name| targets.get(name));
            let doing = format!("create service {}", spec.name);
            let made = session.api.create(&doing, body::collection(spec), &body).await?;
            targets.add(&spec.name, &ServiceView::read(&made));
        }
        Ok(targets)
    }

    /// Members of the service itself; containers are not touched.
    async fn put_members(&self, session: &Session<'_>, targets: &Targets) -> Result<(), Failure> {
        for (spec, Held { view, .. }) in self.held().filter(|(_, held)| held.decision.put) {
            targets.check(spec)?;
            // Compared again: a balancer's new target has an id only now.
            let difference = compare(spec, view, &|name| targets.get(name))
                .map_err(|error| Failure::Failed(error.to_string()))?;
            let what = format!("changing {}", difference.members());
            session.reporter.tell(&Event::step(&view.name, "update", what));
            let (doing, path) = (format!("change {}", view.name), format!("services/{}", view.id));
            session.api.update(&doing, &path, &difference.fields.into()).await?;
        }
        Ok(())
    }

    /// Start what is created or stopped. In the stack's order, but without waiting in between: a container that
    /// needs another one is restarted until it is there.
    async fn activate(&self, session: &Session<'_>) -> Result<(), Failure> {
        let names = self.to_start();
        let views = session.registered(&names).await?;
        for view in names.iter().filter_map(|name| view_of(&views, name)) {
            // An alias is where it is wanted at once, and may be on already.
            if view.state != "active" {
                ACTIVATE.take(session, view, "", &nothing()).await?;
            }
        }
        Ok(())
    }

    async fn prune(&self, session: &Session<'_>) -> Result<(), Failure> {
        for stray in &self.strays {
            let says = "removing, not in the files";
            session.reporter.tell(&Event::step(&stray.name, "remove", says));
            let doing = format!("remove {}", stray.name);
            session.api.delete(&doing, &format!("services/{}", stray.id)).await?;
        }
        let gone = self.strays.iter().map(|view| Wanted::new(view, Goal::Removed));
        let rest = if self.upgrades_anything() { Rest::More } else { Rest::Nothing };
        session.wait_and(gone.collect(), rest).await
    }

    /// At the end everything runs, what was not touched too: a stack that does not run is no success.
    async fn wait_until_running(
        &self,
        session: &Session<'_>,
        views: &[ServiceView],
    ) -> Result<(), Failure> {
        let mut wanted = if self.upgrades_anything() { Vec::new() } else { self.started(views) };
        for (_, Held { view, decision, .. }) in self.held() {
            let settled = view.state == "active" && view.transitioning == "no";
            if !settled && !decision.activate && !decision.upgrades() {
                wanted.push(Wanted::new(view, Goal::Running));
            }
        }
        session.wait(wanted).await
    }

    /// Those that are started by this run, by name.
    fn to_start(&self) -> Vec<&str> {
        let is_started =
            |chosen: &&Chosen| chosen.held.as_ref().is_none_or(|held| held.decision.activate);
        let started = self.chosen.iter().filter(is_started);
        started.map(|chosen| chosen.spec.name.as_str()).collect()
    }

    fn started(&self, views: &[ServiceView]) -> Vec<Wanted> {
        let started = self.to_start().into_iter().filter_map(|name| view_of(views, name));
        started.map(|view| Wanted::new(view, Goal::Running)).collect()
    }
}
