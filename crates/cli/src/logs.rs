//! `logs`: what the containers of a stack print, each line behind the name of its container.
//!
//! Every container's log is a WebSocket of its own, opened with a token that the server gives for it. With
//! `--follow` new containers (a restart, an upgrade, a higher scale) join as they appear.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use drover_rollout::{CallError, Event, number, text};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::Program;
use crate::args::Logs;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::session::Session;

/// Lines from the end when nothing else is said.
const TAIL: u32 = 100;
/// Between two looks for new containers.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Until a log's connection stands.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines that wait for a slow reader of ours; beyond that the containers' streams wait.
const WAITING_LINES: usize = 256;
/// Colours that can be told apart on light and dark ground.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    container: String,
    is_error: bool,
    text: String,
}

/// `logs`.
pub(crate) async fn logs(
    options: &Logs,
    program: Program,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let common = &options.selected.common;
    let session = Session::begin(common, program, reporter).await?;
    session.stack()?;
    let printer = Printer::new(common.output.json);
    stream(&session, &options.selected.services, options.follow, options.tail, printer).await
}

/// The logs that `up` without `-d` goes on with, under Rancher's name.
pub(crate) async fn follow_all(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    stream(session, names, true, None, Printer::new(false)).await
}

/// One stack's logs being read.
struct Reading<'a> {
    session: &'a Session<'a>,
    names: &'a [String],
    follow: bool,
    /// Runs of containers whose logs are read or were, so that each is read once.
    known: BTreeSet<(String, u32)>,
    /// Time stamp of the last line of those that were read to their end; a container that is started again
    /// goes on behind it.
    ended: BTreeMap<String, String>,
    readers: JoinSet<(String, String)>,
    sender: mpsc::Sender<Line>,
}

async fn stream(
    session: &Session<'_>,
    names: &[String],
    follow: bool,
    tail: Option<u32>,
    mut printer: Printer,
) -> Result<(), Failure> {
    let (sender, mut lines) = mpsc::channel(WAITING_LINES);
    let (known, ended, readers) = (BTreeSet::new(), BTreeMap::new(), JoinSet::new());
    let mut reading = Reading { session, names, follow, known, ended, readers, sender };
    reading.open_new(Some(tail.unwrap_or(TAIL))).await?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.tick().await;
    while follow || !reading.readers.is_empty() {
        tokio::select! {
            Some(line) = lines.recv() => {
                if !printer.print(&line)? {
                    return Ok(());
                }
            }
            Some(end) = reading.readers.join_next() => reading.ended.extend(end.ok()),
            // All of it: a container that is new has not said anything before.
            _ = look.tick(), if follow => match reading.open_new(None).await {
                Err(Failure::Call(error)) if error.is_passing() => {}
                other => other?,
            },
        }
    }
    while let Ok(line) = lines.try_recv() {
        if !printer.print(&line)? {
            break;
        }
    }
    Ok(())
}

