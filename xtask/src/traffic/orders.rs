//! Requests that must not be done twice: which ones were confirmed to who sent them, and how often each reached the
//! service. A byte for each, so that a long run needs little.

/// The mark of one that was confirmed; below it is how often it arrived.
const CONFIRMED: u8 = 0x80;

/// Orders by their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    marks: Vec<u8>,
}

impl Orders {
    /// It was answered as it should be.
    pub(super) fn confirm(&mut self, number: u64) {
        if let Some(mark) = self.mark(number) {
            *mark |= CONFIRMED;
        }
    }

    /// It reached the service.
    pub(super) fn arrive(&mut self, number: u64) {
        if let Some(mark) = self.mark(number).filter(|mark| **mark & !CONFIRMED < CONFIRMED - 1) {
            *mark += 1;
        }
    }

    /// How many were confirmed.
    pub fn confirmed(&self) -> usize {
        self.marks.iter().filter(|mark| **mark & CONFIRMED != 0).count()
    }

    /// Those that reached the service more than once.
    pub fn replays(&self) -> Vec<usize> {
        let twice = |mark: &u8| mark & !CONFIRMED > 1;
        self.marks.iter().enumerate().filter(|(_, mark)| twice(mark)).map(|(n, _)| n).collect()
    }

    /// How many were confirmed although the service never told of them: without this being zero, replays can't be told
    /// from what the network swallowed.
    pub fn unheard(&self) -> usize {
        self.marks.iter().filter(|mark| matches!(**mark, CONFIRMED)).count()
    }

    fn mark(&mut self, number: u64) -> Option<&mut u8> {
        let number = usize::try_from(number).ok()?;
        if self.marks.len() <= number {
            self.marks.resize(number + 1, 0);
        }
        self.marks.get_mut(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_arrives_twice_is_a_replay_and_one_that_was_not_told_is_missed() {
        let mut orders = Orders::default();
        for number in [1, 2, 3] {
            orders.confirm(number);
        }
        for number in [1, 2, 2, 4] {
            orders.arrive(number);
        }
        assert_eq!((orders.confirmed(), orders.replays(), orders.unheard()), (3, vec![2], 1));
        (0..300).for_each(|_| orders.arrive(1));
        assert_eq!(orders.replays(), [1, 2]);
        assert_eq!((orders.confirmed(), orders.unheard()), (3, 1));
    }
}
