//! The largest files and functions, and how large the usual ones are. Tests don't count: they are read one at a time.

use super::SourceFile;
use super::scan::{blanked, functions};

/// How many of each are printed.
const SHOWN: usize = 10;

/// Print them.
pub(super) fn print(files: &[SourceFile]) {
    let product: Vec<_> = files.iter().filter(|f| !is_test(&f.path)).collect();
    let mut sizes: Vec<(usize, String)> =
        product.iter().map(|f| (without_tests(&f.text).lines().count(), f.path.clone())).collect();
    let mut functions: Vec<(usize, String)> = product.iter().flat_map(|f| sized(f)).collect();
    print_one("files", &mut sizes);
    print_one("functions", &mut functions);
}

fn sized(file: &SourceFile) -> Vec<(usize, String)> {
    let found = functions(&blanked(without_tests(&file.text))).into_iter();
    found.map(|f| (f.length, format!("{}:{} {}", file.path, f.line, f.name))).collect()
}

fn print_one(what: &str, sizes: &mut [(usize, String)]) {
    sizes.sort_by(|a, b| b.cmp(a));
    let at = |share: usize| sizes.get(sizes.len() * (100 - share) / 100).map_or(0, |s| s.0);
    println!("{} {what}: median {} lines, p90 {}; the largest:", sizes.len(), at(50), at(90));
    for (lines, name) in sizes.iter().take(SHOWN) {
        println!("{lines:>6}  {name}");
    }
}

/// A file's text up to its tests, which stand last.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |end| &text[..end])
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "examples" | "fuzz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_counted() {
        assert_eq!(without_tests("a\n\n#[cfg(test)]\nmod tests {\n}\n"), "a\n");
        assert!(is_test("crates/core/tests/plan/main.rs") && !is_test("crates/core/src/plan.rs"));
    }
}
