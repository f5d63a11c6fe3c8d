//! Waiting for the outcome: ask the server how the services do until each has arrived, failed or run out of time.
//!
//! What an answer means is [`mod@judge`]'s, which is pure; here is only the asking. One request tells about all
//! services of the stack. A server that can't be reached meanwhile (a restart, a cut) is asked again: it works on.

mod judge;
mod late;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

pub use judge::{Goal, Verdict, judge};
pub use late::Rest;

use crate::Program;
use crate::api::Api;
use crate::error::{CallError, Failure};
use crate::event::{Event, Report};
use crate::view::ServiceView;

/// A service is waited for although the server reports a failure: it tries again by itself, and what failed
/// once (a container that needs its database) often works a moment later. After so long it counts as failed, for who sits
/// in front of it.
pub const FAILING_FOR: Duration = Duration::from_secs(10);
/// Between two questions, as long as something moves, and at most.
const ASK_EVERY: Duration = Duration::from_millis(150);
const ASK_EVERY_AT_MOST: Duration = Duration::from_secs(1);

/// A service and where it shall arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where.
    pub goal: Goal,
}

impl Wanted {
    /// That service, there.
    pub fn new(view: &ServiceView, goal: Goal) -> Self {
        Self { id: view.id.clone(), name: view.name.clone(), goal }
    }
}

/// For how long it is waited, and what the command would do after that.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// When waiting ends.
    pub until: Instant,
    /// How long trouble that the server keeps working at may last.
    pub failing_for: Duration,
    /// Who comes back to it.
    pub program: Program,
    /// What comes after.
    pub rest: Rest,
}

/// One that is waited for.
struct Pending {
    wanted: Wanted,
    failing_since: Option<Instant>,
    /// State and message when last told of.
    told: (String, String),
}

/// Wait until all have arrived. The first that fails ends it: what the others do is said, and they go on.
pub async fn wait(
    api: &dyn Api,
    reporter: &dyn Report,
    stack: &str,
    wanted: Vec<Wanted>,
    patience: Patience,
) -> Result<(), Failure> {
    let mut back: Vec<String> = Vec::new();
    match wait_for(api, reporter, stack, wanted, patience, &mut back).await {
        Ok(()) if back.is_empty() => Ok(()),
        Ok(()) => Err(Failure::RolledBack(back.join("; "))),
        Err(failure) => Err(failure.and(&back)),
    }
}

/// The same; those that went back meanwhile are no longer waited for, and are in `back`.
async fn wait_for(
    api: &dyn Api,
    reporter: &dyn Report,
    stack: &str,
    wanted: Vec<Wanted>,
    patience: Patience,
    back: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut pending: Vec<Pending> = wanted.into_iter().map(Pending::new).collect();
    let deadline = patience.until;
    let mut pause = ASK_EVERY;
    let mut away = false;
    while !pending.is_empty() {
        match look(api, stack, &pending).await {
            Ok(views) => {
                away = false;
                let before = pending.len();
                let moved = settle(
                    &mut pending,
                    back,
                    (&views, patience.failing_for),
                    reporter,
                    Instant::now(),
                )?;
                let quick = moved || pending.len() < before;
                pause = if quick { ASK_EVERY } else { (pause * 5 / 4).min(ASK_EVERY_AT_MOST) };
            }
            Err(error) if error.is_passing() && Instant::now() < deadline => {
                if !away {
                    reporter.tell(&Event::warning(format!("{error}; asking again")));
                }
                away = true;
                pause = ASK_EVERY_AT_MOST;
            }
            Err(error) => return Err(error.into()),
        }
        if pending.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut(late::sentence(&pending, patience)));
        }
        tokio::time::sleep_until((Instant::now() + pause).min(deadline)).await;
    }
    Ok(())
}

