//! Whose turn it is: round robin by weight, spread out (a a b rather than a, a, a, …, b).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The turns of one route's targets.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// Positions of targets, one for each turn of a round.
    round: Vec<usize>,
    /// Turns taken; goes on over a reload, so that reloads favour nobody.
    turn: Arc<AtomicUsize>,
}

impl Rotation {
    /// A round in which each position has its weight's share. Weight 0 has no turn.
    pub(super) fn new(weights: &[u16], turn: Arc<AtomicUsize>) -> Self {
        Self { round: round(weights), turn }
    }

    /// The counter, for the rotation that follows this one.
    pub(super) fn turn(&self) -> Arc<AtomicUsize> {
        self.turn.clone()
    }

    /// Positions in the order they should be tried: whose turn it is first. Each at least once, the
    /// weighty ones more often.
    pub(super) fn next(&self) -> impl Iterator<Item = usize> {
        let length = self.round.len().max(1);
        let start = self.turn.fetch_add(1, Ordering::Relaxed) % length;
        let (before, from) = self.round.split_at(start.min(self.round.len()));
        from.iter().chain(before).copied()
    }
}

/// Each turn goes to the one furthest behind its share.
fn round(weights: &[u16]) -> Vec<usize> {
    let divisor = weights.iter().fold(0, |a, b| greatest_common_divisor(a, *b)).max(1);
    let shares: Vec<i64> = weights.iter().map(|w| i64::from(w / divisor)).collect();
    let total: i64 = shares.iter().sum();
    let mut behind = vec![0; shares.len()];
    let mut round = Vec::new();
    for _ in 0..total {
        for (credit, share) in behind.iter_mut().zip(&shares) {
            *credit += share;
        }
        // The first of equals, so that equal weights go in order.
        let most = behind.iter().copied().max().unwrap_or_default();
        let Some(turn) = behind.iter().position(|credit| *credit == most) else { break };
        behind[turn] -= total;
        round.push(turn);
    }
    round
}

fn greatest_common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds() {
        for (weights, want) in [
            (&[][..], &[][..]),
            (&[0], &[]),
            (&[1], &[0]),
            (&[7, 7, 7], &[0, 1, 2]),
            (&[1, 0, 1], &[0, 2]),
            (&[2, 1], &[0, 1, 0]),
            (&[200, 100], &[0, 1, 0]),
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
        ] {
            assert_eq!(round(weights), want, "{weights:?}");
        }
    }

    #[test]
    fn turns_go_round_and_over_a_reload() {
        let rotation = Rotation::new(&[1, 1, 1], Arc::default());
        let tried = |r: &Rotation| r.next().collect::<Vec<_>>();
        assert_eq!(tried(&rotation), [0, 1, 2]);
        assert_eq!(tried(&rotation), [1, 2, 0]);
        let rotation = Rotation::new(&[1, 1, 1], rotation.turn());
        assert_eq!(tried(&rotation), [2, 0, 1]);
        assert_eq!(tried(&rotation), [0, 1, 2]);
        assert_eq!(tried(&Rotation::default()), [0; 0]);
    }
}
