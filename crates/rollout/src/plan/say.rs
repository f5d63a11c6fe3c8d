//! What `up` says before it does anything: what differs, what it leaves alone, what it would do.

use super::decide::Note;
use super::{Held, Plan};
use crate::event::Event;
use crate::session::{Session, list};

impl Plan {
    /// What there is to say before anything is done.
    pub fn say(&self, session: &Session<'_>) {
        for note in self.held().flat_map(|(_, held)| &held.decision.notes) {
            session.reporter.tell(&match note {
                Note::Info(text) => Event::note(text),
                Note::Warning(text) => Event::warning(text),
            });
        }
        if !self.asked.prune && !self.strays.is_empty() && self.asked.names.is_empty() {
            let names: Vec<&str> = self.strays.iter().map(|view| view.name.as_str()).collect();
            session.reporter.tell(&Event::note(format!(
                "{} of the stack: not in the files, left alone; up --prune removes what is not in them",
                list(&names)
            )));
        }
        if self.asked.confirm && !self.held().any(|(_, held)| held.decision.confirm) {
            session.reporter.tell(&Event::note(self.nothing_to_confirm()));
        }
    }

    /// What would be done, line by line.
    pub fn say_what_would_be_done(&self, session: &Session<'_>) {
        let tell = |text: String| session.reporter.tell(&Event::note(text));
        for chosen in &self.chosen {
            match &chosen.held {
                None => tell(format!("would create and start {}", chosen.spec.name)),
                Some(held) => held.would().into_iter().for_each(tell),
            }
        }
        for stray in self.strays.iter().filter(|_| self.asked.prune) {
            tell(format!("would remove {}", stray.name));
        }
        self.say_if_nothing(session, false);
    }

    /// That the services are as in the files, if that is all there is to say.
    pub(super) fn say_if_nothing(&self, session: &Session<'_>, linked: bool) {
        let pruned = self.asked.prune && !self.strays.is_empty();
        let idle = self.missing().next().is_none()
            && self.held().all(|(_, held)| held.decision.is_nothing());
        if pruned || linked || !idle {
            return;
        }
        let in_sync: Vec<&str> = self
            .held()
            .filter(|(_, held)| !held.difference.needs_upgrade())
            .map(|(spec, _)| spec.name.as_str())
            .collect();
        let text = match in_sync.as_slice() {
            [] if self.chosen.is_empty() => "nothing to do: the files have no service".to_owned(),
            [] => return, // All are out of sync, and that was said.
            [one] => format!("nothing to do: {one} is as in the files"),
            all => format!("nothing to do: {} are as in the files", all.join(", ")),
        };
        session.reporter.tell(&Event::note(text));
    }

    fn nothing_to_confirm(&self) -> String {
        let states: Vec<String> = self
            .held()
            .map(|(_, held)| format!("{} is {}", held.view.name, held.view.state))
            .collect();
        if states.is_empty() {
            "nothing to confirm: there is no service yet".to_owned()
        } else {
            format!("nothing to confirm: {}", states.join(", "))
        }
    }
}

impl Held {
    fn would(&self) -> Vec<String> {
        let (name, decision) = (&self.view.name, &self.decision);
        let mut would = Vec::new();
        if decision.finish_first {
            would.push(format!("would confirm the upgrade of {name} that waits for a decision"));
        }
        if decision.resume {
            would.push(format!("would go on with the upgrade of {name}"));
        }
        if decision.watch {
            would.push(format!("would go on watching the upgrade of {name}"));
        }
        if let Some(replace) = &decision.replace {
            let what = if replace.what.is_empty() { "forced" } else { &replace.what };
            would.push(format!("would upgrade {name}: {what}"));
        }
        if decision.put {
            let what = self.difference.members();
            would.push(format!("would change {name}, its containers untouched: {what}"));
        }
        if decision.activate {
            would.push(format!("would start {name}"));
        }
        if decision.confirm {
            would.push(format!("would confirm the upgrade of {name}"));
        }
        would
    }
}