/// The services that are waited for. Removed ones leave the list at once, but can still be asked for.
async fn look(
    api: &dyn Api,
    stack: &str,
    pending: &[Pending],
) -> Result<BTreeMap<String, ServiceView>, CallError> {
    let rows = api.list("see how the services do", "services", &[("stackId", stack)]).await?;
    let mut views: BTreeMap<String, ServiceView> =
        rows.iter().map(ServiceView::read).map(|view| (view.id.clone(), view)).collect();
    for Pending { wanted, .. } in pending {
        if !views.contains_key(&wanted.id) {
            let doing = format!("see how {} does", wanted.name);
            let found = api.find(&doing, &format!("services/{}", wanted.id)).await?;
            let view = found.as_ref().map_or_else(ServiceView::default, ServiceView::read);
            views.insert(wanted.id.clone(), view);
        }
    }
    Ok(views)
}

/// Judge each; drop those that arrived, or went back to where they were. Whether anything moved.
fn settle(
    pending: &mut Vec<Pending>,
    back: &mut Vec<String>,
    (views, failing_for): (&BTreeMap<String, ServiceView>, Duration),
    reporter: &dyn Report,
    now: Instant,
) -> Result<bool, Failure> {
    let mut moved = false;
    let (mut blocked, mut lost) = (Vec::new(), Vec::new());
    pending.retain_mut(|one| {
        let Some(view) = views.get(&one.wanted.id) else { return true };
        let verdict = judge(&one.wanted.goal, view);
        moved |= one.tell(view, &verdict, reporter);
        match verdict {
            Verdict::Done => return false,
            Verdict::Going(_) => one.failing_since = None,
            Verdict::Failing(why) => {
                let since = *one.failing_since.get_or_insert(now);
                if now.duration_since(since) >= failing_for {
                    blocked.push(one.failed(view, &why));
                }
            }
            Verdict::Lost(why) => lost.push(why),
            Verdict::Blocked(why) => blocked.push(why),
            Verdict::Back(why) => {
                reporter.tell(&Event::warning(why.as_str()));
                back.push(why);
                return false;
            }
        }
        true
    });
    if !lost.is_empty() {
        return Err(Failure::Failed([lost, blocked].concat().join("; ")));
    }
    if blocked.is_empty() { Ok(moved) } else { Err(Failure::Blocked(blocked.join("; "))) }
}

