//! `wait`: come back to what is under way, and end as the command that began it would have.

use drover_rollout::Event;
use drover_rollout::{requests, settle};

use crate::Program;
use crate::args::Watch;
use crate::failure::Failure;
use crate::outcome::{Ending, ending};
use crate::progress::Reporter;
use crate::session::Session;
use crate::status::progress;

/// `wait`.
pub(crate) async fn watch(
    options: &Watch,
    program: Program,
    reporter: &Reporter,
) -> Result<Ending, Failure> {
    let session = Session::begin(&options.selected.common, program, reporter).await?;
    session.stack()?;
    let chosen = session.selected(&options.selected.services).await?;
    let (views, names) = settle(&session, &chosen).await?;
    requests::tell(&session, &names).await?;
    for view in views.iter().filter(|view| !names.contains(&view.name)) {
        let said = format!("{}: {}, {}", view.name, view.state, progress(view, None));
        reporter.tell(&Event::note(said));
    }
    ending(&views.iter().collect::<Vec<_>>(), options.waiting_ok)
}

#[cfg(test)]
mod tests {
    use drover_rollout::ServiceView;
    use serde_json::{Value, json};

    use super::*;

    fn view(name: &str, state: &str, more: &Value) -> ServiceView {
        let mut whole = json!({ "id": name, "name": name, "state": state });
        for (key, value) in more.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        ServiceView::read(&whole)
    }

    #[test]
    fn the_worst_of_all_counts() {
        let back = json!({ "lastUpgrade": { "phase": "rolling-back", "verdict": "it crashes" } });
        let (fine, waiting) =
            (view("db", "active", &json!({})), view("web", "upgraded", &json!({})));
        let (gone, half) =
            (view("api", "active", &back), view("lb", "canceled-upgrade", &json!({})));
        let status = |views: &[&ServiceView], ok| match ending(views, ok) {
            Ok(ending) => ending.status(Program::Drover),
            Err(failure) => failure.status(),
        };
        assert_eq!(status(&[&fine], false), 0);
        assert_eq!(status(&[&fine, &waiting], false), 10);
        assert_eq!(status(&[&fine, &waiting], true), 0);
        assert_eq!(status(&[&waiting, &gone], false), 20);
        assert_eq!(status(&[&gone, &half, &waiting], true), 7);
    }
}
