//! The action `forecast`: what requests would come to that nobody makes yet. Rancher has none.
//!
//! It reads what `services` (POST), `upgradeservices`, `services/ID` (PUT and DELETE) read, all of it in one body, so that a
//! client foretells with the very bodies it would send. Nothing is committed.
//!
//! In two steps, for planning takes long where much would move: what is asked is read with everybody else's writes in turn
//! ([`ask`]), what would come of it is found out whenever and on whatever thread ([`Foretold::answer`]).

use drover_core::forecast::{Forecast, Placement, ServiceForecast, forecast, warnings};
use drover_core::{Change, ProjectId, Service, ServiceId, Stack, StackId, Time, Wanted, World};
use serde_json::{Value, json};

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::{Answer, Then};
use crate::resource::credential::sha256_hex;
use crate::resource::{Resource, service, stack};
use crate::route::schema_of;
use crate::schema::{Write, accept};
use crate::upgrade;

/// Read what is to be foretold.
pub(super) fn ask(ctx: &Context<'_>, project: ProjectId, body: Body<'_>) -> Result<Then, ApiError> {
    let mut draft = Draft { world: ctx.world.clone(), changes: Vec::new() };
    let stack = home(ctx, project, body, &mut draft)?;
    let stack_id = Kind::Stack.id(stack.id.0);
    for made in body.list("create")? {
        draft.create(ctx, &stack_id, made)?;
    }
    for edit in body.list("update")? {
        let id = Body::of(edit)?.required("serviceId")?;
        draft.update(ctx, &id, edit)?;
    }
    if !body.list("upgrade")?.is_empty() {
        let members = json!({ "services": body.list("upgrade")? });
        let seen = Context { world: &draft.world, ..ctx.clone() };
        let changes = upgrade::start_together(&seen, &stack, Body::of(&members)?)?;
        draft.commit(changes)?;
    }
    for id in body.texts("remove")?.unwrap_or_default() {
        draft.take(ctx, |seen| service::ALL.delete(seen, &id))?;
    }
    Ok(Then::Forecast(Box::new(Foretold { before: ctx.world.clone(), draft, now: ctx.now })))
}

/// What is to be foretold: changes to a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    before: World,
    draft: Draft,
    now: Time,
}

impl Foretold {
    /// A `forecast`: what would come of it.
    pub fn answer(&self) -> Result<Answer, ApiError> {
        let Self { before, draft, now } = self;
        let told =
            forecast(before, &draft.changes, *now).map_err(|why| ApiError::contradicts(&why))?;
        let mut shown = render(draft, before, &told);
        shown["digest"] = json!(digest(draft, before, &shown));
        Ok(Answer { status: 200, body: Some(shown) })
    }
}

/// What is to be known of a policy that looks and decides nothing.
const IN_VAIN: &str = "its policy says what to verify, but nothing follows from it, so that nothing is verified: let it say \
                       on_failure: pause or rollback, or finish: auto";

/// The world as it will be when all that was read so far is done.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    world: World,
    changes: Vec<Change>,
}

impl Draft {
    fn commit(&mut self, changes: Vec<Change>) -> Result<(), ApiError> {
        self.world = self.world.commit(&changes).map_err(|why| ApiError::contradicts(&why))?.0;
        self.changes.extend(changes);
        Ok(())
    }

