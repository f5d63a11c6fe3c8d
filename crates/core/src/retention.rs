//! How many of a service's revisions are kept: those that it can be taken back to.

use crate::World;

/// The setting that says it, for all services.
pub const REVISIONS_SETTING: &str = "drover.revisions.keep";
/// What it is where nobody set it.
pub const DEFAULT_REVISIONS: &str = "20";

/// Whether a value of the setting makes sense: at least what runs and what it replaced.
pub fn is_revisions(value: &str) -> bool {
    value.parse::<usize>().is_ok_and(|keep| (2..=1000).contains(&keep))
}

/// How many revisions of each service are kept.
pub fn kept_revisions(world: &World) -> usize {
    let set = world.settings.get(REVISIONS_SETTING).filter(|value| is_revisions(value));
    let keep = set.map_or(DEFAULT_REVISIONS, String::as_str).parse();
    keep.unwrap_or(usize::MAX)
}
