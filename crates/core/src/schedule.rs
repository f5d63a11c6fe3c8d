//! Where a unit may go and where it goes best: filters, then a rank. Rules from Rancher's scheduler, with its
//! quirks mended (items are trimmed, `=` may stand in a value, bad constraints are errors).
//!
//! A filter says *why* a host doesn't fit, so that an unmet need can be told in words.
//!
//! By file: `constraint` reads what users ask for · `fits` is the filter, `place` the rank · `search` finds the least rank
//! without asking every host, in the order of `field`, and asks of containers only whom `bearers` names · `scheduler` keeps what they
//! learnt from one placement to the next · `gain` compares a unit's place with another · `usage` has what units take · `explain` says why there
//! is no place. That the host found is the one that a plain scan finds is tested (`tests/schedule`).

mod bearers;
mod bound;
mod constraint;
mod explain;
mod field;
mod fits;
mod gain;
mod place;
mod ports;
mod scheduler;
mod search;
mod usage;

pub(crate) use bound::{bound, data};
pub use constraint::{BadConstraint, Constraint, Subject, constraints};
pub use explain::explain;
pub use fits::{Misfit, Need, fits};
pub(crate) use fits::{container_name, declared_volumes, volume_name};
pub(crate) use gain::{Gain, gain};
pub(crate) use place::{Asks, Tail};
pub use place::{Unplaceable, place};
pub use ports::{PICKED_PORTS, pick_ports};
pub(crate) use scheduler::Scheduler;
pub use usage::HostUse;
pub(crate) use usage::{HeldPort, is_down, port_taken, published, resolve};
