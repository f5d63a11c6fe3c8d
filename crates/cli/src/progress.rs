//! Saying what happens while it happens: live on a terminal, plain lines in a pipe, JSON for programs, and
//! Rancher's log lines under Rancher's name.
//!
//! One list of events, one file per voice. What commands print as their result (a table, a token, a log) is not
//! progress and does not come through here.

mod live;
mod voices;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use drover_rollout::{Event, Report};
use live::Live;

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Live on a terminal, plain lines elsewhere; on stdout.
    Drover,
    /// One JSON object per line on stdout.
    Json,
    /// `INFO[0002] …` on stderr.
    Rancher,
}

/// Where events go.
pub(crate) struct Reporter {
    began: Instant,
    way: Way,
    /// Something was asked of the server that changes something.
    asked: AtomicBool,
}

enum Way {
    Plain,
    Live(Mutex<Live>),
    Json,
    Rancher { coloured: bool },
}

impl Reporter {
    /// A reporter that begins counting seconds now.
    pub(crate) fn new(voice: Voice) -> Self {
        use std::io::IsTerminal as _;
        let way = match voice {
            Voice::Json => Way::Json,
            Voice::Rancher => Way::Rancher { coloured: std::io::stderr().is_terminal() },
            Voice::Drover if std::io::stdout().is_terminal() => Way::Live(Mutex::new(Live::new())),
            Voice::Drover => Way::Plain,
        };
        Self::by(way)
    }

    fn by(way: Way) -> Self {
        Self { began: Instant::now(), way, asked: AtomicBool::new(false) }
    }

    /// Something is asked of the server that nobody is told of.
    pub(crate) fn asks(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether anything was asked of the server: only then it goes on with something when the command is ended.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Say that something happened.
    pub(crate) fn tell(&self, event: &Event) {
        let after = self.began.elapsed();
        if matches!(event, Event::Step { .. }) {
            self.asks();
        }
        match &self.way {
            Way::Plain if event.is_for_stderr() => to_stderr(&voices::plain(after, event)),
            Way::Plain => to_stdout(&voices::plain(after, event)),
            Way::Json => to_stdout(&voices::json(after, event)),
            Way::Rancher { coloured } => to_stderr(&voices::rancher(after, event, *coloured)),
            Way::Live(live) => {
                // A panic while printing is no reason to be silent ever after.
                live.lock().unwrap_or_else(std::sync::PoisonError::into_inner).tell(after, event);
            }
        }
    }

    /// Say how it ended, to programs; people get the sentence on stderr.
    pub(crate) fn ended(&self, status: u8, sentence: &str) {
        if let Way::Live(live) = &self.way {
            live.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        }
        if matches!(self.way, Way::Json) {
            self.tell(&Event::Ended { status, message: sentence.to_owned() });
        }
    }
}

impl Report for Reporter {
    fn tell(&self, event: &Event) {
        Self::tell(self, event);
    }

    fn asks(&self) {
        Self::asks(self);
    }
}

/// A closed pipe is the reader's choice, not a failure of ours: the work goes on.
fn to_stdout(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn to_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
