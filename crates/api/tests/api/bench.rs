//! A server in a few lines: the API on a snapshot, hosts whose agents obey at once, a planner that runs when told.
//! Every commit is checked against the invariants.

use std::collections::BTreeMap;

use drover_api::{
    Address, Answer, ApiError, Caller, Context, Departed, Errand, Event, Fresh, Library, Outcome,
    Pull, Query, Then,
};
use drover_core::check::{check, check_step};
use drover_core::plan::{Note, plan};
use drover_core::{
    Change, Desired, Grant, Health, Host, HostFacts, HostId, HostSeen, Observed, ObservedContainer,
    Phase, Project, ProjectId, Scope, ServiceId, Time, Unit, World,
};
use serde_json::Value;

use crate::shape;

pub(crate) const PROJECT: ProjectId = ProjectId(1);
/// Secret half of every key made here.
pub(crate) const SECRET: &str = "s3cret-of-the-request";

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) notes: BTreeMap<ServiceId, Vec<Note>>,
    pub(crate) now: Time,
    pub(crate) grant: Grant,
    /// Events as the store would keep them, newest first.
    pub(crate) events: Vec<Event>,
    /// Pulls as the server would keep them.
    pub(crate) pulls: Vec<Pull>,
    pub(crate) errands: BTreeMap<u64, Errand>,
    /// Units that are forgotten, as the server would keep them.
    pub(crate) departed: BTreeMap<u64, Departed>,
    /// What was done, as the store would keep it.
    pub(crate) audits: Vec<drover_api::Audited>,
    /// What can be launched.
    pub(crate) library: Library,
    /// What the last write was to end in.
    pub(crate) then: Option<Then>,
    schemas: shape::Schemas,
    tick: u64,
}

impl Bench {
    /// Project `1a1` with this many connected hosts.
    pub(crate) fn new(hosts: u64) -> Self {
        let mut bench = Self {
            world: World::new(),
            notes: BTreeMap::new(),
            now: Time(1_700_000_000_000),
            grant: Grant::Admin,
            events: Vec::new(),
            pulls: Vec::new(),
            errands: BTreeMap::new(),
            departed: BTreeMap::new(),
            audits: Vec::new(),
            library: Library::default(),
            then: None,
            schemas: shape::Schemas::new(),
            tick: 0,
        };
        let project = Project {
            id: PROJECT,
            name: "Default".into(),
            description: String::new(),
            settings: drover_core::ProjectSettings::default(),
            created_at: bench.now,
            removed_at: None,
        };
        bench.commit(&[Change::PutProject(project)]).unwrap();
        let list = bench.get("~/schemas");
        let schemas = list["data"].as_array().unwrap().iter();
        bench.schemas = schemas.map(|s| (s["id"].as_str().unwrap().into(), s.clone())).collect();
        for n in 1..=hosts {
            bench.add_host(n);
        }
        bench
    }

    pub(crate) fn add_host(&mut self, n: u64) {
        let id = HostId(self.world.next_id);
        let host = Host {
            id,
            project: PROJECT,
            identity: format!("i{n}"),
            hostname: format!("h{n}"),
            name: String::new(),
            description: String::new(),
            labels: BTreeMap::new(),
            address: format!("10.0.0.{n}"),
            subnet: None,
            active: true,
            evacuation: None,
            memory_limit: None,
            milli_cpu_limit: None,
            created_at: self.now,
            removed_at: None,
        };
        let facts = HostFacts { cpus: 4, memory: 8 << 30, ..HostFacts::default() };
        let seen = HostSeen {
            connected: true,
            caught_up: true,
            since: self.now,
            facts,
            ..HostSeen::default()
        };
        let see = Change::SeeHost { host: id, seen: Box::new(seen) };
        self.commit(&[Change::PutHost(host), see]).unwrap();
    }

    /// `POST`s, `PUT`s… as a client does; `~` is the project's URL. Panics unless the status is this.
    pub(crate) fn ask(&mut self, request: &str, body: Value, status: u16) -> Value {
        let answer = self.request(request, &body);
        let shown = answer.body.unwrap_or_default();
        assert_eq!(answer.status, status, "{request} {body}: {shown:#}");
        shown
    }

