//! `history` and `diff`: the revisions of services, and what differs between two of them.

use drover_api::launch_config;
use drover_core::Template;
use drover_rollout::{ServiceView, diff, nothing, number, text};
use serde_json::{Value, json};

use crate::Program;
use crate::args::{Diff, Selected};
use crate::failure::Failure;
use crate::operator::say;
use crate::progress::Reporter;
use crate::session::Session;
use crate::table::{ago, now_ms, print};

const COLUMNS: [&str; 7] = ["SERVICE", "REVISION", "RUNS", "CREATED", "BY", "IMAGE", "REASON"];
/// Characters of a digest that tell it from others at a glance.
const SHORT: usize = 12;

/// `history`.
pub(crate) async fn history(
    options: &Selected,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let views = session.selected(&options.services).await?;
    let mut rows = Vec::new();
    for view in &views {
        let revisions = revisions(&session, view).await?;
        rows.extend(revisions.iter().rev().map(|revision| row(view, revision)));
    }
    // What happened to a stack is one story, whichever of its services it happened to.
    rows.sort_by_key(|row| std::cmp::Reverse(row["created"].as_u64()));
    if options.common.output.json {
        return say(&format!("{:#}", Value::from(rows)));
    }
    let now_ms = now_ms();
    print(&COLUMNS, &rows.iter().map(|row| cells(row, now_ms)).collect::<Vec<_>>())
}

/// `diff`.
pub(crate) async fn diff(
    options: &Diff,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let session = Session::begin(&options.common, program, reporter).await?;
    session.stack()?;
    let names = std::slice::from_ref(&options.service);
    let views = session.selected(names).await?;
    let Some(view) = views.first() else { return Ok(()) };
    let all = revisions(&session, view).await?;
    let from = find(view, &all, Some(options.from))?;
    let to = find(view, &all, options.to)?;
    let words = differences(view, from, to)?;
    if options.common.output.json {
        let told = json!({
            "service": view.name,
            "from": from["revision"],
            "to": to["revision"],
            "differences": words,
        });
        return say(&format!("{told:#}"));
    }
    let head = format!("{}, revision {} to {}", view.name, from["revision"], to["revision"]);
    let lines = if words.is_empty() { vec!["nothing differs".to_owned()] } else { words };
    say(&format!("{head}:\n  {}", lines.join("\n  ")))
}

async fn revisions(session: &Session<'_>, view: &ServiceView) -> Result<Vec<Value>, Failure> {
    let doing = format!("list the revisions of {}", view.name);
    let filters = [("serviceId", view.id.as_str())];
    Ok(session.client.list(&doing, "serviceRevisions", &filters).await?)
}

/// A revision by its number; without one, the one that runs.
fn find<'a>(
    view: &ServiceView,
    all: &'a [Value],
    wanted: Option<u32>,
) -> Result<&'a Value, Failure> {
    let is_it = |revision: &&Value| match wanted {
        Some(wanted) => number(revision, "revision") == wanted,
        None => revision["current"] == true,
    };
    all.iter().find(is_it).ok_or_else(|| {
        let numbers: Vec<String> = all.iter().map(|r| r["revision"].to_string()).collect();
        let (name, wanted) = (&view.name, wanted.unwrap_or_default());
        Failure::Failed(format!("{name} has no revision {wanted}; it has {}", numbers.join(", ")))
    })
}

/// What became different, a line each: configuration, then images whose tag meant something else.
fn differences(view: &ServiceView, from: &Value, to: &Value) -> Result<Vec<String>, Failure> {
    let (old, new) = (template(view, from)?, template(view, to)?);
    let found = diff::between(&old, &new);
    let mut words = found.primary;
    words.extend(found.sidekicks.iter().map(|(name, sidekick)| sidekick.words(name)));
    let (old, new) = (&from["digests"], &to["digests"]);
    let moved = new.as_object().into_iter().flatten().filter_map(|(image, digest)| {
        let (was, is) = (old[image].as_str()?, digest.as_str()?);
        (was != is).then(|| format!("image {image} was {} and is {}", short(was), short(is)))
    });
    words.extend(moved);
    Ok(words)
}

