//! What follows from a snapshot: each is a function, so equal snapshots give equal answers and nothing has to
//! be told that something changed.

mod assignment;
mod balancer;
mod endpoint;
mod serving;
mod status;

pub use assignment::assignment;
pub use balancer::balancer_config;
pub use endpoint::{Endpoint, endpoints, published_ports};
pub use serving::{is_serving, is_up};
pub use status::{ServiceHealth, ServiceStatus, filling, stack_health, status};
