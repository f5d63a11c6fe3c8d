//! One call of the API: a read from the newest snapshot, or a decision that is committed and then answered.
//!
//! What a call means is decided in `drover-api`, purely; this is the part that needs a clock, random text, the
//! store and the agents.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use drover_api::{
    Address, Answer, ApiError, Audited, Caller, Code, Context, Departed, Event, Foretold, Fresh,
    Kind, Library, Outcome, Pull, Query, Then,
};
use drover_core::protocol::Ask;
use drover_core::{Rank, Rights, ServiceId, Time, Webhook, World};
use drover_store::{AuditFilter, CommitError, EventFilter, StoredAudit, StoredEvent};
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::auth::{self, Denied};
use crate::base_url::socket_url;
use crate::pulls::{self, Wanted};
use crate::random::fresh;
use crate::server::{Notes, Server, Undone};
use crate::tokens::{Opens, Say};
use crate::{clock, doctor, errands, export};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read.
    Get,
    /// Make, or act.
    Post,
    /// Change.
    Put,
    /// Remove.
    Delete,
}

/// A call that was let in.
pub(crate) struct Call {
    /// What to do.
    pub(crate) verb: Verb,
    /// With what.
    pub(crate) address: Address,
    /// The query string.
    pub(crate) query: Query,
    /// The body of a write.
    pub(crate) body: Value,
    /// By which URL this server was reached.
    pub(crate) base: String,
    /// Who asks.
    pub(crate) caller: Caller,
}

/// Events that a log is made of, at most.
const EVENTS: usize = 3_000;
/// How long a user waits for a forecast: less than the command line waits for an answer, so that there is one.
const FORECAST_WAIT: Duration = Duration::from_secs(20);

/// Carry a call out.
pub(crate) async fn call(server: &Arc<Server>, call: &Call) -> Result<Answer, ApiError> {
    match call.verb {
        Verb::Get => read(server, call).await,
        Verb::Post | Verb::Put | Verb::Delete => write(server, call).await,
    }
}

/// The error for a decision that was not committed.
pub(crate) fn undone<E: Into<ApiError> + Display>(undone: Undone<E>) -> ApiError {
    match undone {
        Undone::Decided(refused) => refused.into(),
        Undone::Commit(error) => not_committed(error),
        Undone::Busy => ApiError::new(Code::Conflict, undone.to_string()),
    }
}

fn not_committed(error: CommitError) -> ApiError {
    match error {
        CommitError::Refused(refused) => refused.into(),
        CommitError::Conflict => ApiError::new(Code::Conflict, error.to_string()),
        CommitError::Storage(error) => ApiError::new(Code::ServerError, error.to_string()),
    }
}

async fn read(server: &Arc<Server>, call: &Call) -> Result<Answer, ApiError> {
    let mut view = View::new(server, call).await?;
    let world = server.store.world();
    if let Some(container) = call.container() {
        view.departed = server.graveyard.find(&world, container, clock::now()).await;
    }
    // Of those that may take long no more at a time than there are processors to spare: the rest would only slow these down, and
    // whoever asks for one thing would queue behind them.
    let _lane = if call.is_about_one() { None } else { server.lists.acquire().await.ok() };
    let ctx = view.context(call, &world, clock::now());
    let then = apart(|| drover_api::read(&ctx, &call.path(), &call.query))?;
    carry_out(server, call, view, world.clone(), then).await
}

/// Work at something long while this thread's other tasks, agents' sessions among them, go on on another. Where there is no other
/// it is simply done.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(work),
        _ => work(),
    }
}

async fn write(server: &Arc<Server>, call: &Call) -> Result<Answer, ApiError> {
    let mut view = View::new(server, call).await?;
    if let Some(container) = call.container() {
        view.departed = server.graveyard.find(&server.store.world(), container, clock::now()).await;
    }
    let (path, body) = (call.path(), &call.body);
    let mut rights = None;
    let decided = server.decide(&call.caller.access, |world, now| {
        if !auth::is_live(world, &call.caller) {
            return Err(Denied::WrongKey.into());
        }
        rights = Some(call.caller.rights(world));
        let ctx = view.context(call, world, now);
        let outcome = match (call.verb, call.query.get("action")) {
            (Verb::Put, _) => drover_api::update(&ctx, &path, body),
            (Verb::Delete, _) => drover_api::delete(&ctx, &path),
            (Verb::Get | Verb::Post, Some(name)) => drover_api::action(&ctx, &path, name, body),
            (Verb::Get | Verb::Post, None) => drover_api::create(&ctx, &path, body),
        };
        outcome.map(|Outcome { changes, then }| (changes, then))
    });
    let (world, then) = decided.await.map_err(undone)?;
    view.before = rights;
    carry_out(server, call, view, world, then).await
}

