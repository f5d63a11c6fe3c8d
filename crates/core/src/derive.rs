//! What follows from a snapshot: each is a function, so equal snapshots give equal answers and nothing has to
//! be told that something changed.

mod assignment;
mod balancer;
mod serving;

pub use assignment::assignment;
pub use balancer::balancer_config;
pub use serving::{is_serving, is_up};