impl Reading<'_> {
    /// Begin to read the logs of containers that were not known before. `tail`: lines from the end; all if none.
    async fn open_new(&mut self, tail: Option<u32>) -> Result<(), Failure> {
        let session = self.session;
        let stack = session.stack()?;
        let views = session.selected(self.names).await?;
        let ids: BTreeSet<String> = views.into_iter().map(|view| view.id).collect();
        let filters = [("stackId", stack.id.as_str()), ("removed_null", "1")];
        let containers = session.client.list("list the containers", "containers", &filters).await?;
        for container in &containers {
            let run = (text(container, "id"), number(container, "startCount"));
            let readable = container["actions"].get("logs").is_some();
            let meant = ids.contains(&text(container, "serviceId"));
            if readable && meant && self.known.insert(run) {
                self.open(container, tail).await?;
            }
        }
        Ok(())
    }

    async fn open(&mut self, container: &Value, tail: Option<u32>) -> Result<(), Failure> {
        let client = &self.session.client;
        let (id, name) = (text(container, "id"), text(container, "name"));
        let lines = tail.map_or(json!(-1), |lines| json!(lines));
        // Time stamps are asked for and not shown: by them the next run is joined to the one before.
        let body = json!({ "follow": self.follow, "lines": lines, "timestamps": true });
        let doing = format!("read the log of {name}");
        match client.act(&doing, &format!("containers/{id}"), "logs", &body).await {
            Ok(access) => {
                let after = self.ended.get(&id).cloned().unwrap_or_default();
                let url = client.websocket(&access);
                self.readers.spawn(read(id, name, url, after, self.sender.clone()));
                Ok(())
            }
            // One that can't be read (its host is away) is no reason not to read the others.
            Err(error @ CallError::Refused { .. }) => {
                self.session.reporter.tell(&Event::warning(error.to_string()));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Read one log to its end: lines later than `after`. Gives back the time stamp of the last one. What goes
/// wrong becomes a line of it: the others go on.
async fn read(
    id: String,
    container: String,
    url: String,
    after: String,
    lines: mpsc::Sender<Line>,
) -> (String, String) {
    let line = |is_error, text: String| Line { container: container.clone(), is_error, text };
    let mut last = after;
    let opening = tokio::time::timeout(OPEN_TIMEOUT, tokio_tungstenite::connect_async(url)).await;
    let mut socket = match opening {
        Ok(Ok((socket, _))) => socket,
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "no answer".to_owned(),
            };
            // If nobody reads any more there is nobody to tell.
            let _ = lines.send(line(true, format!("(its log can't be read: {why})"))).await;
            return (id, last);
        }
    };
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(frame) => {
                let (is_error, stamp, text) = frame_line(&frame);
                if !stamp.is_empty() && stamp <= last.as_str() {
                    continue;
                }
                if !stamp.is_empty() {
                    stamp.clone_into(&mut last);
                }
                if lines.send(line(is_error, text.to_owned())).await.is_err() {
                    break;
                }
            }
            Message::Close(_) => break,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    (id, last)
}

/// `01 text` is stdout, `02 text` is stderr, `00 text` a terminal; before the text its time stamp, if it has one.
fn frame_line(frame: &str) -> (bool, &str, &str) {
    let (stream, text) = frame.split_once(' ').unwrap_or(("01", frame));
    let (stamp, text) = match text.split_once(' ') {
        Some((stamp, rest)) if is_stamp(stamp) => (stamp, rest),
        None if is_stamp(text.trim_end()) => (text.trim_end(), ""),
        _ => ("", text),
    };
    (stream == "02", stamp, text.trim_end_matches(['\r', '\n']))
}

/// Docker's form: `2026-11-21T03:04:05.123456789Z`.
fn is_stamp(text: &str) -> bool {
    text.len() >= 20
        && text.ends_with('Z')
        && text.bytes().take(4).all(|b| b.is_ascii_digit())
        && text.as_bytes()[10] == b'T'
}

/// Writes lines: coloured for a terminal, plain in a pipe, objects for programs.
struct Printer {
    json: bool,
    coloured: bool,
    /// In order of appearance, which decides their colour.
    containers: Vec<String>,
    width: usize,
}

impl Printer {
    fn new(json: bool) -> Self {
        let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, coloured, containers: Vec::new(), width: 0 }
    }

    /// Whether anyone still reads.
    fn print(&mut self, line: &Line) -> Result<bool, Failure> {
        let text = self.format(line);
        match writeln!(std::io::stdout().lock(), "{text}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).map_err(Failure::Output),
        }
    }

    fn format(&mut self, line: &Line) -> String {
        let Line { container, is_error, text } = line;
        if self.json {
            let stream = if *is_error { "stderr" } else { "stdout" };
            let object: Value = json!({ "container": container, "stream": stream, "line": text });
            return object.to_string();
        }
        let place = self.containers.iter().position(|known| known == container);
        let place = place.unwrap_or_else(|| {
            self.containers.push(container.clone());
            self.containers.len() - 1
        });
        self.width = self.width.max(container.chars().count());
        let name = format!("{container:width$} |", width = self.width);
        if self.coloured {
            format!("\u{1b}[{}m{name}\u{1b}[0m {text}", COLOURS[place % COLOURS.len()])
        } else {
            format!("{name} {text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let stamp = "2026-11-21T03:04:05.123456789Z";
        let stamped = format!("01 {stamp} hello there\n");
        let empty = format!("02 {stamp} ");
        for (frame, want) in [
            (stamped.as_str(), (false, stamp, "hello there")),
            (empty.as_str(), (true, stamp, "")),
            ("02 oh no\n", (true, "", "oh no")),
            ("00 a b", (false, "", "a b")),
            ("01 ", (false, "", "")),
            ("bare", (false, "", "bare")),
        ] {
            assert_eq!(frame_line(frame), want, "{frame:?}");
        }
    }

    #[test]
    fn lines() {
        let line = |container: &str| Line {
            container: container.into(),
            is_error: true,
            text: "boo".into(),
        };
        let mut plain = Printer { json: false, coloured: false, containers: vec![], width: 0 };
        assert_eq!(plain.format(&line("s-web-1")), "s-web-1 | boo");
        assert_eq!(plain.format(&line("s-db-1")), "s-db-1  | boo");
        let mut coloured = Printer { json: false, coloured: true, containers: vec![], width: 0 };
        assert_eq!(coloured.format(&line("a")), "\u{1b}[36ma |\u{1b}[0m boo");
        assert_eq!(coloured.format(&line("b")), "\u{1b}[33mb |\u{1b}[0m boo");
        let mut json = Printer { json: true, coloured: false, containers: vec![], width: 0 };
        assert_eq!(json.format(&line("a")), r#"{"container":"a","stream":"stderr","line":"boo"}"#);
    }
}
