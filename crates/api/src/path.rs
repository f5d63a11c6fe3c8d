//! Where in a body something stands, as a person reads it: `launchConfig.healthCheck.interval`, `portRules[0].sourcePort`.

use std::fmt;

/// Deepest place that is told apart; what lies deeper is said to lie there. No type nests as deep; more would make a body's reader
/// too large to be handed round by value.
const DEEPEST: usize = 9;

/// A place in a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path<'a> {
    steps: [Option<Step<'a>>; DEEPEST],
}

/// One step into it.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// A member of an object.
    Member(&'a str),
    /// What an object holds under a key of the sender's own.
    Key(&'a str),
    /// An item of a list, from nought.
    Item(usize),
}

impl<'a> Path<'a> {
    /// A member of what stands here.
    pub(crate) fn member(self, name: &'a str) -> Self {
        self.and(Step::Member(name))
    }

    /// What is held under a key of the sender's own.
    pub(crate) fn key(self, key: &'a str) -> Self {
        self.and(Step::Key(key))
    }

    /// An item of the list that stands here.
    pub(crate) fn item(self, number: usize) -> Self {
        self.and(Step::Item(number))
    }

    /// The member that it ends in, which is what Rancher's errors name: `interval`. Empty for the body itself.
    pub(crate) fn field(&self) -> &'a str {
        let mut members = self.steps.iter().rev().filter_map(|step| match step {
            Some(Step::Member(name)) => Some(*name),
            Some(Step::Key(_) | Step::Item(_)) | None => None,
        });
        members.next().unwrap_or_default()
    }

    fn and(mut self, step: Step<'a>) -> Self {
        if let Some(free) = self.steps.iter_mut().find(|held| held.is_none()) {
            *free = Some(step);
        }
        self
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps.iter().flatten().enumerate() {
            match step {
                Step::Member(name) | Step::Key(name) if n == 0 => write!(f, "{name}")?,
                Step::Member(name) | Step::Key(name) => write!(f, ".{name}")?,
                Step::Item(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_in_full_and_its_field_by_name() {
        let port = Path::default().member("lbConfig").member("portRules").item(1);
        assert_eq!(
            (port.to_string().as_str(), port.field()),
            ("lbConfig.portRules[1]", "portRules")
        );
        let port = port.member("sourcePort");
        assert_eq!(port.to_string(), "lbConfig.portRules[1].sourcePort");
        assert_eq!(port.field(), "sourcePort");
        let label = Path::default().member("labels").key("tier");
        assert_eq!((label.to_string().as_str(), label.field()), ("labels.tier", "labels"));
        let deep = (0..DEEPEST + 3).fold(Path::default(), |path, _| path.member("a"));
        assert_eq!(deep.to_string().len(), 2 * DEEPEST - 1);
        assert_eq!(Path::default().field(), "");
    }
}
