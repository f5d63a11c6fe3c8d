//! What a simulated Docker engine holds, and what becomes of it: containers, images, volumes, networks, commands. Pure: it is
//! told what is asked and when. What takes time is waited for by [`super::api`], which speaks Docker's API.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use sha2::{Digest, Sha256};

use super::addresses;
use super::container::{Container, Process, State};
use super::fate::{FAIL, Fate};
use crate::reference::Reference;

/// Events that are kept for whoever is a little late.
const EVENTS: usize = 256;
/// Images of Drover's own processes: what they would run is simulated too.
const OWN_IMAGES: &str = "drover/system:";

/// Why something is not done, as Docker says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// It is so already.
    fn unchanged() -> Self {
        Self::new(304, "")
    }
}

/// Something that happened to a container.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) at_ns: u64,
    pub(super) action: &'static str,
    pub(super) id: String,
    pub(super) labels: HashMap<String, String>,
}

/// A container that has just started, and what is to come of that.
#[derive(Debug)]
pub(super) struct Begun {
    /// Which run: its container, and when it began.
    pub(super) run: (String, u64),
    /// What happens to it if nothing else does before.
    pub(super) then: Option<(Duration, Then)>,
    /// The process of Drover's own in it.
    pub(super) process: Option<Process>,
}

/// What happens to a run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It ends.
    Ends(i64),
    /// Its HEALTHCHECK has failed too often.
    IsUnhealthy,
}

/// A command in a container.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) tty: bool,
    pub(super) code: Option<i64>,
}

/// The engine of one host.
#[derive(Debug, Default)]
pub(super) struct Engine {
    /// What ids are made of: no two hosts may have the same.
    host: String,
    numbers: u64,
    pub(super) containers: BTreeMap<String, Container>,
    images: BTreeSet<String>,
    volumes: BTreeSet<String>,
    pub(super) networks: BTreeMap<String, NetworkCreateRequest>,
    execs: BTreeMap<String, Exec>,
    pub(super) events: VecDeque<Event>,
    pub(super) events_told: u64,
}

