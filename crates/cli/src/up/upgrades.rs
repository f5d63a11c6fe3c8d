//! Carrying out what replaces containers: going on with an upgrade, beginning others in waves, confirming them.

use super::{Held, Plan, body, order};
use crate::args::Up;
use crate::client::nothing;
use crate::failure::Failure;
use crate::session::{Session, list};
use crate::status::tell_requests;
use crate::step::{CONTINUE, FINISH, UPGRADE};
use crate::wait::{Goal, Wanted};

impl Plan {
    /// Whether containers of any service are to be replaced.
    pub(super) fn upgrades_anything(&self) -> bool {
        self.held().any(|(_, held)| held.decision.replace.is_some())
    }

    /// Services that others need first, and the others when those are through; at the end they are confirmed
    /// together, so that until then all of them can go back.
    pub(super) async fn upgrade(&self, session: &Session<'_>, options: &Up) -> Result<(), Failure> {
        self.watch(session).await?;
        let replaced = self.held().filter(|(_, held)| held.decision.replace.is_some());
        let names: Vec<String> = replaced.map(|(spec, _)| spec.name.clone()).collect();
        let mut through: Vec<String> = Vec::new();
        for wave in order::waves(&self.spec, &names) {
            if let Err(failure) = self.upgrade_wave(session, options, &wave).await {
                return Err(also_say(failure, "Upgraded before that", &through));
            }
            through.extend(wave);
        }
        self.finish(session, &|held| held.decision.confirm).await?;
        let told = self.held().filter(|(_, held)| {
            let decision = &held.decision;
            decision.replace.is_some() || decision.confirm || decision.resume || decision.watch
        });
        let names: Vec<String> = told.map(|(spec, _)| spec.name.clone()).collect();
        tell_requests(session, &names).await
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
        session.wait(wanted).await
    }

    async fn upgrade_wave(
        &self,
        session: &Session<'_>,
        options: &Up,
        wave: &[String],
    ) -> Result<(), Failure> {
        let is_in_wave = |held: &Held| wave.contains(&held.view.name);
        self.finish(session, &|held| held.decision.finish_first && is_in_wave(held)).await?;
        let mut wanted: Vec<Wanted> = Vec::new();
        for (spec, held) in self.held().filter(|(_, held)| is_in_wave(held)) {
            let Some(replace) = &held.decision.replace else { continue };
            let what = if replace.what.is_empty() { "as asked" } else { &replace.what };
            let mut body = body::upgrade(spec, replace, options.batch_size, options.interval);
            if let Some(reason) = &options.reason {
                body["reason"] = reason.as_str().into();
            }
            if let Err(failure) = UPGRADE.take(session, &held.view, what, &body).await {
                let begun: Vec<String> = wanted.into_iter().map(|wanted| wanted.name).collect();
                return Err(also_say(failure, "Begun before that, and going on", &begun));
            }
            wanted.push(Wanted::new(&held.view, Goal::Upgraded));
        }
        session.wait(wanted).await
    }

    async fn finish(
        &self,
        session: &Session<'_>,
        is_meant: &dyn Fn(&Held) -> bool,
    ) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for (_, held) in self.held().filter(|(_, held)| is_meant(held)) {
            FINISH.take(session, &held.view, "", &nothing()).await?;
            wanted.push(Wanted::new(&held.view, Goal::Finished));
        }
        session.wait(wanted).await
    }
}

/// A failure after others went well says so: nobody must guess what state the stack is in.
fn also_say(failure: Failure, what: &str, names: &[String]) -> Failure {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match failure {
        failure if names.is_empty() => failure,
        Failure::Failed(why) => Failure::Failed(format!("{why}. {what}: {}", list(&names))),
        Failure::Call(error) => Failure::Failed(format!("{error}. {what}: {}", list(&names))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_middle_says_what_went_before() {
        let said = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            also_say(Failure::Failed("web: no".into()), "Upgraded before that", &names).to_string()
        };
        assert_eq!(said(&[]), "web: no");
        assert_eq!(said(&["db", "cache"]), "web: no. Upgraded before that: db and cache");
    }
}