    /// The same without a body.
    pub(crate) fn get(&mut self, url: &str) -> Value {
        self.ask(&format!("GET {url}"), Value::Null, 200)
    }

    /// The only member of a list.
    pub(crate) fn one(&mut self, url: &str) -> Value {
        let list = self.get(url);
        let data = list["data"].as_array().unwrap();
        assert_eq!(data.len(), 1, "{url}: {list:#}");
        data[0].clone()
    }

    /// Whatever the answer is; a good one is held against its schema.
    pub(crate) fn request(&mut self, request: &str, body: &Value) -> Answer {
        match self.try_request(request, body) {
            Ok(answer) => {
                let shown = answer.body.as_ref().unwrap_or(&Value::Null);
                if !request.contains("schemas") && shown["type"].is_string() {
                    let none: [&str; 0] = [];
                    assert_eq!(shape::wrong(&self.schemas, shown), none, "{request} {body}");
                }
                answer
            }
            Err(error) => Answer { status: error.status(), body: Some(error.body("e")) },
        }
    }

    fn try_request(&mut self, request: &str, body: &Value) -> Result<Answer, ApiError> {
        let (method, url) = request.split_once(' ').unwrap();
        let url = url.replacen('~', "/v2-beta/projects/1a1", 1);
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let address = Address::parse(path).ok_or_else(|| ApiError::not_found(path))?;
        let query = Query::parse(query);
        let path: Vec<&str> = address.path.iter().map(String::as_str).collect();
        let world = self.world.clone();
        let ctx = self.context(&world, &address);
        let outcome = match (method, query.get("action")) {
            ("GET", _) => {
                let then = drover_api::read(&ctx, &path, &query)?;
                self.then = Some(then.clone());
                // What needs an agent ends here.
                let none = || Ok(Answer { status: 200, body: None });
                return drover_api::answer(&self.context(&world, &address), then)
                    .unwrap_or_else(none);
            }
            ("POST", Some(action)) => drover_api::action(&ctx, &path, action, body)?,
            ("POST", None) => drover_api::create(&ctx, &path, body)?,
            ("PUT", _) => drover_api::update(&ctx, &path, body)?,
            ("DELETE", _) => drover_api::delete(&ctx, &path)?,
            _ => panic!("{method}"),
        };
        self.carry_out(outcome, &address)
    }

    fn carry_out(&mut self, outcome: Outcome, address: &Address) -> Result<Answer, ApiError> {
        let Outcome { changes, then } = outcome;
        self.then = Some(then.clone());
        if !changes.is_empty() {
            self.commit(&changes).map_err(ApiError::from)?;
        }
        let world = self.world.clone();
        let ctx = self.context(&world, address);
        // What needs an agent or the compose crate ends here.
        let renders = matches!(then, Then::Render { .. });
        drover_api::answer(&ctx, then).unwrap_or_else(|| {
            assert!(!renders);
            Ok(Answer { status: 200, body: None })
        })
    }

    fn context<'a>(&'a self, world: &'a World, address: &Address) -> Context<'a> {
        let caller = Caller { access: "key".into(), grant: self.grant.clone(), within: None };
        self.context_of(world, address, caller)
    }

