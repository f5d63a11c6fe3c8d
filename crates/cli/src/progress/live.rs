//! A terminal: one line per service that moves, which changes in place, and lasting lines above them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Event;
use super::voices::{plain, words};

/// How often the sign before a moving line turns.
const TURN_EVERY: Duration = Duration::from_millis(120);

/// The lines of the services on their way.
pub(super) struct Live {
    all: MultiProgress,
    moving: BTreeMap<String, ProgressBar>,
}

impl Live {
    pub(super) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        Self { all, moving: BTreeMap::new() }
    }

    pub(super) fn tell(&mut self, after: Duration, event: &Event) {
        match event {
            Event::Progress { service, .. } | Event::Step { service: Some(service), .. } => {
                let text = words(event);
                self.line(service).set_message(text);
            }
            Event::Done { service, .. } => {
                if let Some(line) = self.moving.remove(service) {
                    line.finish_and_clear();
                }
                self.lasting(&format!("✓ {}", words(event)));
            }
            Event::Aside { message } => {
                let _ = self.all.suspend(|| writeln!(std::io::stderr().lock(), "{message}"));
            }
            Event::Warning { .. }
            | Event::Note { .. }
            | Event::Requests { .. }
            | Event::Step { service: None, .. } => {
                self.lasting(&plain(after, event));
            }
            Event::Ended { .. } => {}
        }
    }

    /// Take the moving lines away; what follows is printed by others.
    pub(super) fn clear(&mut self) {
        for line in std::mem::take(&mut self.moving).into_values() {
            line.finish_and_clear();
        }
    }

    fn line(&mut self, service: &str) -> &ProgressBar {
        let all = &self.all;
        self.moving.entry(service.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}");
            let line = all.add(ProgressBar::new_spinner());
            line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            line.enable_steady_tick(TURN_EVERY);
            line
        })
    }

    fn lasting(&self, text: &str) {
        // A terminal that is gone takes no lines; the work goes on.
        let _ = self.all.println(text);
    }
}
