//! Names of phases that others than Drover can go through, too, so that they meet in one table.

/// Nothing changes: the measure of the others.
pub const QUIET: &str = "quiet";
/// Half of the new containers, then half of the old ones go, and so on.
pub const START_FIRST: &str = "upgrade, start first";
/// Half of the old containers go, then half of the new ones come.
pub const STOP_FIRST: &str = "upgrade, stop first";
/// Back to what ran before the last one.
pub const ROLLBACK: &str = "rollback of that";
/// Half of the containers go.
pub const FEWER: &str = "scale from 6 to 3";
/// As many come.
pub const MORE: &str = "scale from 3 to 6";
/// All containers start anew.
pub const RESTART: &str = "restart";
