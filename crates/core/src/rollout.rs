//! What a stack is made of, and where bringing its services there stands.
//!
//! Users write the texts and say what is to be done; whoever carries it out (a server's runner) writes only how it ended. How
//! far it is meanwhile is read from the services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Stack, Time};

/// The texts a stack is made of, and what fills them in: what an upgrade of a stack replaces, and its rollback brings back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    /// The compose file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_compose: Option<String>,
    /// The rancher-compose file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rancher_compose: Option<String>,
    /// Values of variables in these files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// More of them, which count where the environment has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
    /// Files by name: those above where they are not given, and what they refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, String>,
    /// Catalog reference or a caller's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Bringing the services of a stack to where its texts, or a decision about them, want them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// What is done, or what waits for a decision.
    pub phase: RolloutPhase,
    /// Whose key asked for it.
    pub by: String,
    /// When it was asked for.
    pub begun_at: Time,
    /// Why it was not done, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutPhase {
    /// Services are made from the texts.
    Creating,
    /// Services are brought to new texts.
    Upgrading,
    /// They are there, what was before is kept, and someone is to decide.
    Upgraded,
    /// What was before goes.
    Finishing,
    /// Back to what was before.
    RollingBack,
    /// Upgrades are stopped half-way.
    Canceling,
    /// They stand half-way, and someone is to decide.
    Canceled,
}

impl Rollout {
    /// One that begins now.
    pub fn begin(phase: RolloutPhase, by: &str, now: Time) -> Self {
        Self { phase, by: by.to_owned(), begun_at: now, failed: None }
    }

    /// Whether there is something to do for it. What makes services and failed is tried again, for what stood in its way may
    /// have gone; of all else that failed the next step is a user's.
    pub fn is_due(&self) -> bool {
        match self.phase {
            RolloutPhase::Creating => true,
            RolloutPhase::Upgrading
            | RolloutPhase::Finishing
            | RolloutPhase::RollingBack
            | RolloutPhase::Canceling => self.failed.is_none(),
            RolloutPhase::Upgraded | RolloutPhase::Canceled => false,
        }
    }

    /// Whether it is the very same, however it stands.
    pub fn is(&self, other: &Self) -> bool {
        self.phase == other.phase && self.begun_at == other.begun_at
    }
}

impl Stack {
    /// What it is made of.
    pub fn texts(&self) -> Texts {
        Texts {
            docker_compose: self.docker_compose.clone(),
            rancher_compose: self.rancher_compose.clone(),
            environment: self.environment.clone(),
            answers: self.answers.clone(),
            templates: self.templates.clone(),
            external_id: self.external_id.clone(),
        }
    }

    /// The same stack, made of something else.
    #[must_use]
    pub fn made_of(self, texts: Texts) -> Self {
        let Texts { docker_compose, rancher_compose, environment, answers, templates, external_id } =
            texts;
        Self {
            docker_compose,
            rancher_compose,
            environment,
            answers,
            templates,
            external_id,
            ..self
        }
    }

    /// The rollout that there is something to do for.
    pub fn due(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| self.removed_at.is_none() && rollout.is_due())
    }

    /// The stack after its rollout has ended; none if that is not the one it has, or nothing changes.
    pub fn ended(&self, rollout: &Rollout, outcome: Result<(), String>, now: Time) -> Option<Self> {
        let held = self.due().filter(|held| held.is(rollout))?;
        let mut edited = self.clone();
        edited.rollout = match (outcome, held.phase) {
            (Err(why), _) => Some(Rollout { failed: Some(why), ..held.clone() }),
            (Ok(()), RolloutPhase::Upgrading | RolloutPhase::Upgraded) => {
                Some(Rollout::begin(RolloutPhase::Upgraded, &held.by, now))
            }
            (Ok(()), RolloutPhase::Canceling | RolloutPhase::Canceled) => {
                Some(Rollout::begin(RolloutPhase::Canceled, &held.by, now))
            }
            (
                Ok(()),
                RolloutPhase::Creating | RolloutPhase::Finishing | RolloutPhase::RollingBack,
            ) => None,
        };
        if edited.rollout.is_none() {
            edited.previous = None;
        }
        (edited != *self).then_some(edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProjectId, StackId};

    fn stack(phase: RolloutPhase) -> Stack {
        Stack {
            previous: Some(Box::default()),
            rollout: Some(Rollout::begin(phase, "KEY", Time(5))),
            ..Stack::new(StackId(1), ProjectId(2), "web", Time(1))
        }
    }

    #[test]
    fn where_each_phase_leads() {
        use RolloutPhase::{
            Canceled, Canceling, Creating, Finishing, RollingBack, Upgraded, Upgrading,
        };
        for (phase, next) in [
            (Creating, None),
            (Upgrading, Some(Upgraded)),
            (Finishing, None),
            (RollingBack, None),
            (Canceling, Some(Canceled)),
        ] {
            let held = stack(phase);
            let rollout = held.rollout.clone().unwrap();
            let arrived = held.ended(&rollout, Ok(()), Time(9)).unwrap();
            assert_eq!(arrived.rollout.as_ref().map(|held| held.phase), next, "{phase:?}");
            // What was before is kept as long as someone is to decide.
            assert_eq!(arrived.previous.is_some(), next.is_some(), "{phase:?}");
            let failed = held.ended(&rollout, Err("no".into()), Time(9)).unwrap();
            assert_eq!(failed.rollout.as_ref().unwrap().failed.as_deref(), Some("no"));
            assert_eq!(failed.due().is_some(), phase == Creating, "{phase:?}");
        }
        for phase in [Upgraded, Canceled] {
            assert_eq!(stack(phase).due(), None, "{phase:?}");
        }
    }

    #[test]
    fn the_end_of_another_one_changes_nothing() {
        let held = stack(RolloutPhase::Upgrading);
        let rollout = held.rollout.clone().unwrap();
        let later = Rollout { begun_at: Time(6), ..rollout.clone() };
        assert_eq!(held.ended(&later, Ok(()), Time(9)), None);
        let removed = Stack { removed_at: Some(Time(7)), ..held };
        assert_eq!(removed.ended(&rollout, Ok(()), Time(9)), None);
    }
}
