//! What writers wrote, each that it runs, into one file: the order of lines is the order of time, whoever's clock says what. Two
//! ran at once if one wrote again after another had begun.

use std::collections::BTreeSet;
use std::path::Path;

/// One process, from its first line to its last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Another number for each process.
    number: String,
    /// Its host name.
    name: String,
    /// Seconds since the machine was started, at its first line and at its last.
    pub(super) first_s: f64,
    pub(super) last_s: f64,
}

/// All that was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Story {
    /// Processes by their first lines.
    pub(super) runs: Vec<Run>,
    /// Where one wrote though another had begun since, in words; once for every two.
    pub(super) overlaps: Vec<String>,
}

impl Story {
    /// What is in the file by now.
    pub(super) fn read(file: &Path) -> std::io::Result<Self> {
        Ok(Self::of(&std::fs::read_to_string(file)?))
    }

    fn of(text: &str) -> Self {
        let mut story = Self::default();
        let mut told = BTreeSet::new();
        // The last line may not be whole yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (number, seconds, name) in whole.lines().filter_map(line) {
            let known = story.runs.iter().rposition(|run| run.number == number);
            let Some(at) = known else {
                let (number, name) = (number.to_owned(), name.to_owned());
                story.runs.push(Run { number, name, first_s: seconds, last_s: seconds });
                continue;
            };
            let since = story.runs.len() - 1;
            if at < since && told.insert((at, since)) {
                let (run, next) = (&story.runs[at], &story.runs[since]);
                story.overlaps.push(format!(
                    "the writer {} ({}) wrote at {seconds:.2}, {} ({}) had begun at {:.2}",
                    run.name, run.number, next.name, next.number, next.first_s
                ));
            }
            story.runs[at].last_s = seconds;
        }
        story
    }

    /// Seconds from the last line of the last but one to the first of the last.
    pub(super) fn gap_s(&self) -> Option<f64> {
        let [.., old, new] = self.runs.as_slice() else { return None };
        Some(new.first_s - old.last_s)
    }
}

/// Number, seconds and name.
fn line(text: &str) -> Option<(&str, f64, &str)> {
    let mut words = text.split(' ');
    Some((words.next()?, words.next()?.parse().ok()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_after_another_began_ran_at_the_same_time() {
        let check = |text: &str, runs: usize, overlaps: usize, gap_s: Option<f64>| {
            let story = Story::of(text);
            let hundredths = |s: f64| (s * 100.0).round();
            let gap = story.gap_s().map(hundredths);
            let found = (story.runs.len(), story.overlaps.len(), gap);
            assert_eq!(found, (runs, overlaps, gap_s.map(hundredths)), "{text}: {story:?}");
        };
        check("", 0, 0, None);
        check("7 1.00 a\n7 1.02 a\n", 1, 0, None);
        check("7 1.00 a\n7 1.02 a\n8 4.52 b\n8 4.54 b\n", 2, 0, Some(3.5));
        // Not whole yet.
        check("7 1.00 a\n8 4.", 1, 0, None);
        check("7 1.00 a\n8 1.50 b\n7 1.52 a\n7 1.54 a\n", 2, 1, Some(-0.04));
        check("7 1.00 a\n8 1.50 b\n9 1.60 c\n7 1.62 a\n8 1.63 b\n", 3, 2, Some(-0.03));
    }
}
