//! What a planner is to look at next: what is news, what waits, and until when. It decides when to plan and what, and
//! knows nothing of plans but what they say of themselves.

use std::collections::BTreeSet;

use super::Plan;
use crate::{Scope, ServiceId, Time};

/// What one planner has before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// To look at in the next plan.
    scope: Scope,
    /// Services that any plan looks at again.
    waiting: BTreeSet<ServiceId>,
    /// When they want to be looked at in any case.
    wake_at: Option<Time>,
}

impl Agenda {
    /// That of a planner that just began: it knows nothing yet.
    pub fn everything() -> Self {
        Self { scope: Scope::everything(), ..Self::default() }
    }

    /// Look at everything, which makes good what was missed.
    pub fn sweep(&mut self) {
        self.scope = Scope::everything();
    }

    /// Take in what changed. It is to be heard after the plans that were made before it: what they wait for may be this.
    pub fn hear(&mut self, news: Scope) {
        self.scope.merge(news);
        if std::mem::take(&mut self.scope.waiting) {
            self.scope.services.extend(&self.waiting);
        }
    }

    /// Whether there is nothing to plan now.
    pub fn is_idle(&self, now: Time) -> bool {
        self.scope.is_empty() && self.wake_at.is_none_or(|at| now < at)
    }

    /// What to plan now with all that waits, if anything is to be planned. It is out of the agenda then.
    pub fn take(&mut self, now: Time) -> Option<Scope> {
        if self.is_idle(now) {
            return None;
        }
        self.scope.services.extend(&self.waiting);
        self.wake_at = None;
        Some(std::mem::take(&mut self.scope))
    }

    /// The same of what came while something larger is planned, which may go before the rest of that: `None` if there is nothing,
    /// or so much that it has to queue. What waits is looked at again because of it later.
    pub fn take_news(&mut self) -> Option<Scope> {
        if self.scope.all || self.scope.is_empty() {
            return None;
        }
        let news = std::mem::take(&mut self.scope);
        self.scope.services.extend(&self.waiting);
        Some(news)
    }

    /// These were taken and not planned: they are still to be looked at.
    pub fn put_back(&mut self, scope: Scope) {
        self.scope.merge(scope);
    }

    /// A plan was made and will be carried out.
    pub fn learn(&mut self, plan: &Plan) {
        self.wake_at = [self.wake_at, plan.wake_at].into_iter().flatten().min();
        self.waiting.retain(|service| !plan.looked_at.contains(service));
        self.waiting.extend(&plan.waiting);
    }

    /// One service could not be planned at all: it waits, whatever for.
    pub fn wait(&mut self, service: ServiceId) {
        self.waiting.insert(service);
    }

    /// One service is not to be waited for any more.
    pub fn forget(&mut self, service: ServiceId) {
        self.waiting.remove(&service);
    }

    /// When there is something to plan even if nothing changes.
    pub fn wakes_at(&self) -> Option<Time> {
        self.wake_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: ServiceId = ServiceId(20);
    const DB: ServiceId = ServiceId(21);

    /// An agenda on which a service waits, until a moment.
    fn waiting(service: ServiceId, wake_at: Option<Time>) -> Agenda {
        let mut agenda = Agenda::default();
        let looked_at = BTreeSet::from([service]);
        agenda.learn(&Plan { waiting: looked_at.clone(), looked_at, wake_at, ..Plan::default() });
        agenda
    }

    #[test]
    fn what_waits_is_looked_at_with_whatever_changes() {
        let mut agenda = waiting(WEB, None);
        assert_eq!(agenda.take(Time(5)), None, "nothing changed");
        agenda.hear(Scope::one(DB));
        let both = Scope { services: BTreeSet::from([WEB, DB]), ..Scope::default() };
        assert_eq!(agenda.take(Time(5)), Some(both));
        assert_eq!(agenda.take(Time(5)), None, "once");
    }

    #[test]
    fn what_may_be_lacked_is_news_for_those_that_wait() {
        let mut agenda = waiting(WEB, None);
        agenda.hear(Scope::waiting());
        assert_eq!(agenda.take(Time(5)), Some(Scope::one(WEB)));
        let mut agenda = Agenda::default();
        agenda.hear(Scope::waiting());
        assert_eq!(agenda.take(Time(5)), None, "nobody waits");
    }

    #[test]
    fn time_that_passes_is_news_for_those_that_wait() {
        let mut agenda = waiting(WEB, Some(Time(9)));
        assert_eq!((agenda.take(Time(8)), agenda.wakes_at()), (None, Some(Time(9))));
        assert_eq!((agenda.take(Time(9)), agenda.wakes_at()), (Some(Scope::one(WEB)), None));
    }

    #[test]
    fn news_go_before_a_sweep_and_those_that_wait_after() {
        let mut agenda = waiting(WEB, None);
        assert_eq!(agenda.take_news(), None);
        agenda.hear(Scope::one(DB));
        assert_eq!(agenda.take_news(), Some(Scope::one(DB)));
        assert_eq!(agenda.take(Time(5)), Some(Scope::one(WEB)));
        agenda.sweep();
        assert_eq!(agenda.take_news(), None, "all of it is no news");
    }
}
