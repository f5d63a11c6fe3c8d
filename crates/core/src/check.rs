//! The invariants, written apart from the planner: [`check`] judges one snapshot, [`check_step`] the step from
//! one to the next. Run in every test, on every simulated tick, and on a live database.
//!
//! Nothing here may share code with the planner beyond the nouns, or both would be wrong together.

mod in_service;
mod kept;
mod shift;
mod snapshot;
mod step;
mod unit;

pub use snapshot::check;
pub use step::check_step;

/// What is told of a rule that is broken: its name, and what breaks it.
type Fail<'a> = &'a mut dyn FnMut(&'static str, String);

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Short name of the rule.
    pub rule: &'static str,
    /// What breaks it.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}
