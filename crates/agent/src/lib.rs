//! The agent of one host: makes its Docker engine match the host's assignment, with or without a server.
//!
//! Pure at heart: [`reconcile_host`] decides, everything else observes, carries out, remembers and reports. It
//! acts only on containers that carry its cluster's label.

mod agent;
mod ask;
pub mod backoff;
mod balancer_files;
mod clock;
mod container_use;
pub mod create;
mod dial;
mod discovery;
pub mod docker;
mod doctor;
mod echo;
mod enroll;
pub mod environment;
mod facts;
mod follow;
mod hearing;
mod host_use;
mod image_lease;
pub mod ledger;
mod link;
mod lock;
pub mod network;
pub mod op;
mod probe;
pub mod reconcile;
mod reference;
mod register;
mod run;
mod secret_files;
mod simulated;
mod surroundings;
pub mod system;
mod verify;
pub mod view;

pub use dial::{BadServerUrl, DialError, ServerUrl};
pub use op::{DockerOp, UnitOps};
pub use reconcile::{Attempt, Attempts, Probe, Question, Reconciled, Run, reconcile_host};
pub use register::RegisterError;
pub use run::{AgentError, Options, run};
pub use simulated::{CRASH_AFTER, FAIL, Simulation, simulate};
pub use view::{Checkup, ContainerState, DockerView, Lease, SeenContainer, VolumeCleanup};
