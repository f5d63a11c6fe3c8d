//! Moves that users asked for so that units stand evenly on their hosts again: which unit, and where to.
//!
//! What was shown is what is done, so that the moves themselves are kept and not the wish to have things even. Who finds
//! them is `derive/rebalance.rs`; who carries them out, `plan/rebalance.rs`.

use serde::{Deserialize, Serialize};

use crate::{HostId, UnitKey};

/// Moves of a service's units that were asked for and are not over. The planner strikes each that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalance {
    /// The moves, in the order in which they are made.
    pub moves: Vec<Move>,
}

/// One unit is to be made on another host, and to go from its own when that one serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The unit as it stood when this was asked for.
    pub unit: UnitKey,
    /// Where its next incarnation is made.
    pub to: HostId,
}

impl Rebalance {
    /// Whether a unit is one of those that move.
    pub fn moves(&self, unit: UnitKey) -> bool {
        self.moves.iter().any(|held| held.unit == unit)
    }
}
