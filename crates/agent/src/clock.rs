//! The one place where the agent asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::Time;

/// Now, by the host's clock, which is also Docker's.
pub(crate) fn now() -> Time {
    Time(now_ns() / 1_000_000)
}

/// Now in nanoseconds, to be compared with Docker's events.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