impl Pending {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, failing_since: None, told: (String::new(), String::new()) }
    }

    /// Say what changed. Whether anything did.
    fn tell(&mut self, view: &ServiceView, verdict: &Verdict, reporter: &dyn Report) -> bool {
        let message = match verdict {
            Verdict::Going(message) | Verdict::Failing(message) => message.clone(),
            Verdict::Done | Verdict::Lost(_) | Verdict::Blocked(_) | Verdict::Back(_) => {
                String::new()
            }
        };
        let told = (view.state.clone(), message.clone());
        let fresh = self.told != told;
        if *verdict == Verdict::Done {
            reporter.tell(&Event::done(&self.wanted.name, self.wanted.goal.reached(view)));
        } else if fresh && matches!(verdict, Verdict::Going(_) | Verdict::Failing(_)) {
            reporter.tell(&Event::progress(&self.wanted.name, view, message));
        }
        self.told = told;
        fresh
    }

    fn failed(&self, view: &ServiceView, why: &str) -> String {
        let (name, state) = (&self.wanted.name, &view.state);
        let way_out = self.wanted.goal.way_out(name);
        format!("{name} is stuck: {why} (state {state}; the server keeps trying). {way_out}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Silent;

    fn pending(goal: Goal) -> Vec<Pending> {
        vec![Pending::new(Wanted { id: "1s1".into(), name: "web".into(), goal })]
    }

    fn seen(state: &str, transitioning: &str, message: &str) -> BTreeMap<String, ServiceView> {
        let view = ServiceView::read(&json!({
            "id": "1s1", "name": "web", "state": state, "transitioning": transitioning,
            "transitioningMessage": message,
        }));
        BTreeMap::from([("1s1".to_owned(), view)])
    }

    #[test]
    fn a_failure_counts_when_it_lasts() {
        let (mut all, start) = (pending(Goal::Upgraded), Instant::now());
        let failing = seen("upgrading", "error", "web-1 on h1: no such image");
        let mut at = |seconds, views: &BTreeMap<String, ServiceView>| {
            settle(
                &mut all,
                &mut Vec::new(),
                (views, FAILING_FOR),
                &Silent,
                start + Duration::from_secs(seconds),
            )
        };
        assert!(at(0, &failing).unwrap());
        assert!(!at(9, &failing).unwrap());
        assert!(at(10, &seen("upgrading", "yes", "web: 0 of 1 moved")).unwrap());
        at(12, &failing).unwrap();
        at(21, &failing).unwrap();
        let error = at(22, &failing).unwrap_err();
        assert!(matches!(error, Failure::Blocked(_)));
        assert_eq!(
            error.to_string(),
            "web is stuck: web-1 on h1: no such image (state upgrading; the server keeps trying). To go \
             back: drover up --rollback web"
        );
    }

    #[test]
    fn what_arrived_is_dropped() {
        let mut all = pending(Goal::Upgraded);
        settle(
            &mut all,
            &mut Vec::new(),
            (&seen("upgraded", "no", ""), FAILING_FOR),
            &Silent,
            Instant::now(),
        )
        .unwrap();
        assert!(all.is_empty());
    }

    #[test]
    fn who_went_back_is_waited_for_and_then_said() {
        let (mut all, mut back) = (pending(Goal::Upgraded), Vec::new());
        let mut at = |state: &str, last: serde_json::Value| {
            let view = json!({ "id": "1s1", "name": "web", "state": state, "lastUpgrade": last });
            let views = BTreeMap::from([("1s1".to_owned(), ServiceView::read(&view))]);
            settle(&mut all, &mut back, (&views, FAILING_FOR), &Silent, Instant::now()).unwrap();
            (all.len(), back.join(" "))
        };
        assert_eq!(at("rolling-back", serde_json::Value::Null), (1, String::new()));
        let last = json!({ "phase": "rolling-back", "fromRevision": 1, "verdict": "it crashes" });
        let said = "web was rolled back to revision 1: it crashes".to_owned();
        assert_eq!(at("active", last), (0, said));
    }

    #[test]
    fn who_went_back_is_named_also_where_another_ends_it() {
        let back = ["db was rolled back".to_owned()];
        for failure in [Failure::Blocked, Failure::Failed, Failure::TimedOut] {
            let failure = failure("web is stuck".into());
            let kind = std::mem::discriminant(&failure);
            let said = failure.and(&back);
            assert_eq!(said.to_string(), "web is stuck; db was rolled back");
            assert_eq!(std::mem::discriminant(&said), kind);
        }
    }

    #[test]
    fn lateness_says_what_was_missing_and_how_to_come_back() {
        use Goal::{Restarted, Running, Scaled, Upgraded};
        use Program::{Drover, RancherCompose};
        let same = "The server goes on; the same command again goes on watching";
        let wait = "The server goes on; `drover wait` watches it again";
        let more = "The server goes on with it, but not all was asked of it yet; the same command again does the rest";
        let ps = "The server goes on; `rancher-compose ps` shows how far it is";
        for (goal, program, rest, want) in [
            (Upgraded, Drover, Rest::Nothing, wait),
            (Upgraded, Drover, Rest::More, more),
            (Running, Drover, Rest::More, more),
            (Running, Drover, Rest::Nothing, wait),
            (Running, RancherCompose, Rest::Nothing, same),
            (Scaled(3), Drover, Rest::Nothing, same),
            (Restarted, Drover, Rest::Nothing, wait),
            (Upgraded, RancherCompose, Rest::Nothing, same),
            (Upgraded, RancherCompose, Rest::More, more),
            (Restarted, RancherCompose, Rest::Nothing, ps),
        ] {
            let mut all = pending(goal.clone());
            let views = seen("activating", "yes", "web-1: pulling its image");
            // Whatever it is waited for, it is told of.
            all[0].tell(&views["1s1"], &Verdict::Going("web-1: pulling its image".into()), &Silent);
            let patience =
                Patience { until: Instant::now(), failing_for: FAILING_FOR, program, rest };
            let said = late::sentence(&all, patience);
            let missing =
                "time is up, and still on the way: web (activating: web-1: pulling its image). ";
            assert_eq!(said, format!("{missing}{want}"), "{goal:?} {program:?} {rest:?}");
        }
    }
}