    /// The same for somebody else.
    pub(crate) fn context_of<'a>(
        &'a self,
        world: &'a World,
        address: &Address,
        caller: Caller,
    ) -> Context<'a> {
        Context {
            world,
            notes: &self.notes,
            events: &self.events,
            pulls: &self.pulls,
            errands: &self.errands,
            departed: &self.departed,
            audits: &self.audits,
            library: &self.library,
            base: "http://h".into(),
            version: address.version,
            scope: address.scope,
            rights: caller.rights(world),
            caller,
            fresh: Fresh {
                uuid: "u".into(),
                public: format!("P{}", world.next_id),
                secret: SECRET.into(),
            },
            now: self.now,
        }
    }

    pub(crate) fn commit(&mut self, changes: &[Change]) -> Result<(), drover_core::Refused> {
        let (next, touched) = self.world.commit(changes)?;
        let departed = Departed::between(&self.world, &next, &touched, self.now);
        self.departed.extend(departed.map(|departed| (departed.unit.serial, departed)));
        let wrong = [check(&next), check_step(&self.world, &next, self.now)].concat();
        assert_eq!(wrong, [], "after {changes:#?}");
        self.world = next;
        Ok(())
    }

    /// Plan and obey, with time going on, until nothing changes.
    pub(crate) fn settle(&mut self) {
        for _ in 0..500 {
            let planned = self.plan();
            let seen = self.obey();
            if planned || seen {
                continue;
            }
            match plan(&self.world, &Scope::everything(), self.now).wake_at {
                Some(at) if at > self.now && at - self.now <= 60_000 => self.now = at,
                _ => return,
            }
        }
        panic!("it never came to rest");
    }

    /// One plan, committed. True if it changed anything.
    pub(crate) fn plan(&mut self) -> bool {
        let plan = plan(&self.world, &Scope::everything(), self.now);
        for service in &plan.looked_at {
            let notes = plan.notes.iter().filter(|n| n.service == *service).cloned();
            self.notes.insert(*service, notes.collect());
        }
        let changed = !plan.changes.is_empty();
        if changed {
            self.commit(&plan.changes).unwrap();
        }
        changed
    }

    /// Agents do and report what they are asked. True if anything is new.
    pub(crate) fn obey(&mut self) -> bool {
        let units: Vec<Unit> = self.world.units.values().map(|unit| (**unit).clone()).collect();
        let reports = units.iter().filter_map(|unit| self.report(unit));
        let reports: Vec<_> = reports.collect();
        for (unit, mut seen) in units.iter().filter_map(|u| {
            reports.iter().find(|(key, _)| *key == u.key).map(|(_, seen)| (u, seen.clone()))
        }) {
            self.tick += 1;
            seen.tick = self.tick;
            self.world.observe(unit.host, &BTreeMap::from([(unit.key, seen)]), self.now);
        }
        !reports.is_empty()
    }

    fn report(&self, unit: &Unit) -> Option<(drover_core::UnitKey, Observed)> {
        let template = self.world.template(unit.key.service, unit.key.revision)?;
        let phase = match unit.desired {
            Desired::Running | Desired::Draining => Phase::Running,
            Desired::Stopped | Desired::Staged => Phase::Stopped,
            Desired::Removed => Phase::Gone,
        };
        let running = phase == Phase::Running;
        let held = self.world.observed(unit.key);
        if held.is_some_and(|seen| (seen.generation, seen.phase) == (unit.generation, phase)) {
            return None;
        }
        let container = |member: &str| ObservedContainer {
            docker_id: format!("{}-{member}", unit.serial),
            running,
            starts: 1,
            health: Health::None,
            ..ObservedContainer::default()
        };
        let containers = template.members().map(|(name, _)| (name.to_owned(), container(name)));
        let seen = Observed {
            generation: unit.generation,
            tick: 0,
            phase,
            ready: running,
            containers: containers.collect(),
            since: self.now,
            ..Observed::default()
        };
        Some((unit.key, seen))
    }

    /// The units of a service as lines: `slot.revision desired`.
    pub(crate) fn units(&self, id: &str) -> Vec<String> {
        let id = ServiceId(id[2..].parse().unwrap());
        let line = |u: &Unit| {
            let desired = format!("{:?}", u.desired).to_lowercase();
            format!("{}.{} {desired}", u.key.slot, u.key.revision)
        };
        self.world.units_of(id).map(line).collect()
    }
}

/// Some members of an object, for comparison.
pub(crate) fn some(whole: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), whole[name].clone())).collect()
}

/// Names of the actions a resource offers.
pub(crate) fn actions(whole: &Value) -> Vec<&str> {
    whole["actions"].as_object().unwrap().keys().map(String::as_str).collect()
}
