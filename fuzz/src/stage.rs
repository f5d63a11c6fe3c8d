//! A cluster that lives in a value: requests and plans change it, and after every change the checker looks whether all
//! is well. Two hosts can be there, with agents that do at once what they are told.

use std::collections::BTreeMap;

use drover_api::{Address, ApiError, Caller, Context, Fresh, Outcome, Query, answer};
use drover_core::check::{check, check_step};
use drover_core::plan::plan;
use drover_core::{
    Change, Desired, Grant, Host, HostId, HostSeen, Observed, Phase, Project, ProjectId, Scope,
    Time, World,
};
use serde_json::Value;

/// When it all begins.
const BEGIN: Time = Time(1_700_000_000_000);
/// The project that there is.
pub const PROJECT: ProjectId = ProjectId(1);
/// The hosts, where there are any.
pub const HOSTS: [HostId; 2] = [HostId(2), HostId(3)];

/// A cluster.
#[derive(Clone)]
pub struct Stage {
    /// As it is.
    pub world: World,
    /// By its clock.
    pub now: Time,
}

impl Stage {
    /// One project, and nothing in it.
    pub fn new() -> Self {
        let project = Project {
            id: PROJECT,
            name: "Default".into(),
            description: String::new(),
            settings: drover_core::ProjectSettings::default(),
            created_at: BEGIN,
            removed_at: None,
        };
        let mut stage = Self { world: World::new(), now: BEGIN };
        stage.commit(&[Change::PutProject(project)]);
        stage
    }

    /// The same with two hosts whose agents are connected.
    pub fn with_hosts() -> Self {
        let mut stage = Self::new();
        for (id, number) in HOSTS.into_iter().zip(1..) {
            let host = Host {
                id,
                project: PROJECT,
                identity: format!("h{number}"),
                hostname: format!("h{number}"),
                name: String::new(),
                description: String::new(),
                labels: BTreeMap::new(),
                address: format!("10.77.0.{number}"),
                subnet: None,
                active: true,
                evacuation: None,
                memory_limit: None,
                milli_cpu_limit: None,
                created_at: BEGIN,
                removed_at: None,
            };
            stage.commit(&[Change::PutHost(host)]);
        }
        for host in HOSTS {
            let seen =
                HostSeen { connected: true, caught_up: true, since: BEGIN, ..HostSeen::default() };
            stage.commit(&[Change::SeeHost { host, seen: Box::new(seen) }]);
        }
        stage
    }

    /// Ask the API; the answer's body, where there is one.
    ///
    /// # Errors
    ///
    /// It was refused.
    pub fn ask(&mut self, method: &str, url: &str, body: &Value) -> Result<Value, ApiError> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let Some(address) = Address::parse(path) else { return Ok(Value::Null) };
        let query = Query::parse(query);
        let before = self.world.clone();
        let path: Vec<&str> = address.path.iter().map(String::as_str).collect();
        let at = self.now;
        let context = |world| context(world, &address, at);
        let ctx = context(&before);
        let Outcome { changes, then } = match (method, query.get("action")) {
            ("POST", Some(action)) => drover_api::action(&ctx, &path, action, body)?,
            ("POST", None) => drover_api::create(&ctx, &path, body)?,
            ("PUT", _) => drover_api::update(&ctx, &path, body)?,
            ("DELETE", _) => drover_api::delete(&ctx, &path)?,
            _ => return drover_api::get(&ctx, &path, &query),
        };
        self.commit(&changes);
        let answer = answer(&context(&self.world), then).transpose()?;
        Ok(answer.and_then(|answer| answer.body).unwrap_or_default())
    }

    /// Let the planner look, at everything.
    pub fn plan(&mut self) {
        let planned = plan(&self.world, &Scope::everything(), self.now).changes;
        self.commit(&planned);
    }

    /// What was decided can be committed, and breaks no rule.
    ///
    /// # Panics
    ///
    /// It can't, or it does.
    pub fn commit(&mut self, changes: &[Change]) {
        let (next, _) = self.world.commit(changes).expect("what was decided can be committed");
        let wrong = [check(&next), check_step(&self.world, &next, self.now)].concat();
        assert!(wrong.is_empty(), "{wrong:?} after {changes:?}");
        self.world = next;
    }

    /// Agents do what they are told, and say so, until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.now = self.now + 1_000;
            self.plan();
            let before = self.world.version;
            for host in HOSTS {
                let units = self.world.units_on(host).map(|unit| {
                    let phase = match unit.desired {
                        Desired::Running | Desired::Draining => Phase::Running,
                        Desired::Stopped | Desired::Staged => Phase::Stopped,
                        Desired::Removed => Phase::Gone,
                    };
                    let tick = self.world.observed(unit.key).map_or(1, |seen| seen.tick + 1);
                    let ready = phase == Phase::Running;
                    let seen = Observed {
                        generation: unit.generation,
                        tick,
                        phase,
                        ready,
                        ..Observed::default()
                    };
                    (unit.key, seen)
                });
                let same = |a: &Observed, b: &Observed| {
                    (a.generation, a.phase, a.ready) == (b.generation, b.phase, b.ready)
                };
                let held = |key| self.world.observed(key);
                let news: BTreeMap<_, _> = units
                    .filter(|(key, seen)| !held(*key).is_some_and(|held| same(held, seen)))
                    .collect();
                self.world.observe(host, &news, self.now);
            }
            if self.world.version == before {
                break;
            }
        }
    }
}

/// How often agents are asked before a cluster counts as settled.
const ROUNDS: usize = 20;

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// Whoever asks may do everything.
fn context<'a>(world: &'a World, address: &Address, now: Time) -> Context<'a> {
    static NOTHING: std::sync::LazyLock<Nothing> = std::sync::LazyLock::new(Nothing::default);
    let caller = Caller { access: "key".into(), grant: Grant::Admin, within: None };
    Context {
        world,
        notes: &NOTHING.notes,
        events: &[],
        pulls: &[],
        errands: &NOTHING.errands,
        departed: &NOTHING.departed,
        library: &NOTHING.library,
        audits: &[],
        base: "http://server".into(),
        version: address.version,
        scope: address.scope,
        rights: caller.rights(world),
        caller,
        fresh: Fresh {
            uuid: "u".into(),
            public: format!("P{}", world.next_id),
            secret: "s".into(),
        },
        now,
    }
}

#[derive(Default)]
struct Nothing {
    notes: BTreeMap<drover_core::ServiceId, Vec<drover_core::plan::Note>>,
    errands: BTreeMap<u64, drover_api::Errand>,
    departed: BTreeMap<u64, drover_api::Departed>,
    library: drover_api::Library,
}
