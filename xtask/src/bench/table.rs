//! Numbers of several runs, in few words and in columns.

use std::fmt;

/// Least, middle and greatest of several numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    least: f64,
    middle: f64,
    greatest: f64,
}

impl Spread {
    /// Of these numbers, at least one.
    pub(super) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let middle = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { least: at(0), middle, greatest: at(last) }
    }

    /// The middle one.
    pub(super) fn middle(self) -> f64 {
        self.middle
    }
}

/// The least number that so many of a hundred are not above; of none, none.
pub(super) fn percentile(numbers: &[f64], percent: usize) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.2} / {:.2}", self.least, self.middle, self.greatest)
    }
}

/// A Markdown table whose columns line up; the first row is its head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = widths.iter().zip(row).map(|(width, cell)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|");
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(lines.len().min(1), format!("|{rule}|\n"));
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).to_string(), "1.00 / 2.00 / 3.00");
        assert_eq!(Spread::of([4.0, 1.0]).to_string(), "1.00 / 2.50 / 4.00");
        assert_eq!(Spread::of([1.5]).to_string(), "1.50 / 1.50 / 1.50");
    }

    #[test]
    fn percentiles_are_numbers_that_there_were() {
        let numbers: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        for (percent, want) in [(50, 10.0), (95, 19.0), (100, 20.0), (0, 1.0)] {
            assert!((percentile(&numbers, percent) - want).abs() < 0.01, "{percent}");
        }
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [row(["who", "×"]), row(["Drover", "1.1"])];
        assert_eq!(table(&rows), "| who    | ×   |\n|--------|-----|\n| Drover | 1.1 |\n");
    }
}
