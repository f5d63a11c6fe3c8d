//! The agent of one host: makes its Docker engine match the host's assignment, with or without a server.
//!
//! Pure at heart: [`reconcile_host`] decides, everything else observes, carries out, remembers and reports. It
//! acts only on containers that carry its cluster's label.

pub mod backoff;
mod balancer_files;
mod clock;
pub mod create;
pub mod docker;
pub mod ledger;
mod lock;
pub mod op;
pub mod reconcile;
mod reference;
pub mod view;

pub use op::{DockerOp, UnitOps};
pub use reconcile::{Attempt, Attempts, Probe, Reconciled, reconcile_host};
pub use view::{ContainerState, DockerView, SeenContainer, VolumeCleanup};
