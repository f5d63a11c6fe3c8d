//! What engines say happens to the benchmark's containers, and when, by their own event streams. Watching costs them
//! next to nothing, unlike asking again and again while they are measured.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{BenchError, io};

/// All engines, watched.
pub(super) struct Watch {
    events: Receiver<Event>,
    there: BTreeSet<String>,
    up: BTreeSet<String>,
    marks: Marks,
}

/// What engines saw of a deployment, by their own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Containers were created.
    pub(super) made: Span,
    /// Containers began to run.
    pub(super) up: Span,
    /// Containers were found healthy.
    pub(super) healthy: Span,
}

/// The first and the last moment at which something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    moments: Option<(SystemTime, SystemTime)>,
}

struct Event {
    id: String,
    what: String,
    at: SystemTime,
}

impl Span {
    /// The first moment; the epoch if there is none.
    pub(super) fn first(self) -> SystemTime {
        self.moments.map_or(UNIX_EPOCH, |(first, _)| first)
    }

    /// The last moment; the epoch if there is none.
    pub(super) fn last(self) -> SystemTime {
        self.moments.map_or(UNIX_EPOCH, |(_, last)| last)
    }

    /// Engines are read side by side: a later moment may be heard of first.
    fn mark(&mut self, at: SystemTime) {
        let (first, last) = self.moments.unwrap_or((at, at));
        self.moments = Some((first.min(at), last.max(at)));
    }
}

impl Watch {
    /// Watch the containers of an image on the engines behind these sockets.
    pub(super) fn new(sockets: &[PathBuf], image: &'static str) -> Result<Self, BenchError> {
        let (sender, events) = channel();
        for socket in sockets {
            let failed = || io(format!("watch the engine at {}", socket.display()));
            let stream = UnixStream::connect(socket).map_err(failed())?;
            let lines = subscribe(stream).map_err(failed())?;
            let sender = sender.clone();
            // It ends with the engine, or when nobody listens any more.
            std::thread::spawn(move || tell(lines, image, &sender));
        }
        let (there, up) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { events, there, up, marks: Marks::default() })
    }

    /// A new deployment begins.
    pub(super) fn begin(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        self.marks = Marks::default();
    }

    /// Wait until so many containers run.
    pub(super) fn wait_until_up(&mut self, count: usize, patience: Duration) -> Option<Marks> {
        self.wait(patience, |watch| watch.up.len() >= count).then_some(self.marks)
    }

    /// Wait until one is found healthy; when that was.
    pub(super) fn wait_until_healthy(&mut self, patience: Duration) -> Option<SystemTime> {
        self.wait(patience, |watch| watch.marks.healthy != Span::default());
        self.marks.healthy.moments.map(|(_, last)| last)
    }

    /// Wait until there are none any more.
    pub(super) fn wait_until_gone(&mut self, patience: Duration) -> bool {
        self.wait(patience, |watch| watch.there.is_empty())
    }

    fn wait(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while !is_so(self) {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    fn take(&mut self, event: Event) {
        let Event { id, what, at } = event;
        match what.as_str() {
            "create" => {
                self.marks.made.mark(at);
                self.there.insert(id);
            }
            "start" => {
                self.marks.up.mark(at);
                self.up.insert(id);
            }
            "health_status: healthy" => self.marks.healthy.mark(at),
            "die" => drop(self.up.remove(&id)),
            "destroy" => drop(self.there.remove(&id)),
            _ => {}
        }
    }
}

/// Ask for the events, one line of JSON each; they follow the answer's head.
fn subscribe(mut stream: UnixStream) -> std::io::Result<BufReader<UnixStream>> {
    let path = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while lines.read_line(&mut head)? > "\r\n".len() {}
    if head.split(' ').nth(1) == Some("200") { Ok(lines) } else { Err(std::io::Error::other(head)) }
}

fn tell(lines: BufReader<UnixStream>, image: &str, sender: &Sender<Event>) {
    for line in lines.lines().map_while(Result::ok) {
        let event = event(&line, image);
        if event.is_some_and(|event| sender.send(event).is_err()) {
            return;
        }
    }
}

/// An event, if it is about a container of this image.
fn event(line: &str, image: &str) -> Option<Event> {
    let event: Value = serde_json::from_str(line).ok()?;
    let actor = &event["Actor"];
    actor["Attributes"]["image"].as_str()?.starts_with(image).then_some(())?;
    Some(Event {
        id: actor["ID"].as_str()?.to_owned(),
        what: event["Action"].as_str()?.to_owned(),
        at: UNIX_EPOCH + Duration::from_nanos(event["timeNano"].as_u64()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(what: &str, id: &str, at_ns: u64) -> String {
        format!(
            r#"{{"Type":"container","Action":"{what}","Actor":{{"ID":"{id}","Attributes":{{"image":"a/b:1"}}}},"timeNano":{at_ns}}}"#
        )
    }

    #[test]
    fn a_deployment_is_over_when_its_last_container_runs() {
        let (sender, events) = channel();
        let (there, up) = (BTreeSet::new(), BTreeSet::new());
        let mut watch = Watch { events, there, up, marks: Marks::default() };
        for (what, id, at_ns) in
            [("create", "x", 10), ("start", "x", 30), ("create", "y", 5), ("start", "y", 20)]
        {
            sender.send(event(&said(what, id, at_ns), "a/b:1").unwrap()).unwrap();
        }
        let marks = watch.wait_until_up(2, Duration::from_secs(1)).unwrap();
        let at = |ns| UNIX_EPOCH + Duration::from_nanos(ns);
        assert_eq!((marks.made.first(), marks.made.last()), (at(5), at(10)));
        assert_eq!((marks.up.first(), marks.up.last()), (at(20), at(30)));
        assert!(!watch.wait_until_gone(Duration::ZERO));
        for id in ["x", "y"] {
            sender.send(event(&said("destroy", id, 40), "a/b:1").unwrap()).unwrap();
        }
        assert!(watch.wait_until_gone(Duration::from_secs(1)));
    }

    #[test]
    fn containers_of_other_images_are_not_counted() {
        assert!(event(&said("create", "x", 1), "c/d:1").is_none());
        assert!(event("no JSON", "a/b:1").is_none());
    }
}
