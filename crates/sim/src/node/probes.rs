//! What an agent finds of units on other hosts, by the product's own count of passes and failures.

use std::collections::BTreeMap;

use drover_core::{Checked, UnitKey, Verdict, Watched, Witnessed};

/// What an agent's process knows of units on other hosts.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Each as it was to be probed, how it does, and how many rounds it failed without ever passing; `None` once it passed.
    pub(super) asked: BTreeMap<UnitKey, (Watched, Checked, Option<u32>)>,
    pub(super) found: Witnessed,
    pub(super) untold: bool,
}

impl Probes {
    /// What is found after one more round.
    pub(super) fn round(
        &mut self,
        watched: &BTreeMap<UnitKey, Watched>,
        reached: &BTreeMap<UnitKey, bool>,
    ) -> BTreeMap<UnitKey, Verdict> {
        self.asked.retain(|unit, (asked, ..)| watched.get(unit) == Some(asked));
        let mut found = BTreeMap::new();
        for (unit, watched) in watched {
            let new = || (watched.clone(), Checked::not_yet(), Some(0));
            let (_, checked, failed) = self.asked.entry(*unit).or_insert_with(new);
            let passes = reached.get(unit).is_some_and(|reached| *reached);
            let result =
                if passes { Ok(()) } else { Err("its health check fails from here".to_owned()) };
            *checked = checked.clone().after(result, &watched.check);
            *failed = match failed.filter(|_| checked.down.is_some()) {
                Some(_) if passes => Some(0),
                Some(times) => Some(times + 1),
                None => None,
            };
            if failed.is_none_or(|times| times >= watched.check.fall()) {
                found.insert(*unit, watched.verdict(checked.down.clone()));
            }
        }
        found
    }
}
