//! Clients of a web service, asking again and again while something happens to it, and what they got: which version
//! answered how often, and every failure. New connections each time, no retries: a lost request stays lost.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http::{Place, Request};
use crate::wait::wait;

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an answer may take before the request counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients at work; they stop when this is dropped.
pub struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Mutex<Counts>>,
    clients: Vec<JoinHandle<()>>,
}

/// What clients got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Good answers, by the first word of the body.
    pub answers: BTreeMap<String, u64>,
    /// Failures, by what happened.
    pub failures: BTreeMap<String, u64>,
}

impl Load {
    /// Start clients that ask for `/`.
    pub fn start(service: SocketAddr, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(Counts::default()));
        let client = |_| {
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let result = ask(service);
                    counts.lock().unwrap_or_else(PoisonError::into_inner).add(result);
                    std::thread::sleep(PAUSE);
                }
            })
        };
        Self { clients: (0..clients).map(client).collect(), stop, counts }
    }

    /// What was got since the last call, or the start.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Counts {
    /// All failures.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// All good answers.
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    fn add(&mut self, result: Result<String, String>) {
        let count = match result {
            Ok(version) => self.answers.entry(version).or_default(),
            Err(failure) => self.failures.entry(failure).or_default(),
        };
        *count += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers: Vec<_> = self.answers.iter().map(|(v, n)| format!("{n} from {v}")).collect();
        let list = if answers.is_empty() { "none".to_owned() } else { answers.join(", ") };
        write!(f, "answers: {list}; failed requests: {}", self.failed())?;
        for (failure, count) in &self.failures {
            write!(f, "\n      {count} × {failure}")?;
        }
        Ok(())
    }
}

/// The first of these places that answers, once one does.
pub fn first_to_answer(places: &[SocketAddr]) -> Option<SocketAddr> {
    let mut found = None;
    wait(Duration::from_secs(20), || {
        found = places.iter().find(|place| ask(**place).is_ok()).copied();
        found.is_some()
    });
    found
}

/// One request; the first word of a good answer, or what went wrong.
pub fn ask(service: SocketAddr) -> Result<String, String> {
    let request = Request { patience: PATIENCE, ..Request::new("GET", "/") };
    match request.send(&Place::Tcp(service)) {
        Ok(answer) if answer.is_success() => {
            Ok(answer.text().split_whitespace().next().unwrap_or("(nothing)").to_owned())
        }
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(error) => Err(std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))),
    }
}
