//! THE table of states: which state a resource is in, whether it passes, and which actions it then offers.
//!
//! A test prints it into `docs/states.md`. Rancher's clients call an action only if it is listed, and their
//! waits read `transitioning` alone, so every row here is something a script may depend on.

mod container;
#[cfg(test)]
mod print;
mod service;
mod stack;
mod tables;

pub(crate) use container::{
    agent_state, of_container, of_departed, of_host, on_errand, state_of_container,
};
use drover_core::Time;
pub(crate) use service::of_service;
pub(crate) use stack::of_stack;
pub(crate) use tables::{
    CONTAINER, CREDENTIAL, DEFAULT, HOST, PROJECT, SERVICE, STACK, VOLUME, WEBHOOK, of_type,
};

/// One row: a state.
#[derive(Debug)]
pub(crate) struct State {
    /// As on the wire.
    pub(crate) name: &'static str,
    /// On its way to another state: `transitioning` is `yes`.
    pub(crate) passing: bool,
    /// Offered in it.
    pub(crate) actions: &'static [&'static str],
}

/// All states of one type.
pub(crate) type Table = &'static [State];

/// Where a resource stands, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: &'static str,
    pub(crate) transitioning: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) actions: Vec<&'static str>,
}

impl Standing {
    /// A row of a table. A state that isn't in the table offers nothing; a test covers all that occur.
    pub(crate) fn of(table: Table, name: &'static str) -> Self {
        let row = table.iter().find(|row| row.name == name);
        let passing = row.is_some_and(|row| row.passing);
        Self {
            state: name,
            transitioning: if passing { "yes" } else { "no" },
            message: passing.then(|| "In Progress".to_owned()),
            actions: row.map_or_else(Vec::new, |row| row.actions.to_vec()),
        }
    }

    /// For what is either there or removed.
    pub(crate) fn present(table: Table, removed_at: Option<Time>) -> Self {
        Self::of(table, if removed_at.is_some() { "removed" } else { "active" })
    }

    /// For what can be switched off besides.
    pub(crate) fn switched(table: Table, active: bool, removed_at: Option<Time>) -> Self {
        match (removed_at, active) {
            (Some(_), _) => Self::of(table, "removed"),
            (None, true) => Self::of(table, "active"),
            (None, false) => Self::of(table, "inactive"),
        }
    }
}
