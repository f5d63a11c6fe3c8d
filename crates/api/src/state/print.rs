//! Prints the table into `docs/states.md` and checks that the file is the table.

use std::fmt::Write;

use drover_core::{UpgradePhase, Wanted};

use super::service::named;
use super::tables::{
    CONTAINER, CREDENTIAL, DEFAULT, HOST, LINKS, PROJECT, SERVICE, STACK, VOLUME, WEBHOOK,
};
use super::{Standing, Table};

const HEAD: &str = "# States and actions

Printed by a test from the table in `crates/api/src/state`; edit that, then run
`UPDATE_STATES=1 cargo nextest run -p drover-api states`.

`transitioning` is `yes` in a passing state, `no` at rest, and `error` as soon as something stands in the way that
someone has to resolve; `transitioningMessage` says what. An arrived service that heals or scales stays `active`: its
`healthState` and `currentScale` tell.

Where this differs from Rancher on purpose:

- A host that is being emptied is `evacuating` until nothing is left on it; Rancher removed everything at once.
- A stack is in `error` when its texts, or a decision about them, could not be carried out, also in an upgrade:
  `transitioningMessage` says why. It then offers the ways out besides: `upgrade`, `rollback`, or the same action again.
- `remove` (and DELETE) is accepted in every state; a removal is a wish, not a step.
- A PUT is accepted in every state but the removed ones, also where `update` is not listed.
- `rollback` on a plain `active` service is listed and does nothing. Rancher's compose client rolls back every service
  of a stack and fails at the first one without the action. `drover up --rollback` looks at the states first, and says
  so when no service has an upgrade to roll back.
- `rollback` is offered in `canceling-upgrade` too, which lasts for a moment only.
";

#[test]
fn states_are_printed_into_the_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
    let printed = page();
    if std::env::var_os("UPDATE_STATES").is_some() {
        std::fs::write(path, &printed).unwrap();
    }
    let held = std::fs::read_to_string(path).unwrap_or_default();
    assert!(held == printed, "docs/states.md is not the table: run the test with UPDATE_STATES=1");
}

#[test]
fn every_state_that_occurs_has_its_row() {
    for (wanted, settled, phase) in all() {
        for restart in [false, true] {
            let name = named(wanted, settled, phase, restart);
            assert!(SERVICE.iter().any(|row| row.name == name), "{name}");
            let standing = Standing::of(SERVICE, name);
            let living = !matches!(name, "removing" | "removed");
            assert_eq!(standing.actions.contains(&"remove"), living, "{name}");
        }
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, table) in [
        ("Services", SERVICE),
        ("Stacks", STACK),
        ("Containers", CONTAINER),
        ("Hosts", HOST),
        ("Projects", PROJECT),
        ("Keys, tokens, registries, their logins, volume templates", CREDENTIAL),
        ("Volumes", VOLUME),
        ("Receivers of webhooks", WEBHOOK),
        ("Everything else", DEFAULT),
    ] {
        let _ = write!(page, "\n## {title}\n\n{}", rows(table));
        if title == "Services" {
            let _ = writeln!(page, "\nBesides, until it is removed: {}.", LINKS.join(", "));
        }
    }
    page.push_str("\n## Which state a service is in\n\n");
    page.push_str("| wanted | last reached | upgrade | state |\n|---|---|---|---|\n");
    for (wanted, settled, phase) in all() {
        let state = named(wanted, settled, phase, false);
        let settled = settled.map_or("–".to_owned(), |s| word(&s));
        let phase = phase.map_or("–".to_owned(), |p| word(&p));
        let _ = writeln!(page, "| {} | {settled} | {phase} | {state} |", word(&wanted));
    }
    page.push_str(
        "\nWith an upgrade, its phase alone decides. `restarting` is `active` with a rolling restart that is \
         not done. Alias and external services have no containers and are at once where they are wanted. A \
         service that is wanted removed is `removing` while a unit of it is left.\n",
    );
    page
}

fn rows(table: Table) -> String {
    let mut rows = String::from("| state | transitioning | actions |\n|---|---|---|\n");
    for row in table {
        let passing = if row.passing { "yes" } else { "no" };
        let actions = if row.actions.is_empty() { "–".into() } else { row.actions.join(", ") };
        let _ = writeln!(rows, "| {} | {passing} | {actions} |", row.name);
    }
    rows
}

/// Every combination that can occur: with an upgrade only the phase counts.
fn all() -> Vec<(Wanted, Option<Wanted>, Option<UpgradePhase>)> {
    use UpgradePhase as P;
    let wanted = [Wanted::Inactive, Wanted::Active, Wanted::Removed];
    let settled = [None, Some(Wanted::Inactive), Some(Wanted::Active), Some(Wanted::Removed)];
    let mut all = Vec::new();
    for wanted in wanted {
        let reachable =
            settled.iter().filter(|s| **s != Some(Wanted::Removed) || wanted == Wanted::Removed);
        all.extend(reachable.map(|settled| (wanted, *settled, None)));
    }
    for phase in
        [P::Upgrading, P::Upgraded, P::Finishing, P::Canceling, P::Canceled, P::RollingBack]
    {
        all.push((Wanted::Active, Some(Wanted::Active), Some(phase)));
    }
    all
}

fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}
