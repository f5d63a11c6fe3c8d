//! Rancher's wire shape over core: resources, schemas, states, actions and links, computed from a snapshot.
//!
//! Pure: no I/O, no clock, no randomness. A read is `(snapshot, request) -> JSON`; a write is
//! `(snapshot, request) -> changes`, which the server commits and then renders from the new snapshot. Nothing
//! in core knows what is spelled here ("1s5", "finishing-upgrade").
//!
//! Read in this order: [`Address`] (what a URL means), [`Context`] (who asks, about which snapshot), `route` (which
//! resource answers), `resource` (what one is), `state` (the table of states and actions).

mod access;
mod address;
mod body;
mod catalog;
mod collection;
pub mod consul;
mod context;
mod departed;
mod errand;
mod error;
mod ids;
pub mod launch_config;
pub mod lb_config;
mod network_diagnosis;
mod openapi;
mod outcome;
mod path;
pub mod pem;
mod purge;
mod query;
mod resource;
mod route;
mod row;
mod schema;
mod state;
mod stats;
mod texts;
mod transform;
mod upgrade;
mod webhook;

pub use address::{Address, Version};
pub use catalog::{Library, catalog, catalog_schemas_url};
pub use context::{Audited, Caller, Context, Event, Fresh, Pull, PullProgress};
pub use departed::Departed;
pub use errand::{Errand, Once};
pub use error::{ApiError, Code};
pub use ids::Kind;
pub use network_diagnosis::network_diagnosis;
pub use openapi::page;
pub use outcome::{Answer, Outcome, Then};
pub use purge::{KEPT_MS, purge};
pub use query::Query;
pub use resource::{Foretold, agent_image, docker_options, joining_url};
pub use route::{action, answer, create, delete, get, read, type_name, update};
pub use stats::{Source, StatsOf, stats_frame};
pub use texts::stack_spec;
pub use transform::transform;
pub use upgrade::write_policy;
pub use webhook::{Fired, fire, webhook, webhook_caller};
