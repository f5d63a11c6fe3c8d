//! How long things took, counted in buckets: its size doesn't grow with what it counts, however long a run is, and what
//! is read from it is at most one part in 64 too great.

use std::time::Duration;

/// Buckets of each doubling, as a power of two.
const FINENESS: u32 = 6;
const STEPS: u64 = 1 << FINENESS;

/// Counts of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    all: u64,
}

impl Histogram {
    /// Count one.
    pub fn add(&mut self, took: Duration) {
        let bucket = bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.all += 1;
    }

    /// Within which time so many in a thousand were, milliseconds; not a number if nothing was counted.
    pub fn quantile_ms(&self, per_mille: u64) -> f64 {
        let rank = (self.all * per_mille).div_ceil(1000).max(1);
        let mut sum = 0;
        let found = self.counts.iter().position(|count| {
            sum += count;
            sum >= rank
        });
        let longest = |bucket| Duration::from_micros(longest_us(bucket)).as_secs_f64() * 1000.0;
        found.map_or(f64::NAN, longest)
    }
}

/// The bucket of a time: one for each microsecond at first, then 64 to each doubling.
fn bucket(us: u64) -> usize {
    let doublings = (u64::BITS - us.leading_zeros()).saturating_sub(FINENESS + 1);
    usize::try_from(u64::from(doublings) * STEPS + (us >> doublings)).unwrap_or(usize::MAX)
}

/// The longest time that falls into a bucket, microseconds.
fn longest_us(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let doublings = (bucket / STEPS).saturating_sub(1);
    let step = bucket - doublings * STEPS;
    ((step + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_times_and_is_at_most_a_64th_too_great() {
        let mut last = 0;
        for us in (0..5_000).chain([64_000, 1_000_000, 59_999_999]) {
            let bucket = bucket(us);
            let longest = longest_us(bucket);
            assert!(bucket >= last && longest >= us && longest - us <= us / 64, "{us}: {longest}");
            last = bucket;
        }
    }

    #[test]
    fn quantiles_of_a_thousand() {
        let mut times = Histogram::default();
        assert!(times.quantile_ms(500).is_nan());
        (1..=1000).rev().for_each(|ms| times.add(Duration::from_millis(ms)));
        for (per_mille, ms) in [(1, 1.0), (500, 500.0), (990, 990.0), (999, 999.0)] {
            let read = times.quantile_ms(per_mille);
            assert!(read >= ms && read <= ms * 65.0 / 64.0, "{per_mille}: {read}");
        }
    }
}
