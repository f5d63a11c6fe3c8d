//! The configuration of one balancer unit.

use crate::{BalancerConfig, UnitKey, World};

/// What the balancer process of `unit` serves.
pub fn balancer_config(world: &World, unit: UnitKey) -> BalancerConfig {
    let _ = (world, unit);
    BalancerConfig::default()
}
