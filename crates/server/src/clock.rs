//! The one place where the server asks what time it is. Everything below it is handed the moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::Time;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

/// Now, by the machine's clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A moment for people: `2026-11-21T02:56:51Z`.
pub(crate) fn words(at: Time) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let moment = UtcDateTime::from_unix_timestamp(seconds).map(OffsetDateTime::from);
    moment.ok().and_then(|m| m.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{at} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_words() {
        assert_eq!(words(Time(1_795_219_698_842)), "2026-11-21T00:08:18Z");
        assert_eq!(words(Time(u64::MAX)), format!("{} ms", u64::MAX));
    }
}
