//! The only source of chance in a simulation: a seed is a whole history.
//!
//! SplitMix64: small, fast, good enough to choose faults with, and the same on every machine for ever, which is
//! why no library is used whose stream may change with its version.

/// A seeded stream of numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to and including `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low + 1)
    }

    /// True in `percent` of the cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.draw() % 100 < percent
    }

    /// One of these, if there is any.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let last = from.len().checked_sub(1)?;
        let index = usize::try_from(self.between(0, last as u64)).unwrap_or(0);
        from.get(index).cloned()
    }
}
