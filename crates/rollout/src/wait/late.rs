//! What is said when time is up: what was still on its way, and how to come back to it.

use super::{Goal, Patience, Pending};
use crate::Program;

/// What the command would do when all that it waits for has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// No more: all is asked for, and the server does it with or without whoever watches.
    Nothing,
    /// It would ask for more: who comes back with `wait` would take what was never begun for done.
    More,
}

pub(super) fn sentence(pending: &[Pending], patience: Patience) -> String {
    let one = |one: &Pending| match one.told.1.as_str() {
        "" => format!("{} ({})", one.wanted.name, one.told.0),
        message => format!("{} ({}: {message})", one.wanted.name, one.told.0),
    };
    let all = pending.iter().map(one).collect::<Vec<_>>().join(", ");
    let again = again(pending, patience);
    format!("time is up, and still on the way: {all}. The server goes on{again}")
}

fn again(pending: &[Pending], Patience { program, rest, .. }: Patience) -> &'static str {
    if rest == Rest::More {
        return " with it, but not all was asked of it yet; the same command again does the rest";
    }
    let (same, wait) =
        ("; the same command again goes on watching", "; `drover wait` watches it again");
    let is_scale = |one: &Pending| matches!(one.wanted.goal, Goal::Scaled(_));
    // Asked for again these come to the same.
    let is_lasting = |one: &Pending| match one.wanted.goal {
        Goal::Running | Goal::Scaled(_) | Goal::Stopped | Goal::Upgraded | Goal::Finished => true,
        Goal::RolledBack | Goal::Restarted | Goal::Removed | Goal::Canceled => false,
    };
    match program {
        Program::Drover if pending.iter().all(is_scale) => same,
        Program::Drover => wait,
        Program::RancherCompose if pending.iter().all(is_lasting) => same,
        Program::RancherCompose => "; `rancher-compose ps` shows how far it is",
    }
}
