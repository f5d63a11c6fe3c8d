//! What is done under the load, in order, as data. A cycle ends as it began, but for the version: it can be done again
//! and again.

use super::files::Shop;
use super::phase;
use super::trouble::Trouble;
use super::who::Runs;

/// A part of the run.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
}

/// A change of the files, the command that carries it out, what befalls the cluster meanwhile, and what becomes of who
/// answers.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) change: fn(&mut Shop),
    /// Words for `drover`; none if nothing is commanded.
    pub(super) line: &'static str,
    pub(super) trouble: Option<Trouble>,
    pub(super) runs: Runs,
}

/// `up --upgrade` of what differs, half of its containers at a time.
const TURN: &str = "up -d --upgrade --batch-size 3 --waiting-ok";
/// `up --upgrade` of what can be changed in place.
const UPGRADE: &str = "up -d --upgrade --waiting-ok";
const ROLLBACK: &str = "up -d --rollback";
/// The other service in place of `web`, half of the containers at a time; and the reverse.
const ONWARD: &str = "upgrade web next --scale 6 --batch-size 3 --interval 100 --wait --waiting-ok";
const HOMEWARD: &str =
    "upgrade next web --scale 6 --batch-size 3 --interval 100 --wait --waiting-ok";
const FINISH: Step = step(|_| (), "up -d --confirm-upgrade", Runs::Same);

/// All of it; `delays_s` says by how many seconds a balancer is late to learn of an upgrade, an upgrade for each.
pub(super) fn cycle(delays_s: &[u64]) -> Vec<Phase> {
    let mut cycle = changes();
    cycle.extend(troubles());
    cycle.extend(delays_s.iter().map(|&seconds| {
        let name = match seconds {
            ..10 => "upgrade, a balancer is late by 0 to 9 s",
            10..20 => "upgrade, a balancer is late by 10 to 19 s",
            _ => "upgrade, a balancer is late by 20 s or more",
        };
        doing(name, [amid(TURN, Trouble::AgentFrozen { seconds }), FINISH])
    }));
    cycle
}

/// What users do.
fn changes() -> Vec<Phase> {
    vec![
        doing(phase::QUIET, [step(|_| (), "", Runs::Any)]),
        doing(
            phase::ASIDE,
            [
                step(Shop::turn_aside, TURN, Runs::Same),
                FINISH,
                step(Shop::turn_aside, TURN, Runs::Same),
                FINISH,
            ],
        ),
        doing(phase::START_FIRST, [step(|s| s.turn(true), TURN, Runs::New)]),
        doing("finish", [FINISH]),
        doing(phase::STOP_FIRST, [step(|s| s.turn(false), TURN, Runs::New)]),
        doing(phase::ROLLBACK, [step(|s| s.turn(true), ROLLBACK, Runs::New)]),
        doing("upgrade, start first, again", [step(|s| s.turn(true), TURN, Runs::New)]),
        doing("rollback of that, too", [step(|s| s.turn(true), ROLLBACK, Runs::New)]),
        doing("upgrade to another service", [step(Shop::hand_over, ONWARD, Runs::New)]),
        doing(
            "rollback from it",
            [step(
                |s| {
                    s.take_back();
                    s.rest_next();
                },
                ROLLBACK,
                Runs::New,
            )],
        ),
        doing(
            "upgrade to another service, finish, and back the same way",
            [
                step(Shop::hand_over, ONWARD, Runs::New),
                FINISH,
                step(Shop::take_back, HOMEWARD, Runs::New),
                FINISH,
                step(Shop::rest_next, "scale next=3", Runs::Same),
            ],
        ),
        doing(
            "balancer to another service and back",
            [
                step(|s| s.target("next"), UPGRADE, Runs::New),
                step(|s| s.target("web"), UPGRADE, Runs::New),
            ],
        ),
        doing(
            "balancer to an alias; alias to both, to the other, and back",
            [
                step(|s| s.target("front"), UPGRADE, Runs::Same),
                step(|s| s.front(&["web", "next"]), UPGRADE, Runs::More),
                step(|s| s.front(&["next"]), UPGRADE, Runs::Fewer),
                step(|s| s.front(&["web"]), UPGRADE, Runs::New),
                step(|s| s.target("web"), UPGRADE, Runs::Same),
            ],
        ),
        doing(phase::FEWER, [step(|s| s.scale(3), "scale web=3", Runs::Fewer)]),
        doing(phase::MORE, [step(|s| s.scale(6), "scale web=6", Runs::More)]),
        doing(phase::RESTART, [step(|_| (), "restart web", Runs::New)]),
    ]
}

/// What befalls a cluster.
fn troubles() -> Vec<Phase> {
    vec![
        doing(
            "upgrade, an agent is killed and started again",
            [amid(TURN, Trouble::AgentKilled), FINISH],
        ),
        doing("agents restarted, one after another", [idle(Trouble::AgentsRestarted)]),
        doing("agents replaced by a newer version", [idle(Trouble::AgentsReplaced)]),
        doing(
            "upgrade, the server is killed and started again",
            [amid(TURN, Trouble::ServerKilled), FINISH],
        ),
    ]
}

fn doing<const N: usize>(name: &'static str, steps: [Step; N]) -> Phase {
    Phase { name, steps: steps.to_vec() }
}

const fn step(change: fn(&mut Shop), line: &'static str, runs: Runs) -> Step {
    Step { change, line, trouble: None, runs }
}

/// An upgrade during which something happens.
const fn amid(line: &'static str, trouble: Trouble) -> Step {
    Step { change: |s| s.turn(true), line, trouble: Some(trouble), runs: Runs::New }
}

/// Something happens, and nothing was asked for.
const fn idle(trouble: Trouble) -> Step {
    Step { change: |_| (), line: "", trouble: Some(trouble), runs: Runs::Same }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_leaves_the_files_as_they_were_but_for_the_version() {
        let mut shop = Shop::default();
        let begun = shop.clone();
        for step in cycle(&[]).iter().flat_map(|phase| &phase.steps) {
            (step.change)(&mut shop);
        }
        let mut other = begun.clone();
        other.turn(true);
        let files = |shop: &Shop| (shop.docker_compose(), shop.rancher_compose());
        assert!([files(&begun), files(&other)].contains(&files(&shop)));
    }
}
