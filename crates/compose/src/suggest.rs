//! The word that was probably meant.

/// The candidate nearest to a word that isn't one of them, if any is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = (word.chars().count() / 3).clamp(1, 3);
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice of separator are not what distinguishes two keys.
fn fold(word: &str) -> Vec<char> {
    // A longer word is nobody's slip, and the distance takes time in the square of the length.
    word.chars().take(80).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["ports", "image", "environment", "dns", "network_mode", "health_check"];
        for (word, want) in [
            ("prots", Some("ports")),
            ("imgae", Some("image")),
            ("enviroment", Some("environment")),
            ("network-mode", Some("network_mode")),
            ("healthCheck", Some("health_check")),
            ("Image", Some("image")),
            ("tty", None),
            ("", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(word, keys), want, "{word}");
        }
    }
}