/// What is left to do after the decision and its commit, and the answer.
async fn carry_out(
    server: &Arc<Server>,
    call: &Call,
    mut view: View,
    mut world: Arc<World>,
    then: Then,
) -> Result<Answer, ApiError> {
    let now = clock::now();
    let then = match then {
        Then::HostAccess { ask, host, .. } => {
            let path = match &ask {
                Ask::Exec { .. } => "exec",
                Ask::Docker => "dockersocket",
                _ => "logs",
            };
            let opens = Opens::Ask { host, ask };
            // By what was decided: it may be less by now.
            let rights = view.before.clone().unwrap_or_else(|| call.caller.rights(&world));
            let say = Say::over(&world, &rights, host);
            let say = say.ok_or_else(|| ApiError::not_found("the host that this would be on"))?;
            Then::Body(access(server, call, ("hostAccess", &format!("{path}/")), Some(say), opens))
        }
        Then::Stats(of) => {
            let path = if of.is_of_hosts() { "hoststats" } else { "containerstats" };
            // What it shows is looked up anew for each frame, and so is who may see it.
            Then::Body(access(server, call, ("statsAccess", path), None, Opens::Stats(of)))
        }
        Then::Ask { ask, host, what, container, plural, status } => {
            let name = world.host(host).map_or("its host", |host| host.shown_name());
            view.errands = errands::begin(server, host, ask, container, what)
                .await
                .map_err(|why| ApiError::new(Code::Conflict, format!("host {name}: {why}")))?;
            Then::Render { plural, id: Kind::Container.id(container), status }
        }
        Then::Pull { project, image, labels, only_if_present } => {
            let wanted = Wanted { project, image, labels, only_if_present };
            let number = pulls::start(server, wanted, now);
            view.pulls = server.pulls.list();
            Then::Render { plural: "pullTasks", id: Kind::PullTask.id(number), status: 201 }
        }
        Then::DiagnoseNetwork { project } => {
            let (found, diagnosis) = doctor::diagnose(server, project).await;
            world = found;
            Then::Body(drover_api::network_diagnosis(&diagnosis))
        }
        Then::Forecast(foretold) => return foretell(server, foretold).await,
        Then::ExportConfig { stack, services } => {
            Then::Body(export::compose_config(&world, stack, &services))
        }
        other => other,
    };
    // Nothing is left that the API could not answer by now.
    drover_api::answer(&view.context(call, &world, now), then).unwrap_or_else(|| {
        Err(ApiError::new(Code::ServerError, "the server has no answer to this"))
    })
}

/// URL and token of a stream.
fn access(
    server: &Server,
    call: &Call,
    (kind, path): (&str, &str),
    say: Option<Say>,
    opens: Opens,
) -> Value {
    let url = format!("{}/v1/{path}", socket_url(&call.base));
    let token = server.tokens.grant(&call.caller, say, opens, clock::now());
    json!({
        "id": null, "type": kind, "links": {}, "actions": {}, "url": url, "token": token,
    })
}

/// Find out what would come of changes, where that holds nobody up. One that takes too long is not waited for, and counts
/// among those at work until it is over.
async fn foretell(server: &Server, foretold: Box<Foretold>) -> Result<Answer, ApiError> {
    let told = async {
        let lane = server.forecasts.clone().acquire_owned().await;
        let telling = tokio::task::spawn_blocking(move || {
            let told = foretold.answer();
            drop(lane);
            told
        });
        let broken = |error| ApiError::new(Code::ServerError, format!("not foretold: {error}"));
        telling.await.map_err(broken)?
    };
    timeout(FORECAST_WAIT, told).await.unwrap_or_else(|_| {
        let why = format!(
            "what would come of it is not known after {} s, and nothing was changed: ask for fewer services at a time, \
             for greater batches, or again when the server has less to do",
            FORECAST_WAIT.as_secs()
        );
        Err(ApiError::new(Code::ServerError, why))
    })
}

impl Call {
    fn path(&self) -> Vec<&str> {
        self.address.path.iter().map(String::as_str).collect()
    }

    /// Whether it is about one resource by its id: `/services/1s5`.
    fn is_about_one(&self) -> bool {
        self.address.path.len() == 2
    }

    /// The container it is about, or something of.
    fn container(&self) -> Option<u64> {
        self.address.path.get(1).and_then(|id| Kind::Container.parse(id))
    }

    /// The service it is about: by the path, as links have it, or by a condition on a list.
    fn service(&self) -> Option<ServiceId> {
        let number = |id: &str| Kind::Service.parse(id).map(ServiceId);
        let by_path = self.address.path.get(1).and_then(|id| number(id));
        by_path.or_else(|| number(self.query.get("serviceId")?))
    }

    fn is_about(&self, name: &str) -> bool {
        // A link leads to these too: `/services/1s5/servicelogs`.
        self.address.path.iter().any(|segment| {
            let singular = name.strip_suffix('s').unwrap_or(name);
            segment.eq_ignore_ascii_case(name) || segment.eq_ignore_ascii_case(singular)
        })
    }
}