fn template(view: &ServiceView, revision: &Value) -> Result<Template, Failure> {
    let (launch, secondaries) = (&revision["launchConfig"], &revision["secondaryLaunchConfigs"]);
    let read = if view.kind == drover_core::ServiceKind::Balancer {
        launch_config::balancer_from_wire(launch)
    } else {
        launch_config::template_from_wire(&view.name, launch, secondaries)
    };
    read.map_err(|error| Failure::Failed(format!("a revision of {}: {error}", view.name)))
}

fn row(view: &ServiceView, revision: &Value) -> Value {
    let image = text(&revision["launchConfig"], "imageUuid");
    let image = image.strip_prefix("docker:").unwrap_or(&image);
    json!({
        "service": view.name,
        "revision": revision["revision"],
        "current": revision["current"],
        "created": revision["createdTS"],
        "by": revision["madeBy"],
        "image": image,
        "digest": revision["digests"][image],
        "digests": revision["digests"],
        "reason": revision["reason"],
    })
}

fn cells(row: &Value, now_ms: u64) -> Vec<String> {
    let digest = row["digest"].as_str().map(|digest| format!(" ({})", short(digest)));
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    vec![
        text(row, "service"),
        row["revision"].to_string(),
        if row["current"] == true { "yes".to_owned() } else { "-".to_owned() },
        row["created"].as_u64().map_or("-".to_owned(), |at| ago(now_ms, at)),
        or_none(text(row, "by")),
        text(row, "image") + &digest.unwrap_or_default(),
        or_none(text(row, "reason")),
    ]
}

fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..SHORT).unwrap_or(hex)
}

/// The body of the action that leads back to a revision.
pub(crate) fn rollback_body(to: u32, batch_size: Option<u32>, interval_ms: Option<u64>) -> Value {
    let mut body = nothing();
    body["toRevision"] = to.into();
    if let Some(batch_size) = batch_size {
        body["batchSize"] = batch_size.into();
    }
    if let Some(interval_ms) = interval_ms {
        body["intervalMillis"] = interval_ms.into();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> ServiceView {
        ServiceView::read(&json!({ "id": "1s5", "name": "web", "type": "service" }))
    }

    fn revision(number: u32, image: &str, digest: &str) -> Value {
        json!({
            "revision": number, "current": number == 2, "createdTS": 60_000, "madeBy": "ACCESS",
            "reason": if number == 2 { "the fix" } else { "" },
            "launchConfig": { "imageUuid": format!("docker:{image}") },
            "digests": { image: format!("sha256:{digest}") },
        })
    }

    #[test]
    fn what_a_tag_meant_is_told_apart() {
        let check = |from: Value, to: Value, want: &[&str]| {
            assert_eq!(differences(&view(), &from, &to).unwrap(), want);
        };
        let (a, b) = ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb");
        check(revision(1, "web:1", a), revision(2, "web:1", a), &[]);
        check(
            revision(1, "web:1", a),
            revision(2, "web:1", b),
            &["image web:1 was aaaaaaaaaaaa and is bbbbbbbbbbbb"],
        );
        check(revision(1, "web:1", a), revision(2, "web:2", b), &["image web:1 → web:2"]);
    }

    #[test]
    fn a_line_for_each() {
        let rows = [revision(1, "web:1", "ab"), revision(2, "web:1", "cd")];
        let line = |revision| cells(&row(&view(), revision), 120_000).join(" | ");
        assert_eq!(line(&rows[0]), "web | 1 | - | 1 min ago | ACCESS | web:1 (ab) | -");
        assert_eq!(line(&rows[1]), "web | 2 | yes | 1 min ago | ACCESS | web:1 (cd) | the fix");
        let none = find(&view(), &rows, Some(7)).unwrap_err().to_string();
        assert_eq!(none, "web has no revision 7; it has 1, 2");
    }
}
