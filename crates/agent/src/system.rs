//! Drover's own processes on every host: names and metadata, and encryption where it is on. What to do so that one
//! runs, from the image it shall be of and the containers there are. Pure; [`crate::docker`] carries out.
//!
//! A container is started again by Docker if it ends, also while no agent runs; the agent makes the first one, puts
//! one from a newer image in its place, and makes another if someone removes it.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::Time;

use crate::view::ContainerState;

/// A process of Drover's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemKind {
    /// Names and metadata.
    Discovery,
    /// Encrypts what goes to other hosts.
    Cipher,
}

impl SystemKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Discovery, Self::Cipher];

    /// Value of [`drover_core::label::SYSTEM`], and the command that the program runs as.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Cipher => "cipher",
        }
    }
}

/// A container with a process of Drover's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSystem {
    /// What it runs.
    pub kind: SystemKind,
    /// Docker's id.
    pub id: String,
    /// Docker's name.
    pub name: String,
    /// The image it was made from, as it was asked for.
    pub image: String,
    /// What it does.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Time,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemStep {
    /// Make one from the image, and start it.
    Make,
    /// Start it.
    Start(String),
    /// Stop and remove it.
    Remove(String),
}

/// What to do next. `answering` has the names of the containers whose process said that it answers: an old one goes
/// only when a new one does, both answer meanwhile.
pub fn system_steps(
    image: &str,
    seen: &[SeenSystem],
    answering: &BTreeSet<String>,
) -> Vec<SystemStep> {
    let useful =
        |c: &&SeenSystem| !matches!(c.state, ContainerState::Dead | ContainerState::Removing);
    let current = seen.iter().filter(|c| c.image == image).filter(useful);
    let best = current.max_by_key(|c| (c.state == ContainerState::Running, c.created_at));
    let mut steps: Vec<SystemStep> = Vec::new();
    match best {
        None => steps.push(SystemStep::Make),
        Some(c) if matches!(c.state, ContainerState::Created | ContainerState::Exited) => {
            steps.push(SystemStep::Start(c.id.clone()));
        }
        Some(_) => {}
    }
    let replaced =
        best.is_some_and(|c| c.state == ContainerState::Running && answering.contains(&c.name));
    let goes = |c: &&SeenSystem| {
        best.is_none_or(|best| best.id != c.id)
            && (replaced || c.image == image)
            && c.state != ContainerState::Removing
    };
    // What is in the way of a new one goes first: names are taken once.
    let gone = seen.iter().filter(goes).map(|c| SystemStep::Remove(c.id.clone()));
    gone.chain(steps).collect()
}

/// Steps of every kind that has any.
pub type SystemSteps = BTreeMap<SystemKind, Vec<SystemStep>>;

/// Why processes of a kind don't run, in words, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<SystemKind, String>);

impl Troubles {
    /// Of a kind; empty if none is known.
    pub fn of(&self, kind: SystemKind) -> &str {
        self.0.get(&kind).map_or("", String::as_str)
    }

    /// A round is over: what came of the steps of each kind, empty if all went well. It replaces what was known of
    /// that kind, and of no other.
    pub fn round_over(&mut self, came: BTreeMap<SystemKind, String>) {
        for (kind, trouble) in came {
            if trouble.is_empty() {
                self.0.remove(&kind);
            } else {
                self.0.insert(kind, trouble);
            }
        }
    }

    /// Only these kinds still lack something; the others run, or are not to. True if that is news.
    pub fn only(&mut self, lacking: &BTreeSet<SystemKind>) -> bool {
        let before = self.0.len();
        self.0.retain(|kind, _| lacking.contains(kind));
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_trouble() {
        use SystemKind::{Cipher, Discovery};
        let mut troubles = Troubles::default();
        let all = |troubles: &Troubles| SystemKind::ALL.map(|kind| troubles.of(kind).to_owned());
        let came = |told: &[(SystemKind, &str)]| {
            told.iter().map(|(kind, trouble)| (*kind, (*trouble).to_owned())).collect()
        };
        assert_eq!(all(&troubles), ["", ""]);
        troubles.round_over(came(&[(Discovery, "no image"), (Cipher, "no image")]));
        assert_eq!(all(&troubles), ["no image", "no image"]);
        troubles.round_over(came(&[(Discovery, "port 53 is taken"), (Cipher, "")]));
        assert_eq!(all(&troubles), ["port 53 is taken", ""]);
        troubles.round_over(came(&[(Cipher, "no device")]));
        assert_eq!(all(&troubles), ["port 53 is taken", "no device"]);
        // Encryption is off.
        assert!(troubles.only(&[Discovery].into()) && !troubles.only(&[Discovery].into()));
        assert_eq!(all(&troubles), ["port 53 is taken", ""]);
    }

    #[test]
    fn the_process_runs_and_is_replaced_start_first() {
        let check = |seen: &str, answering: &str, want: &str| {
            // `a/new/Running`: its name, its image, what it does.
            let read = |text: &str| {
                let words: Vec<&str> = text.split('/').collect();
                let state = match words[2] {
                    "runs" => ContainerState::Running,
                    "made" => ContainerState::Created,
                    "ended" => ContainerState::Exited,
                    "dead" => ContainerState::Dead,
                    other => panic!("{other}"),
                };
                let (id, name, image) = (words[0].into(), words[0].into(), words[1].into());
                let kind = SystemKind::Discovery;
                SeenSystem { kind, id, name, image, state, created_at: Time(0) }
            };
            let seen: Vec<_> = seen.split_whitespace().map(read).collect();
            let answering = answering.split_whitespace().map(str::to_owned).collect();
            let steps = system_steps("new", &seen, &answering);
            let words = steps.iter().map(|step| match step {
                SystemStep::Make => "make".to_owned(),
                SystemStep::Start(id) => format!("start {id}"),
                SystemStep::Remove(id) => format!("remove {id}"),
            });
            assert_eq!(words.collect::<Vec<_>>().join(", "), want, "{seen:?}");
        };
        check("", "", "make");
        check("a/new/made", "", "start a");
        check("a/new/ended", "a", "start a");
        check("a/new/runs", "", "");
        check("a/new/runs", "a", "");
        check("a/new/dead", "", "remove a, make");
        // From an older image: it stays until the new one answers.
        check("a/old/runs", "a", "make");
        check("a/old/runs b/new/made", "a", "start b");
        check("a/old/runs b/new/runs", "a", "");
        check("a/old/runs b/new/runs", "a b", "remove a");
        check("a/old/runs b/new/ended", "a b", "start b");
        // Of two, the one that runs.
        check("a/new/ended b/new/runs", "", "remove a");
    }
}
