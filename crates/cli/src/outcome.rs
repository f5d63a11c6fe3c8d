//! How a command ended that did what it was asked.

use drover_rollout::{ServiceView, Standing, list, standing, worst};

use crate::failure::Failure;

/// The exit status of an upgrade that waits for its confirmation.
pub const WAITS: u8 = 10;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is done.
    Done,
    /// The new version serves, the old one is kept, and someone is to decide: the sentence.
    Waits(String),
}

impl Ending {
    /// The exit status. Under Rancher's name only failures have one of their own: jobs of that time stop at anything but 0.
    pub fn status(&self, program: crate::Program) -> u8 {
        match (self, program) {
            (Self::Waits(_), crate::Program::Drover) => WAITS,
            (Self::Waits(_), crate::Program::RancherCompose) | (Self::Done, _) => 0,
        }
    }
}

/// How a command ended after which these services are as they are: done, but for upgrades that wait to be confirmed.
pub(crate) fn waits<'a>(views: impl Iterator<Item = &'a ServiceView>, waiting_ok: bool) -> Ending {
    let waiting = views.filter(|view| standing(view) == Standing::Waits);
    let names: Vec<&str> = waiting.map(|view| view.name.as_str()).collect();
    if names.is_empty() || waiting_ok {
        return Ending::Done;
    }
    let verb = if names.len() == 1 { "waits" } else { "wait" };
    Ending::Waits(format!(
        "{} {verb} for a decision: up --confirm-upgrade keeps the new version and removes the old containers, up \
         --rollback goes back",
        list(&names)
    ))
}

/// The worst of how they stand, if it is no failure an upgrade that waits.
pub(crate) fn ending(views: &[&ServiceView], waiting_ok: bool) -> Result<Ending, Failure> {
    worst(views)?;
    Ok(waits(views.iter().copied(), waiting_ok))
}