impl Engine {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), ..Self::default() }
    }

    /// Make a container.
    pub(super) fn create(
        &mut self,
        name: &str,
        asked: ContainerCreateBody,
        now_ns: u64,
    ) -> Result<String, Refused> {
        let image = asked.image.clone().unwrap_or_default();
        if !self.has_image(&image) {
            return Err(no_image(&image));
        }
        if let Some(there) = self.containers.values().find(|c| c.name == name) {
            let message = format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\".",
                there.id
            );
            return Err(Refused::new(409, message));
        }
        let id = self.new_id();
        let made = Container::new(id.clone(), name, asked, now_ns)
            .map_err(|why| Refused::new(400, why))?;
        self.containers.insert(id.clone(), made);
        self.tell(&id, "create", now_ns);
        Ok(id)
    }

    /// Start it: what takes time is over.
    pub(super) fn start(&mut self, what: &str, now_ns: u64) -> Result<Begun, Refused> {
        let held = self.find(what)?;
        if held.is_up() {
            return Err(Refused::unchanged());
        }
        if held.fate == Fate::NeverStarts {
            return Err(Refused::new(500, format!("it is simulated and {FAIL} is never-starts")));
        }
        if let Some(port) = self.taken_port(held) {
            let (port, _) = port.split_once('/').unwrap_or((&port, ""));
            let message = format!("Bind for 0.0.0.0:{port} failed: port is already allocated");
            return Err(Refused::new(500, message));
        }
        let address = self.address_for(held)?;
        let held = self.find_mut(what)?;
        (held.state, held.started_ns, held.address) = (State::Running, now_ns, address);
        held.say(now_ns, format!("simulated container {} started", held.name));
        let then = match held.fate {
            Fate::Crashes(after) => Some((after, Then::Ends(1))),
            Fate::Completes => Some((Duration::ZERO, Then::Ends(0))),
            Fate::NeverHealthy => {
                let after = held.unhealthy_after_ns;
                after.map(|after| (Duration::from_nanos(after), Then::IsUnhealthy))
            }
            Fate::Lives | Fate::NeverStarts => None,
        };
        let run = (held.id.clone(), now_ns);
        let begun = Begun { then, process: held.process(), run };
        self.tell(&begun.run.0, "start", now_ns);
        Ok(begun)
    }

    /// What was to come of a run comes, unless it is over.
    pub(super) fn happens(&mut self, run: &(String, u64), then: Then, now_ns: u64) {
        if !self.goes_on(run) {
            return;
        }
        match then {
            Then::Ends(code) => self.end(&run.0, code, now_ns),
            Then::IsUnhealthy => self.tell(&run.0, "health_status: unhealthy", now_ns),
        }
    }

    /// Whether a run is on.
    pub(super) fn goes_on(&self, run: &(String, u64)) -> bool {
        self.containers.get(&run.0).is_some_and(|c| c.is_up() && c.started_ns == run.1)
    }

    /// Whether there is something to stop.
    pub(super) fn is_up(&self, what: &str) -> Result<bool, Refused> {
        self.find(what).map(Container::is_up)
    }

    /// Stop it: what takes time is over.
    pub(super) fn stop(&mut self, what: &str, now_ns: u64) -> Result<(), Refused> {
        let held = self.find(what)?;
        if !held.is_up() {
            return Err(Refused::unchanged());
        }
        let id = held.id.clone();
        self.end(&id, 0, now_ns);
        Ok(())
    }

    /// Freeze it, or let it go on.
    pub(super) fn pause(&mut self, what: &str, freeze: bool, now_ns: u64) -> Result<(), Refused> {
        let held = self.find_mut(what)?;
        let (from, to, action) = if freeze {
            (State::Running, State::Paused, "pause")
        } else {
            (State::Paused, State::Running, "unpause")
        };
        if held.state != from {
            let what = if freeze { "running" } else { "paused" };
            return Err(Refused::new(409, format!("Container {} is not {what}", held.id)));
        }
        held.state = to;
        let id = held.id.clone();
        self.tell(&id, action, now_ns);
        Ok(())
    }

    /// Remove it.
    pub(super) fn remove(&mut self, what: &str, force: bool, now_ns: u64) -> Result<(), Refused> {
        let held = self.find(what)?;
        let (id, up) = (held.id.clone(), held.is_up());
        if up && !force {
            let message = format!(
                "cannot remove container \"/{}\": container is running: stop the container before removing or \
                 force remove",
                held.name
            );
            return Err(Refused::new(409, message));
        }
        if up {
            self.end(&id, 137, now_ns);
        }
        self.execs.retain(|_, exec| exec.container != id);
        self.tell(&id, "destroy", now_ns);
        self.containers.remove(&id);
        Ok(())
    }

    /// A container by id or name.
    pub(super) fn find(&self, what: &str) -> Result<&Container, Refused> {
        let found = self.containers.get(what);
        let found = found.or_else(|| self.containers.values().find(|c| c.name == what));
        found.ok_or_else(|| no_container(what))
    }

    /// Who answers at an address of this host; `None` if nobody has it.
    pub(super) fn at(&self, address: Ipv4Addr) -> Option<&Container> {
        self.containers.values().find(|held| held.address == Some(address))
    }

    pub(super) fn has_image(&self, image: &str) -> bool {
        self.image(image).is_some()
    }

    /// The name of an image by that or by its id.
    pub(super) fn image<'a>(&'a self, what: &'a str) -> Option<&'a str> {
        if what.starts_with(OWN_IMAGES) || self.images.contains(what) {
            return Some(what);
        }
        let mut images = self.images.iter();
        images.find(|image| image_id(image) == what).map(String::as_str)
    }

    pub(super) fn pull(&mut self, image: &str) {
        self.images.insert(image.to_owned());
    }

    /// The names of all images that were pulled or tagged.
    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(String::as_str)
    }

    /// Give an image another name, if it is there.
    pub(super) fn tag(&mut self, image: &str, name: String) -> bool {
        let is_there = self.has_image(image);
        self.images.extend(Some(name).filter(|_| is_there));
        is_there
    }

    /// Take a name away; whether it was there. Images have no layers here that others could share.
    pub(super) fn untag(&mut self, name: &str) -> bool {
        self.images.remove(name)
    }

    /// Whether it was not there.
    pub(super) fn make_volume(&mut self, name: &str) -> bool {
        self.volumes.insert(name.to_owned())
    }

    pub(super) fn has_volume(&self, name: &str) -> bool {
        self.volumes.contains(name)
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> bool {
        self.volumes.remove(name)
    }

    /// Make a command, to be started.
    pub(super) fn make_exec(
        &mut self,
        what: &str,
        command: Vec<String>,
        tty: bool,
    ) -> Result<String, Refused> {
        let held = self.find(what)?;
        if held.state != State::Running {
            return Err(Refused::new(409, format!("container {} is not running", held.id)));
        }
        let container = held.id.clone();
        let id = self.new_id();
        self.execs.insert(id.clone(), Exec { container, command, tty, code: None });
        Ok(id)
    }

    pub(super) fn exec(&self, id: &str) -> Result<&Exec, Refused> {
        self.execs.get(id).ok_or_else(|| Refused::new(404, format!("No such exec instance: {id}")))
    }

    /// Run a command: what it says, and how it ends. In what is never healthy commands fail.
    pub(super) fn run_exec(&mut self, id: &str) -> Result<(String, bool), Refused> {
        let exec = self.exec(id)?;
        let held = self.find(&exec.container)?;
        let well = held.answers();
        let line = format!("{} is simulated: `{}` did nothing", held.name, exec.command.join(" "));
        let tty = exec.tty;
        if let Some(exec) = self.execs.get_mut(id) {
            exec.code = Some(i64::from(!well));
        }
        Ok((line, tty))
    }

    fn end(&mut self, id: &str, code: i64, now_ns: u64) {
        let Some(held) = self.containers.get_mut(id) else { return };
        (held.state, held.ended_ns, held.exit_code) = (State::Exited, now_ns, code);
        held.address = None;
        held.say(now_ns, format!("simulated container {} ended with {code}", held.name));
        self.tell(id, "die", now_ns);
    }

    fn find_mut(&mut self, what: &str) -> Result<&mut Container, Refused> {
        let id = self.find(what)?.id.clone();
        self.containers.get_mut(&id).ok_or_else(|| no_container(what))
    }

    /// A published port of its that another container has.
    fn taken_port(&self, held: &Container) -> Option<String> {
        let mut up = self.containers.values().filter(|c| c.is_up());
        up.find_map(|c| c.published.iter().find(|port| held.published.contains(port)).cloned())
    }

    fn address_for(&self, held: &Container) -> Result<Option<Ipv4Addr>, Refused> {
        if held.network.is_empty() {
            return Ok(None);
        }
        let taken = self.containers.values().filter_map(|c| c.address).collect();
        let network = self.networks.get(&held.network);
        let given = addresses::give(&held.network, network, held.requested, &taken);
        given.map(Some).map_err(|(status, why)| Refused::new(status, why))
    }

    fn tell(&mut self, id: &str, action: &'static str, now_ns: u64) {
        let Some(held) = self.containers.get(id) else { return };
        self.events_told += 1;
        let (id, labels) = (held.id.clone(), held.labels.clone());
        let event = Event { number: self.events_told, at_ns: now_ns, action, id, labels };
        self.events.push_back(event);
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    fn new_id(&mut self) -> String {
        self.numbers += 1;
        digest(&format!("{}/{}", self.host, self.numbers))
    }
}

/// Whether labels hold all of these, `name=value` or `name`.
pub(super) fn carries(labels: &HashMap<String, String>, wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|held| held == value),
        None => labels.contains_key(wanted),
    })
}

/// Id of an image, and its digest in its registry: there is no content, so that of its name.
pub(super) fn image_id(image: &str) -> String {
    let reference = Reference::parse(image);
    reference.digest.unwrap_or_else(|| format!("sha256:{}", digest(image)))
}

pub(super) fn no_image(image: &str) -> Refused {
    Refused::new(404, format!("No such image: {image}"))
}

fn no_container(what: &str) -> Refused {
    Refused::new(404, format!("No such container: {what}"))
}

/// SHA-256, hex.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
