//! Names of phases that others than Drover can go through, too, so that they meet in one table.

/// Nothing changes: the measure of the others.
pub const QUIET: &str = "quiet";
/// As many containers as the others have come and go on the same hosts, but no request has to do with them: what the
/// machine and its engines cost whoever asks, and not the change of what is asked.
pub const ASIDE: &str = "upgrade of a service that nobody asks, and back";
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
