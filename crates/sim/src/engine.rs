//! A Docker engine that exists only here: containers that start, crash, hang on to ports and are removed by
//! passers-by, on virtual time.
//!
//! It knows nothing of Drover but the labels its containers carry. What the agent makes of it is the product's own
//! code; see [`crate::node`].

use std::collections::BTreeMap;
use std::iter::Sum;

use drover_core::{PortSpec, Time, UnitKey, label};

/// Containers of one host, by Docker's name.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// The containers.
    pub containers: BTreeMap<String, Container>,
    /// What happened to containers so far.
    pub churn: Churn,
}

/// How often containers came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    /// Made.
    pub made: u64,
    /// Started, for the first time or again.
    pub started: u64,
    /// Ended, by themselves or asked to.
    pub ended: u64,
    /// Removed.
    pub removed: u64,
}

impl Churn {
    /// What came since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            made: self.made - earlier.made,
            started: self.started - earlier.started,
            ended: self.ended - earlier.ended,
            removed: self.removed - earlier.removed,
        }
    }
}

impl Sum for Churn {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            made: sum.made + one.made,
            started: sum.started + one.started,
            ended: sum.ended + one.ended,
            removed: sum.removed + one.removed,
        })
    }
}

/// One container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Docker's id.
    pub id: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// How its image behaves.
    pub behaviour: Behaviour,
    /// Ports it publishes while it runs.
    pub ports: Vec<PortSpec>,
    /// Running since; `None` when it doesn't.
    pub running_since: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last started; 0 if never.
    pub started_at: Time,
    /// When it last ended.
    pub finished_at: Option<Time>,
    /// How it last ended.
    pub exit_code: Option<i64>,
    /// Its number on this engine.
    pub number: u64,
    /// Its spec has a health check.
    pub checked: bool,
    /// It runs, and answers nobody until it is started again.
    pub hangs: bool,
}

/// How the containers of an image behave, read from the image's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// There is no such image.
    pub missing: bool,
    /// Milliseconds from start to ready.
    pub ready_after_ms: u64,
    /// Milliseconds from start to its end, and with which code.
    pub ends_after: Option<(u64, i64)>,
    /// Never becomes ready.
    pub sick: bool,
    /// Must never run twice at a time.
    pub single: bool,
}

impl Behaviour {
    /// `app:v2` is well-behaved; `missing`, `sick`, `crashes`, `job`, `failing-job`, `single`, `slow` in the
    /// name say what they are; `slow-5s` says how slow.
    pub fn of(image: &str) -> Self {
        let says = |word| image.contains(word);
        let ends_after = match () {
            () if says("failing-job") => Some((700, 3)),
            () if says("job") => Some((700, 0)),
            () if says("crashes") => Some((900, 1)),
            () => None,
        };
        Self {
            missing: says("missing"),
            ready_after_ms: ready_after_ms(image),
            ends_after,
            sick: says("sick"),
            single: says("single"),
        }
    }

    /// Comes up and stays up.
    pub fn is_sound(self) -> bool {
        !self.missing && !self.sick && self.ends_after.is_none()
    }
}

fn ready_after_ms(image: &str) -> u64 {
    let Some((_, after)) = image.split_once("slow") else { return 300 };
    let seconds = after.strip_prefix('-').and_then(|text| text.split_once('s'));
    seconds.and_then(|(number, _)| number.parse::<u64>().ok()).map_or(4_000, |n| n * 1_000)
}

impl Engine {
    /// Make a container; the error is Docker's.
    pub fn create(
        &mut self,
        name: &str,
        image: &str,
        labels: BTreeMap<String, String>,
        ports: Vec<PortSpec>,
        now: Time,
    ) -> Result<(), String> {
        let behaviour = Behaviour::of(image);
        if behaviour.missing {
            return Err(format!("image {image} is not to be had: manifest unknown"));
        }
        if self.containers.contains_key(name) {
            return Err(format!("the container name {name} is already in use"));
        }
        self.churn.made += 1;
        let container = Container {
            id: format!("{name}#{}", self.churn.made),
            labels,
            behaviour,
            ports,
            running_since: None,
            created_at: now,
            started_at: Time::default(),
            finished_at: None,
            exit_code: None,
            number: self.churn.made,
            checked: false,
            hangs: false,
        };
        self.containers.insert(name.to_owned(), container);
        Ok(())
    }

