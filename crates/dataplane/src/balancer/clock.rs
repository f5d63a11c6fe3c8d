//! The process's own clock, for times that are kept in atomics: milliseconds since it was first read. It is no wall
//! clock: nobody outside of the process sees its numbers.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// Now; never 0, which stands for never.
pub(super) fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed()) + 1
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
