//! Who answers: which service in which version, and which processes of it. The load takes it down from the answers; after a
//! change it must be who the files say, or the change was none.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::Answer;

/// A process that answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Service and version, such as `web v1`.
    pub what: String,
    /// Another number after each of its starts.
    pub run: u64,
}

/// What an upgrade, a rollback or a restart does to the processes that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// Whoever they are; how it is at the beginning.
    Any,
    /// They are the same.
    Same,
    /// All are new ones.
    New,
    /// Some are left.
    Fewer,
    /// Those there were, and others.
    More,
}

/// Who answers since one began to look.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How many answers each gave.
    pub answers: BTreeMap<Who, u64>,
}

impl Who {
    /// Who gave an answer: the service names itself by `VERSION`, below its version and its host.
    pub(super) fn of(answer: &Answer) -> Self {
        let mut lines = answer.body.lines();
        let (version, service) = (lines.next().unwrap_or("?"), lines.nth(1).unwrap_or("?"));
        let service = service.strip_prefix("version ").unwrap_or(service);
        Self { what: format!("{service} {version}"), run: answer.run }
    }
}

impl Seen {
    /// All answers.
    pub(super) fn count(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Those who answered.
    pub fn who(&self) -> BTreeSet<Who> {
        self.answers.keys().cloned().collect()
    }
}

/// Why it is not as it should be, if it isn't: `wanted` has how many processes of what shall answer, `before` those that
/// did before the change, `after` those that do now.
pub(super) fn differs(
    wanted: &BTreeMap<String, usize>,
    runs: Runs,
    before: &BTreeSet<Who>,
    after: &BTreeSet<Who>,
) -> Option<String> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for who in after {
        *found.entry(who.what.clone()).or_default() += 1;
    }
    if found != *wanted {
        return Some(format!("{} answer instead of {}", words(&found), words(wanted)));
    }
    let so = match runs {
        Runs::Any => true,
        Runs::Same => after == before,
        Runs::New => after.is_disjoint(before),
        Runs::Fewer => after.is_subset(before) && after.len() < before.len(),
        Runs::More => before.is_subset(after) && before.len() < after.len(),
    };
    let stayed = after.intersection(before).count();
    let gone = before.len() - stayed;
    (!so).then(|| {
        format!("{stayed} processes that answered before still do, {gone} don't: not {runs:?}")
    })
}

fn words(counts: &BTreeMap<String, usize>) -> String {
    let parts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} of {what}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_must_show_in_who_answers() {
        let all = |text: &str| -> BTreeSet<Who> {
            let who = |word: &str| {
                let (what, run) = word.split_once('/').unwrap();
                Who { what: what.replace('-', " "), run: run.parse().unwrap() }
            };
            text.split_whitespace().map(who).collect()
        };
        let check = |runs, before: &str, after: &str, so: bool| {
            let wanted = BTreeMap::from([("web v2".to_owned(), 2)]);
            let why = differs(&wanted, runs, &all(before), &all(after));
            assert_eq!(why.is_none(), so, "{runs:?} {before} {after}: {why:?}");
        };
        check(Runs::Any, "", "web-v2/1 web-v2/2", true);
        check(Runs::Any, "", "web-v2/1", false);
        check(Runs::Any, "", "web-v1/1 web-v2/2", false);
        check(Runs::Any, "", "web-v1/1 web-v1/2", false);
        check(Runs::Any, "", "web-v2/1 web-v2/2 next-v2/3", false);
        check(Runs::Same, "web-v2/1 web-v2/2", "web-v2/1 web-v2/2", true);
        check(Runs::Same, "web-v2/1 web-v2/2", "web-v2/1 web-v2/3", false);
        check(Runs::New, "web-v1/1 web-v1/2", "web-v2/3 web-v2/4", true);
        check(Runs::New, "web-v2/1 web-v2/2", "web-v2/1 web-v2/3", false);
        check(Runs::Fewer, "web-v2/1 web-v2/2 web-v2/3", "web-v2/1 web-v2/2", true);
        check(Runs::Fewer, "web-v2/1 web-v2/2", "web-v2/1 web-v2/2", false);
        check(Runs::More, "web-v2/1", "web-v2/1 web-v2/2", true);
        check(Runs::More, "web-v2/1", "web-v2/3 web-v2/2", false);
    }
}
