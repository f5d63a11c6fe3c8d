//! Prints the table into `docs/access.md` and checks that the file is the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use drover_core::Rank;

use super::table::rule;
use super::{Deed, words};
use crate::route;

const HEAD: &str = "# Who may do what

Printed by a test from the table in `crates/api/src/access`; edit that, then run the tests of `drover-api` with
`UPDATE_STATES=1`.

Named is the least that a deed takes; whoever is more may do it too, in this order: anybody with a key, a readonly, a restricted, a
full member of the project, the project's own key, its owner, an administrator. An account is its own owner. What one may not read
does not exist (404), and so does all of a project one is no member of; what one may read and not do is refused (403). Schemas and
resources offer each caller what the caller may do, and nothing else. Secrets are in no answer but that to their making.

";

#[test]
fn access_is_printed_into_the_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md");
    let printed = page();
    if std::env::var_os("UPDATE_STATES").is_some() {
        std::fs::write(path, &printed).unwrap();
    }
    let held = std::fs::read_to_string(path).unwrap_or_default();
    assert!(held == printed, "docs/access.md is not the table: run the test with UPDATE_STATES=1");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| types | read | make | change | remove | act |\n|---|---|---|---|---|---|\n");
    let mut rows: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut order = Vec::new();
    for schema in route::schemas() {
        let rule = rule(schema.name);
        let has = |methods: &[&str], name, deed| {
            if methods.contains(&name) { short(rule.least(deed)) } else { "–" }
        };
        let mut acts: BTreeMap<Rank, Vec<&str>> = BTreeMap::new();
        for (name, _, _) in
            schema.actions.iter().filter(|(n, ..)| !["update", "remove"].contains(n))
        {
            acts.entry(rule.least(Deed::Act(name))).or_default().push(name);
        }
        let most = acts.iter().max_by_key(|(_, names)| names.len()).map(|(rank, _)| *rank);
        let mut act = most.map_or_else(|| "–".to_owned(), |rank| short(rank).to_owned());
        for (rank, names) in acts.iter().filter(|(rank, _)| Some(**rank) != most) {
            let _ = write!(act, "; {}: {}", names.join(", "), short(*rank));
        }
        let row = format!(
            "{} | {} | {} | {} | {act} |",
            short(rule.read),
            has(schema.collection, "POST", Deed::Create),
            has(schema.resource, "PUT", Deed::Update),
            has(schema.resource, "DELETE", Deed::Delete),
        );
        if !rows.contains_key(&row) {
            order.push(row.clone());
        }
        rows.entry(row).or_default().push(schema.name);
    }
    for row in order {
        let _ = writeln!(page, "| {} | {row}", rows[&row].join(", "));
    }
    page
}

fn short(rank: Rank) -> &'static str {
    match rank {
        Rank::Outside => "any key",
        Rank::Key => "the project's key",
        other => words(other).trim_end_matches(" of the project"),
    }
}
