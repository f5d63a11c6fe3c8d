//! What happened on the host, in words, until the server has stored it.

use std::collections::VecDeque;

use drover_core::protocol::HostEvent;
use drover_core::{Time, UnitKey};
use serde::{Deserialize, Serialize};

/// Events kept at most; the oldest go.
const KEPT: usize = 1_000;

/// The events, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    /// Number of the last one ever.
    last: u64,
    events: VecDeque<HostEvent>,
}

impl Journal {
    /// Add what happened.
    pub fn add(&mut self, at: Time, unit: UnitKey, text: String) {
        self.last += 1;
        self.events.push_back(HostEvent { number: self.last, at, unit, text });
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
    }

    /// The server has stored everything up to `number`. True if that changes anything.
    pub fn stored(&mut self, number: u64) -> bool {
        let before = self.events.len();
        self.events.retain(|event| event.number > number);
        self.events.len() != before
    }

    /// What is kept.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &HostEvent> {
        self.events.iter()
    }

    /// What is kept of later than `number`.
    pub fn later_than(&self, number: u64) -> Vec<HostEvent> {
        self.events.iter().filter(|event| event.number > number).cloned().collect()
    }

    /// Number of the last event.
    pub fn last(&self) -> u64 {
        self.last
    }
}
