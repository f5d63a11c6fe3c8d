//! Who may depend on whom, as data, checked against what cargo resolved. The direction of dependencies is the
//! architecture; a crate that needs an exception needs a conversation first.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use super::members;

/// What one crate may depend on.
struct Rule {
    name: &'static str,
    /// Crates of this workspace it may name.
    may: &'static [&'static str],
    /// Crates it may not have anywhere below it, however they come.
    may_not: &'static [&'static str],
}

/// What makes a crate impure: runtimes, sockets, engines, databases, randomness.
const OUTSIDE: &[&str] =
    &["tokio", "reqwest", "hyper", "axum", "bollard", "sqlx", "rustix", "rand"];

const ALL: &[&str] = &[
    "drover-agent",
    "drover-api",
    "drover-cli",
    "drover-compose",
    "drover-core",
    "drover-dataplane",
    "drover-rollout",
    "drover-server",
    "drover-sim",
    "drover-store",
];

/// The table.
const RULES: &[Rule] = &[
    Rule { name: "drover-core", may: &[], may_not: OUTSIDE },
    Rule { name: "drover-compose", may: &["drover-core"], may_not: OUTSIDE },
    Rule { name: "drover-api", may: &["drover-compose", "drover-core"], may_not: OUTSIDE },
    Rule { name: "drover-store", may: &["drover-core"], may_not: &["axum", "bollard", "reqwest"] },
    Rule {
        name: "drover-rollout",
        may: &["drover-api", "drover-compose", "drover-core"],
        may_not: &["reqwest", "hyper", "axum", "bollard", "sqlx"],
    },
    Rule {
        name: "drover-server",
        may: &["drover-api", "drover-compose", "drover-core", "drover-rollout", "drover-store"],
        may_not: &["bollard"],
    },
    Rule { name: "drover-agent", may: &["drover-core"], may_not: &["sqlx", "axum"] },
    Rule { name: "drover-dataplane", may: &["drover-core"], may_not: &["sqlx", "axum", "bollard"] },
    Rule {
        name: "drover-cli",
        may: &["drover-api", "drover-compose", "drover-core", "drover-rollout"],
        may_not: &["sqlx", "axum", "bollard"],
    },
    Rule { name: "drover-sim", may: ALL, may_not: &["reqwest"] },
    Rule { name: "drover", may: ALL, may_not: &[] },
    Rule {
        name: "drover-fuzz",
        may: &["drover-api", "drover-compose", "drover-core", "drover-rollout"],
        may_not: &["reqwest", "axum", "bollard", "sqlx"],
    },
    Rule { name: "xtask", may: &[], may_not: &[] },
];

/// What `core` may name at all: its few crates are part of its promise to be pure.
const CORE_MAY: &[&str] = &["imbl", "serde", "serde_json", "sha2", "thiserror"];

/// The only place where dependencies may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Everything that breaks the table.
pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let mut wrong: Vec<String> = members(metadata)
        .into_iter()
        .flat_map(|package| match RULES.iter().find(|r| r.name == package.name.as_str()) {
            Some(rule) => check_crate(metadata, package, rule),
            None => vec![format!("{}: not in the dependency table; add its rule", package.name)],
        })
        .collect();
    let foreign = metadata.packages.iter().filter_map(|package| {
        let source = package.source.as_ref()?;
        (source.repr != REGISTRY).then(|| format!("{} comes from {source}", package.name))
    });
    wrong.extend(foreign);
    wrong
}

fn check_crate(metadata: &Metadata, package: &Package, rule: &Rule) -> Vec<String> {
    let name = rule.name;
    let mut wrong = Vec::new();
    for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development)
    {
        let other = dependency.name.as_str();
        if ALL.contains(&other) && !rule.may.contains(&other) {
            wrong.push(format!("{name} may not depend on {other}"));
        }
        if name == "drover-core" && !CORE_MAY.contains(&other) {
            wrong.push(format!("{name} may not depend on {other}; it is pure"));
        }
    }
    let ways = ways_down(metadata, &package.id);
    for forbidden in rule.may_not {
        if let Some(way) = ways.get(*forbidden) {
            wrong.push(format!("{name} may not depend on {forbidden}, but does: {way}"));
        }
    }
    wrong
}

/// Every crate below one, with the way by which it was reached first. Build and test dependencies don't count: they
/// are not in what runs.
fn ways_down(metadata: &Metadata, from: &PackageId) -> BTreeMap<String, String> {
    let Some(resolve) = &metadata.resolve else { return BTreeMap::new() };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let mut ways = BTreeMap::new();
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![(from, metadata[from].name.to_string())];
    while let Some((id, way)) = open.pop() {
        for next in nodes.get(id).into_iter().flat_map(|n| &n.deps) {
            let runs = next.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
            if runs && seen.insert(&next.pkg) {
                let name = metadata[&next.pkg].name.to_string();
                let way = format!("{way} → {name}");
                ways.insert(name, way.clone());
                open.push((&next.pkg, way));
            }
        }
    }
    ways
}
