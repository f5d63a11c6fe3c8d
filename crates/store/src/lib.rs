//! Where a cluster is kept: the newest [`World`](drover_core::World), what was decided, and what happened.
//!
//! One [`Store`] handle before one of several backends. A single writer holds the newest world in memory, takes
//! all requests that wait, checks each against it, writes what they touched in one transaction, and only then
//! shows the new world and answers. So an answered write is on disk, readers never wait, and a burst of
//! requests costs one sync of the disk.
//!
//! It knows rows, not rules: what a change means is said in `drover-core`, who may make it elsewhere.

mod backend;
mod error;
mod feed;
#[cfg(test)]
mod fixture;
mod history;
#[cfg(test)]
mod kill;
mod memory;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;
mod writer;

pub use error::{CommitError, OpenError, StorageError};
pub use feed::{Feed, Update};
pub use history::{AuditFilter, EventFilter, Keep, StoredAudit, StoredChange, StoredEvent};
pub use store::Store;
