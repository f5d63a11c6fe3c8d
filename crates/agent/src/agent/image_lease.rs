//! When the images that the assignment leases are looked after: when they are others than before, when work is over that may
//! have brought one, when Docker is back, and every hour, for whoever removed a tag by hand. What is to be done then is decided
//! in [`crate::image_lease`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Agent, AgentResult};
use crate::docker::{Engine, Leased, Trouble};

/// Rounds are made this often, whatever happened or didn't.
const EVERY: Duration = Duration::from_hours(1);
/// After one that did not go well.
const AFTER_TROUBLE: Duration = Duration::from_mins(1);
/// Work that ends about the same time shares a round.
const GATHER: Duration = Duration::from_secs(2);

/// The rounds.
#[derive(Debug)]
pub(super) struct ImageLeases {
    /// What the last one was about; `None` before the first.
    about: Option<BTreeSet<String>>,
    busy: bool,
    /// When the next one is due, if nothing else is leased before.
    due_at: Instant,
    /// Some are not on this host.
    lacks: bool,
    /// What was said last of what does not go well; empty if all does.
    trouble: String,
}

impl ImageLeases {
    pub(super) fn begin(now: Instant) -> Self {
        Self { about: None, busy: false, due_at: now, lacks: false, trouble: String::new() }
    }

    /// Docker is there, and may be another than before.
    pub(super) fn engine_came(&mut self, now: Instant) {
        self.due_at = now;
    }

    /// Work is over that may have brought an image.
    pub(super) fn work_over(&mut self, now: Instant) {
        if self.lacks {
            self.due_at = self.due_at.min(now + GATHER);
        }
    }

    /// When a round about these is due; `None` while one is on its way.
    fn due_at(&self, leased: &BTreeSet<String>, now: Instant) -> Option<Instant> {
        let others = self.about.as_ref() != Some(leased);
        // What did not go well isn't tried at every new assignment either.
        let at = if others && self.trouble.is_empty() { now } else { self.due_at };
        (!self.busy).then_some(at)
    }

    fn began(&mut self, leased: BTreeSet<String>, now: Instant) {
        self.about = Some(leased);
        self.busy = true;
        self.due_at = now + EVERY;
    }

    /// A round is over. True if what went wrong is news.
    fn over(&mut self, absent: usize, trouble: Option<&Trouble>, now: Instant) -> bool {
        self.busy = false;
        self.lacks = absent > 0;
        let trouble = trouble.map(ToString::to_string).unwrap_or_default();
        if !trouble.is_empty() {
            self.due_at = now + AFTER_TROUBLE;
        }
        let news = !trouble.is_empty() && trouble != self.trouble;
        self.trouble = trouble;
        news
    }
}

impl Agent {
    /// When the next round is due, if one can be made: without an assignment nobody has said what is leased.
    pub(super) fn image_leases_due_at(&self, now: Instant) -> Option<Instant> {
        self.engine.as_ref().filter(|engine| engine.cluster == self.assignment.cluster)?;
        let ordered = self.assignment.generation > 0 && self.assignment.host != 0;
        self.image_leases.due_at(&self.assignment.leases, now).filter(|_| ordered)
    }

    /// Make a round if one is due.
    pub(super) fn keep_image_leases(&mut self, engine: &Arc<Engine>) {
        let now = Instant::now();
        if self.image_leases_due_at(now).is_none_or(|at| at > now) {
            return;
        }
        self.image_leases.began(self.assignment.leases.clone(), now);
        let (engine, results) = (engine.clone(), self.results.clone());
        let assignment = self.assignment.clone();
        tokio::spawn(async move {
            let leased = engine.lease_images(&assignment.leases).await;
            let _ = results.send(AgentResult::Leased(leased));
        });
    }

    pub(super) fn images_leased(&mut self, leased: &Leased) {
        let Leased { held, let_go, absent, trouble } = leased;
        if held + let_go > 0 {
            tracing::info!(held, let_go, "images of revisions that are kept");
        }
        let news = self.image_leases.over(*absent, trouble.as_ref(), Instant::now());
        if let Some(trouble) = trouble.as_ref().filter(|_| news) {
            tracing::warn!("not all images that a rollback may need are held: {trouble}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let [none, one] = ["", "web@s:a"].map(|image| BTreeSet::from([image.to_owned()]));
        let mut leases = ImageLeases::begin(start);
        assert_eq!(leases.due_at(&none, at(5)), Some(at(5)), "an agent that just started");
        leases.began(none.clone(), at(5));
        assert_eq!(leases.due_at(&one, at(6)), None, "one at a time");
        assert!(!leases.over(0, None, at(6)));
        assert_eq!(leases.due_at(&none, at(6)), Some(at(3_605)), "nothing else is leased");
        assert_eq!(leases.due_at(&one, at(6)), Some(at(6)), "something else is");

        leases.work_over(at(7));
        assert_eq!(leases.due_at(&none, at(7)), Some(at(3_605)), "it has what it needs");
        leases.began(one.clone(), at(7));
        leases.over(1, None, at(8));
        leases.work_over(at(9));
        leases.work_over(at(10));
        assert_eq!(leases.due_at(&one, at(10)), Some(at(11)), "what lacked may be here now");

        let trouble = |reason: &str| Trouble::Refused { what: "w".into(), reason: reason.into() };
        leases.began(one.clone(), at(11));
        assert!(leases.over(0, Some(&trouble("no")), at(12)), "it is said");
        assert_eq!(leases.due_at(&none, at(13)), Some(at(72)), "and tried again later");
        leases.began(none.clone(), at(72));
        assert!(!leases.over(0, Some(&trouble("no")), at(73)), "once");
        leases.began(none.clone(), at(133));
        assert!(leases.over(0, Some(&trouble("never")), at(134)), "unless it is something else");
        leases.engine_came(at(140));
        assert_eq!(leases.due_at(&none, at(140)), Some(at(140)));
        leases.began(none.clone(), at(140));
        assert!(!leases.over(0, None, at(141)));
        assert_eq!(leases.due_at(&none, at(141)), Some(at(3_740)));
    }
}
