//! Where a unit may go and where it goes best: filters, then a rank. Rules from Rancher's scheduler, with its
//! quirks mended (items are trimmed, `=` may stand in a value, bad constraints are errors).
//!
//! A filter says *why* a host doesn't fit, so that an unmet need can be told in words.

mod bound;
mod constraint;
mod explain;
mod fits;
mod place;
mod ports;
mod usage;

pub(crate) use bound::{bound, data};
pub use constraint::{BadConstraint, Constraint, Subject, constraints};
pub use explain::explain;
pub use fits::{Misfit, Need, fits};
pub(crate) use fits::{container_name, declared_volumes};
pub use place::{Unplaceable, place};
pub use ports::pick_ports;
pub use usage::{HeldPort, HostUse, Usage};
pub(crate) use usage::{is_down, resolve};