/// Carry out a call of a webhook: whoever has its key has it done.
pub(crate) async fn fire(
    server: &Arc<Server>,
    call: &Call,
    find: impl Fn(&World) -> Result<Webhook, ApiError>,
) -> Result<Answer, ApiError> {
    let view = View::new(server, call).await?;
    let decided = server.decide(&call.caller.access, |world, now| {
        // It may have been removed since it was looked up.
        let held = find(world)?;
        let fired = drover_api::fire(&view.context(call, world, now), &held, &call.body)?;
        Ok::<_, ApiError>((fired.changes, fired.answer))
    });
    let (_, answer) = decided.await.map_err(undone)?;
    Ok(Answer { status: 200, body: Some(answer) })
}

/// What an answer shows besides the snapshot.
pub(crate) struct View {
    notes: Arc<Notes>,
    events: Vec<Event>,
    audits: Vec<Audited>,
    pulls: Arc<Vec<Pull>>,
    errands: Arc<errands::Held>,
    library: Arc<Library>,
    departed: BTreeMap<u64, Departed>,
    fresh: Fresh,
    /// What the caller might do before it gave something away: it still hears what became of it.
    before: Option<Rights>,
}

impl View {
    /// What this call needs of it.
    async fn new(server: &Server, call: &Call) -> Result<Self, ApiError> {
        let events =
            if call.is_about("serviceLogs") { events(server, call).await? } else { Vec::new() };
        let audits =
            if call.is_about("auditLogs") { audits(server, call).await? } else { Vec::new() };
        let pulls = if call.is_about("pullTasks") { server.pulls.list() } else { Arc::default() };
        let (notes, errands) = (server.notes.borrow().clone(), server.errands.now());
        let (library, departed) = (server.library.borrow().clone(), BTreeMap::new());
        let (fresh, before) = (fresh(), None);
        Ok(Self { notes, events, audits, pulls, errands, library, departed, fresh, before })
    }

    fn context<'a>(&'a self, call: &Call, world: &'a World, now: Time) -> Context<'a> {
        Context {
            world,
            notes: &self.notes,
            events: &self.events,
            pulls: &self.pulls,
            errands: &self.errands,
            library: &self.library,
            departed: &self.departed,
            audits: &self.audits,
            base: call.base.clone(),
            version: call.address.version,
            scope: call.address.scope,
            caller: call.caller.clone(),
            rights: match &self.before {
                Some(before) => call.caller.rights(world).or(before),
                None => call.caller.rights(world),
            },
            fresh: self.fresh.clone(),
            now,
        }
    }
}

/// The newest; of one service where that is asked for, of which others may have had thousands since.
async fn events(server: &Server, call: &Call) -> Result<Vec<Event>, ApiError> {
    let filter = EventFilter { service: call.service(), ..EventFilter::default() };
    let stored = server.store.events(&filter, EVENTS).await;
    let stored = stored.map_err(|error| not_committed(error.into()))?;
    let event = |StoredEvent { id, host, event }| Event { id, host, event };
    Ok(stored.into_iter().map(event).collect())
}

/// What was done, as far as it can be the caller's to see.
async fn audits(server: &Server, call: &Call) -> Result<Vec<Audited>, ApiError> {
    let world = server.store.world();
    let rights = call.caller.rights(&world);
    let filter = match call.address.scope {
        Some(project) => AuditFilter::Of { projects: vec![project], account: None },
        None if rights.base() == Rank::Admin && call.caller.within.is_none() => AuditFilter::All,
        None => {
            let all = world.projects.keys().copied();
            let projects = all.filter(|id| rights.in_project(*id) >= Some(Rank::Key)).collect();
            AuditFilter::Of { projects, account: rights.account() }
        }
    };
    let stored = server.store.audits(&filter, EVENTS).await;
    let stored = stored.map_err(|error| not_committed(error.into()))?;
    Ok(stored.into_iter().map(|StoredAudit { id, audit }| Audited { id, audit }).collect())
}

#[cfg(test)]
mod tests {
    use drover_core::Grant;

    use super::*;

    #[test]
    fn a_service_is_named_by_the_path_or_by_a_condition() {
        let service = |url: &str| {
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            let address = Address::parse(&format!("/v2-beta/{path}")).unwrap();
            let caller = Caller { access: String::new(), grant: Grant::Admin, within: None };
            let (query, base) = (Query::parse(query), String::new());
            Call { verb: Verb::Get, address, query, body: Value::Null, base, caller }.service()
        };
        for (url, want) in [
            ("services/1s7/servicelogs", Some(7)),
            ("projects/1a1/loadbalancerservices/1s7/servicelogs", Some(7)),
            ("servicelogs?serviceId=1s7", Some(7)),
            ("servicelogs/1sl7", None),
            ("servicelogs?serviceId_ne=1s7", None),
            ("servicelogs", None),
        ] {
            assert_eq!(service(url), want.map(ServiceId), "{url}");
        }
    }
}
