//! How long to wait before trying again. Pure arithmetic; who failed at what is [`crate::reconcile::Attempt`]'s.
//!
//! The first restart comes at once, so that a container killed by accident is back within a second or two; a
//! crash loop slows down to one attempt a minute, so that it can't load host or server.

/// The longest wait, ms.
pub const LONGEST_MS: u64 = 60_000;
/// A run this long was stable, whatever came of it: failures are counted from 1 again, ms.
pub const STABLE_RUN_MS: u64 = 60_000;
/// Ready for this long, a unit is stable before that, ms.
pub const STABLE_READY_MS: u64 = 10_000;

/// Wait before a container that ended by itself is started again, ms: 0, 1 s, 2 s, 4 s … 60 s.
pub fn restart_delay_ms(failures: u32) -> u64 {
    match failures {
        0 | 1 => 0,
        more => doubled(more - 2),
    }
}

/// Wait before something that Docker refused is tried again, ms: 1 s, 2 s, 4 s … 60 s. There is no free first
/// try: what can't be pulled or created can't be a moment later.
pub fn refusal_delay_ms(failures: u32) -> u64 {
    doubled(failures.saturating_sub(1))
}

/// Wait before a connection is tried again, ms: 0.25 s, 0.5 s … `longest_ms`, shortened by up to a half by
/// `dice` (0–255), so that a hundred agents don't come back at the same moment.
pub fn reconnect_delay_ms(failures: u32, longest_ms: u64, dice: u8) -> u64 {
    let whole = (250 << failures.saturating_sub(1).min(16)).min(longest_ms);
    whole - whole * u64::from(dice) / 512
}

fn doubled(times: u32) -> u64 {
    (1_000 << times.min(16)).min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute() {
        let restarts: Vec<u64> = (0..10).map(restart_delay_ms).collect();
        let s = |list: [u64; 10]| list.map(|s| s * 1_000).to_vec();
        assert_eq!(restarts, s([0, 0, 1, 2, 4, 8, 16, 32, 60, 60]));
        let refusals: Vec<u64> = (0..10).map(refusal_delay_ms).collect();
        assert_eq!(refusals, s([1, 1, 2, 4, 8, 16, 32, 60, 60, 60]));
        assert_eq!(restart_delay_ms(u32::MAX), LONGEST_MS);
    }

    #[test]
    fn reconnects_spread() {
        assert_eq!(reconnect_delay_ms(1, 5_000, 0), 250);
        assert_eq!(reconnect_delay_ms(u32::MAX, 5_000, 0), 5_000);
        assert_eq!(reconnect_delay_ms(9, 5_000, 255), 2_510);
    }
}
