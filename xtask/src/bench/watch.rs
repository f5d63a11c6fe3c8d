//! What engines say happens to the benchmark's containers, and when, by their own event streams. Watching costs them
//! next to nothing, unlike asking again and again while they are measured.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{BenchError, io};

/// All engines, watched.
pub(super) struct Watch {
    events: Receiver<Event>,
    there: BTreeSet<String>,
    up: BTreeSet<String>,
    marks: Marks,
}

/// Moments of a deployment, ns since the epoch by the engines' clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// The first container was created.
    pub(super) first_made_ns: u64,
    /// The last container was created.
    pub(super) last_made_ns: u64,
    /// The first container ran.
    pub(super) first_up_ns: u64,
    /// The last container ran.
    pub(super) last_up_ns: u64,
}

struct Event {
    id: String,
    what: String,
    at_ns: u64,
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
        self.wait(patience, |watch| watch.up.len() >= count).then(|| self.marks.clone())
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
        let Event { id, what, at_ns } = event;
        let marks = &mut self.marks;
        match what.as_str() {
            "create" => {
                mark(&mut marks.first_made_ns, &mut marks.last_made_ns, at_ns);
                self.there.insert(id);
            }
            "start" => {
                mark(&mut marks.first_up_ns, &mut marks.last_up_ns, at_ns);
                self.up.insert(id);
            }
            "die" => drop(self.up.remove(&id)),
            "destroy" => drop(self.there.remove(&id)),
            _ => {}
        }
    }
}

/// Engines are read side by side: a later moment may be heard of first.
fn mark(first_ns: &mut u64, last_ns: &mut u64, at_ns: u64) {
    *first_ns = if *first_ns == 0 { at_ns } else { at_ns.min(*first_ns) };
    *last_ns = at_ns.max(*last_ns);
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
        at_ns: event["timeNano"].as_u64()?,
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
        let Marks { first_made_ns, last_made_ns, first_up_ns, last_up_ns } = marks;
        assert_eq!((first_made_ns, last_made_ns, first_up_ns, last_up_ns), (5, 10, 20, 30));
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
