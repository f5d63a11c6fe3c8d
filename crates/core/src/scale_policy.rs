//! Scale by what the cluster can hold: what users set, and the steps it allows.

use serde::{Deserialize, Serialize};

/// A service's scale is found out: it begins with `min` and grows by `increment` as long as its units have a place and
/// run, up to `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalePolicy {
    /// Units to begin with, and at least.
    pub min: u32,
    /// Units at most.
    pub max: u32,
    /// Units added at a time.
    pub increment: u32,
}

impl ScalePolicy {
    /// The next scale above; `None` at the top. The last step may be a small one.
    pub fn above(self, scale: u32) -> Option<u32> {
        let next = scale.saturating_add(self.increment.max(1)).min(self.max);
        (next > scale).then_some(next)
    }

    /// The next scale below, counted from `min`; `None` at the bottom.
    pub fn below(self, scale: u32) -> Option<u32> {
        let step = self.increment.max(1);
        let over = scale.checked_sub(self.min.saturating_add(1))?;
        Some(self.min + over / step * step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_up_and_down() {
        let check = |(min, max, increment), up: &[u32]| {
            let policy = ScalePolicy { min, max, increment };
            let ups = std::iter::successors(Some(min), |scale| policy.above(*scale));
            assert_eq!(ups.collect::<Vec<_>>(), up);
            let downs = std::iter::successors(up.last().copied(), |scale| policy.below(*scale));
            let mut downs: Vec<u32> = downs.collect();
            downs.reverse();
            assert_eq!(downs, up);
        };
        check((1, 5, 2), &[1, 3, 5]);
        check((1, 6, 2), &[1, 3, 5, 6]);
        check((3, 3, 1), &[3]);
        check((2, 4, 1), &[2, 3, 4]);
        check((1, 3, 0), &[1, 2, 3]);
        check((1, 2, u32::MAX), &[1, 2]);
        assert_eq!(ScalePolicy { min: 3, max: 9, increment: 2 }.below(1), None);
    }
}