    fn take(
        &mut self,
        ctx: &Context<'_>,
        ask: impl FnOnce(&Context<'_>) -> Result<crate::Outcome, ApiError>,
    ) -> Result<(), ApiError> {
        let seen = Context { world: &self.world, ..ctx.clone() };
        let changes = ask(&seen)?.changes;
        self.commit(changes)
    }

    /// A service that is made is started too: what matters is where it will run.
    fn create(&mut self, ctx: &Context<'_>, stack: &str, made: &Value) -> Result<(), ApiError> {
        // What is no object has no members to write to.
        Body::of(made)?;
        let mut body = made.clone();
        body["stackId"] = json!(stack);
        body["startOnCreate"] = json!(true);
        let resource = service::of_type(made["type"].as_str().unwrap_or_default());
        let taken = accept(resource.schema(), &body, Write::Create)?;
        self.take(ctx, |seen| resource.create(seen, Body::of(&taken)?))
    }

    fn update(&mut self, ctx: &Context<'_>, id: &str, edit: &Value) -> Result<(), ApiError> {
        let seen = Context { world: &self.world, ..ctx.clone() };
        let row = service::ALL.row(&seen, id).unwrap_or_default();
        let taken = accept(schema_of(&service::ALL, &row), edit, Write::Update)?;
        self.take(ctx, |seen| service::ALL.update(seen, id, Body::of(&taken)?))
    }
}

/// The stack it is about; one that isn't there is thought to be.
fn home(
    ctx: &Context<'_>,
    project: ProjectId,
    body: Body<'_>,
    draft: &mut Draft,
) -> Result<Stack, ApiError> {
    if let Some(id) = body.text("stackId")? {
        return stack::living(ctx, &id).cloned();
    }
    let name = body.required("stackName")?;
    let id = StackId(ctx.next_id());
    let asked = json!({ "name": name });
    let scoped = Context { scope: Some(project), ..ctx.clone() };
    draft.take(&scoped, |seen| stack::Stacks.create(seen, Body::of(&asked)?))?;
    let made = draft.world.stacks.get(&id).map(|stack| (**stack).clone());
    made.ok_or_else(|| ApiError::not_found(format!("stack {name}")))
}

/// Two forecasts with the same one come to the same: the same configurations in the place of the same ones, on the same
/// hosts. What they differ in otherwise, like the moment, is left out.
fn digest(draft: &Draft, before: &World, shown: &Value) -> String {
    let mut text = shown.to_string();
    for change in &draft.changes {
        if let Change::PutService(service) = change {
            let held = before.service(service.id).map(|held| held.current);
            let (links, balancer) = (&service.links, &service.balancer);
            let put = json!([service.name, service.scale, held, links, balancer, service.metadata]);
            text.push_str(&put.to_string());
        } else if let Change::AddRevision(revision) = change {
            text.push_str(&json!([revision.number, revision.template]).to_string());
        } else if let Change::StartUpgrade(upgrade) = change {
            text.push_str(&json!([upgrade.course, upgrade.policy, upgrade.together]).to_string());
        }
    }
    sha256_hex(&text)
}

fn render(draft: &Draft, before: &World, told: &Forecast) -> Value {
    let touched = draft.changes.iter().filter_map(|change| match change {
        Change::PutService(service) => Some(service.id),
        Change::StartUpgrade(upgrade) => Some(upgrade.service),
        _ => None,
    });
    let touched: std::collections::BTreeSet<ServiceId> =
        touched.chain(told.services.keys().copied()).collect();
    let services = touched.iter().filter_map(|id| {
        let service = draft.world.service(*id)?;
        Some(one(draft, before, service, told.services.get(id)))
    });
    let pulls = told.pulls.iter().map(|(host, images)| {
        let name = draft.world.host(*host).map_or("?", |host| host.shown_name());
        json!({ "hostId": Kind::Host.id(host.0), "host": name, "images": images })
    });
    json!({
        "id": null,
        "type": "forecast",
        "links": {},
        "actions": {},
        "services": services.collect::<Vec<_>>(),
        "pulls": pulls.collect::<Vec<_>>(),
        "obstacles": told.obstacles,
    })
}

fn one(draft: &Draft, before: &World, service: &Service, told: Option<&ServiceForecast>) -> Value {
    let world = &draft.world;
    let action = match (before.service(service.id), service.wanted) {
        (None, _) => "create",
        (Some(_), Wanted::Removed) => "remove",
        (Some(_), _) if world.upgrade(service.id) != before.upgrade(service.id) => "upgrade",
        (Some(_), _) => "update",
    };
    let upgrade = world.upgrade(service.id);
    let start_first = upgrade.is_some_and(|upgrade| match upgrade.course {
        drover_core::Course::InService { start_first, .. } => start_first,
        drover_core::Course::ToService(_) => false,
    });
    let empty = ServiceForecast::default();
    let told = told.unwrap_or(&empty);
    let host = |id| world.host(id).map_or("?", |host: &drover_core::Host| host.shown_name());
    let made = told.made.iter().map(|Placement { container, host: to, from, .. }| {
        json!({ "container": container, "host": host(*to), "from": from.map(host) })
    });
    let template = world.current_template(service).filter(|_| service.kind.has_units());
    let warned = template
        .filter(|_| service.wanted != Wanted::Removed)
        .map_or_else(Vec::new, |template| warnings(template, service.scale, start_first));
    let warned =
        warned.iter().map(|(warning, text)| json!({ "code": warning.code(), "text": text }));
    let in_vain = upgrade.filter(|upgrade| upgrade::looks_in_vain(&upgrade.policy));
    let in_vain = in_vain.map(|_| json!({ "code": "verifyDecidesNothing", "text": IN_VAIN }));
    json!({
        "name": service.name,
        "serviceId": before.service(service.id).map(|held| Kind::Service.id(held.id.0)),
        "action": action,
        "startFirst": start_first,
        "scale": service.scale,
        "batchSize": upgrade.map(|upgrade| upgrade.batch_size),
        "servingNow": told.serving_now,
        "servingLeast": told.serving_least,
        "servingThen": told.serving_then,
        "steps": told.steps,
        "made": made.collect::<Vec<_>>(),
        "stopped": told.stopped,
        "removed": told.removed,
        "warnings": warned.chain(in_vain).collect::<Vec<_>>(),
    })
}
