//! The invariants, written apart from the planner.

use crate::World;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Short name of the rule.
    pub rule: &'static str,
    /// What breaks it.
    pub what: String,
}

/// Everything wrong with a snapshot.
pub fn check(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    if !world.host_index_is_right() {
        found.push(Violation { rule: "index", what: "units by host differ from units".into() });
    }
    found
}
