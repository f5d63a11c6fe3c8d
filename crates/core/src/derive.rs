//! What follows from a snapshot: each is a function, so equal snapshots give equal answers and nothing has to
//! be told that something changed.

mod affected;
mod assignment;
mod balancer;
mod concerned;
mod dependence;
mod discovery;
mod drain;
mod endpoint;
mod evacuation;
mod health;
mod host_loss;
mod lease;
mod links;
mod rebalance;
mod release;
mod requests;
mod secrets;
mod serving;
mod shift;
mod status;
mod volumes;
mod vote;

pub use affected::{Affected, affected};
pub use assignment::assignment;
pub use balancer::balancer_config;
pub use concerned::{Concerned, concerned};
pub use dependence::{Unmet, unmet, unmet_between};
pub use discovery::{
    discovered_host, discovered_project, discovered_service, discovered_stack, discovery,
    member_address,
};
pub use drain::{
    DRAIN_TIMEOUT_MS, LET_GO_TIMEOUT_MS, NAMES_TIMEOUT_MS, Undrained, drain_timeout_ms,
    drain_until, let_go_until, must_drain, names_until, undrained,
};
pub use endpoint::{Endpoint, endpoints, published_ports};
pub use evacuation::{Evacuating, Left, busy, evacuation, kept_for, only_global_left, stays};
pub(crate) use evacuation::{OTHERS_DOWN, batch, is_batch_down};
pub use health::{Ill, health_strategy, ill};
pub use host_loss::{given_up_at, is_given_up, is_single, on_host_loss};
pub use links::{behind, carried, links, selected};
pub use rebalance::{BetterPlace, Rebalancing, keeps_place, rebalancing, waits};
pub use release::{
    Judgement, Rehearsal, ReleaseFailures, failed_probes, is_undecided, is_well, judge, rehearsal,
    release_failures,
};
pub use requests::{ledger_number, upgrade_requests};
pub use secrets::secret;
pub use serving::{has_arrived, is_served, is_serving, is_up};
pub use shift::{in_motion, shown_scale};
pub use status::{ServiceHealth, ServiceStatus, filling, stack_health, status};
pub use volumes::{KnownVolume, VolumeMount, VolumeOrigin, asked_volume, mounts, volumes};
pub(crate) use vote::verdict;
pub use vote::{Vote, is_outvoted, vote, watched};