    /// Start a container; the error is Docker's.
    pub fn start(&mut self, name: &str, now: Time) -> Result<(), String> {
        let wanted =
            self.containers.get(name).ok_or_else(|| format!("no such container: {name}"))?;
        if wanted.running_since.is_some() {
            return Ok(());
        }
        let held = self.containers.values().filter(|c| c.running_since.is_some());
        let mut held =
            held.flat_map(|c| &c.ports).filter_map(|p| p.public.map(|n| (n, p.protocol)));
        let clash = held.find(|held| {
            wanted.ports.iter().any(|p| p.public == Some(held.0) && p.protocol == held.1)
        });
        if let Some((port, _)) = clash {
            return Err(format!("Bind for 0.0.0.0:{port} failed: port is already allocated"));
        }
        if let Some(container) = self.containers.get_mut(name) {
            self.churn.started += 1;
            container.running_since = Some(now);
            container.started_at = now;
            container.exit_code = None;
            container.hangs = false;
        }
        Ok(())
    }

    /// A container ends, by itself or asked to.
    pub fn end(&mut self, name: &str, code: i64, now: Time) {
        let Some(container) = self.containers.get_mut(name) else { return };
        if container.running_since.take().is_some() {
            self.churn.ended += 1;
            container.exit_code = Some(code);
            container.finished_at = Some(now);
        }
    }

    /// A container that runs answers nobody any more.
    pub fn hang(&mut self, name: &str) {
        if let Some(container) = self.containers.get_mut(name) {
            container.hangs = container.running_since.is_some();
        }
    }

    /// A container is removed, running or not.
    pub fn remove(&mut self, name: &str) {
        if let Some(gone) = self.containers.remove(name) {
            self.churn.removed += 1;
            self.churn.ended += u64::from(gone.running_since.is_some());
        }
    }

    /// The container of a unit's primary.
    pub fn primary_of(&self, unit: UnitKey) -> Option<&Container> {
        let unit = unit.to_string();
        let says = |c: &Container, key, value: &str| c.labels.get(key).is_some_and(|v| v == value);
        let mut all = self.containers.values();
        all.find(|c| says(c, label::UNIT, &unit) && says(c, label::MEMBER, ""))
    }

    /// The engine itself is restarted: everything it ran has ended.
    pub fn restart(&mut self, now: Time) {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.end(&name, 137, now);
        }
    }

    /// Let images end that end by themselves; when the next one will, or the next becomes ready.
    pub fn pass(&mut self, now: Time) -> Option<Time> {
        let due: Vec<(String, i64)> = self
            .containers
            .iter()
            .filter_map(|(name, c)| {
                let (after_ms, code) = c.behaviour.ends_after?;
                let ends_at = c.running_since? + after_ms;
                (ends_at <= now).then(|| (name.clone(), code))
            })
            .collect();
        for (name, code) in due {
            self.end(&name, code, now);
        }
        let running = self.containers.values().filter_map(|c| Some((c, c.running_since?)));
        let moments = running.flat_map(|(c, since)| {
            let ready = since + c.behaviour.ready_after_ms;
            [Some(ready), c.behaviour.ends_after.map(|(ms, _)| since + ms)]
        });
        moments.flatten().filter(|at| *at > now).min()
    }
}

impl Container {
    /// Running and past its start-up.
    pub fn is_ready(&self, now: Time) -> bool {
        self.running_since.is_some_and(|since| {
            !self.behaviour.sick && !self.hangs && now >= since + self.behaviour.ready_after_ms
        })
    }
}
