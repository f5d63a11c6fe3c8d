//! Stacks: named groups of services.

mod rollout;

use std::sync::Arc;

use drover_core::{
    Change, Grant, ProjectId, RolloutPhase, Service, Stack, StackId, Wanted, derive, name,
};
use serde_json::{Value, json};

use super::service::{health, removed, turned};
use super::{Envelope, Resource, date, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::row::{Item, Only, Rows, lazy, rendered, said};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::{state, texts, upgrade};

static SCHEMA: Schema = Schema {
    name: "stack",
    plural: "stacks",
    base: "stack",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::label().required(),
            Field::described(),
            Field::cr("dockerCompose", "string"),
            Field::cr("rancherCompose", "string"),
            Field::cr("environment", "map[string]"),
            Field::cr("answers", "map[string]"),
            Field::cr("templates", "map[string]"),
            Field::cru("externalId", "string"),
            Field::r("previousExternalId", "string"),
            Field::r("previousEnvironment", "map[string]"),
            Field::cru("group", "string"),
            Field::cr("startOnCreate", "boolean"),
            Field::cru("outputs", "map[string]"),
            Field::r("serviceIds", "array[reference[service]]"),
            Field::r("healthState", "string"),
            Field::cr("system", "boolean").about("an administrator's say"),
        ],
    ],
    actions: &[
        ("activateservices", "", "stack"),
        ("addoutputs", "addOutputsInput", "stack"),
        ("cancelupgrade", "", "stack"),
        ("deactivateservices", "", "stack"),
        ("exportconfig", "composeConfigInput", "composeConfig"),
        ("finishupgrade", "", "stack"),
        ("remove", "", "stack"),
        ("rollback", "", "stack"),
        ("update", "", "stack"),
        ("upgrade", "stackUpgrade", "stack"),
        ("upgradeservices", "upgradeServicesInput", "stack"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Children { name: "services", plural: "services", field: "stackId" },
        Link::Made { name: "composeConfig", make: compose_config },
    ],
};

/// The resource.
pub(crate) struct Stacks;

impl Resource for Stacks {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        rendered(self.list(ctx, &Only::default()))
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        if let Some(id) = only.get("id") {
            return lazy(ctx, stack(ctx, id).into_iter());
        }
        let sees = |stack: &&'a Stack| ctx.sees(stack.project);
        if let Some(name) = only.get("name") {
            let stacks = ctx.world.stacks_named(name).filter_map(|id| ctx.world.stacks.get(&id));
            return lazy(ctx, stacks.map(Arc::as_ref).filter(sees));
        }
        lazy(ctx, ctx.world.stacks.values().map(Arc::as_ref).filter(sees))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        matches!(field, "id" | "name")
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        stack(ctx, id).map(|stack| render(ctx, stack))
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let name = body.required("name")?;
        let id = StackId(ctx.next_id());
        let texts = texts::read(body)?;
        let has_files = texts::has_files(&texts);
        let mut made = Stack {
            description: body.text("description")?.unwrap_or_default(),
            outputs: body.map("outputs")?.unwrap_or_default(),
            start_on_create: body.flag("startOnCreate")?.unwrap_or(false),
            group: body.text("group")?,
            system: body.flag("system")?.unwrap_or(false) && ctx.caller.grant == Grant::Admin,
            ..Stack::new(id, ctx.project()?, &name, ctx.now).made_of(texts)
        };
        check_name(ctx, &made)?;
        if has_files {
            texts::stack_spec(ctx.world, &made)?;
            made.rollout = Some(rollout::begin(ctx, RolloutPhase::Creating));
        }
        let id = Kind::Stack.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutStack(made)], SCHEMA.plural, id, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if let Some(name) = body.text("name")? {
            edited.name = name;
            check_name(ctx, &edited)?;
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        if body.names("externalId") {
            edited.external_id = body.text("externalId")?;
        }
        if body.names("outputs") {
            edited.outputs = body.map("outputs")?.unwrap_or_default();
        }
        if body.names("group") {
            edited.group = body.text("group")?;
        }
        let changes = if edited == *held { vec![] } else { vec![Change::PutStack(edited)] };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut changes: Vec<Change> = services(ctx, held.id)
            .map(|service| Change::PutService(Box::new(removed(ctx, service))))
            .collect();
        let volumes = ctx.world.volumes_in(held.id);
        for volume in volumes.filter(|volume| volume.removed_at.is_none()) {
            let mut volume = volume.clone();
            volume.removed_at = Some(ctx.now);
            changes.push(Change::PutVolumeTemplate(volume));
        }
        let gone = Stack { removed_at: Some(ctx.now), rollout: None, ..held.clone() };
        changes.push(Change::PutStack(gone));
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn why_not(&self, state: &str, action: &str) -> Option<String> {
        rollout::why_not(state, action).map(str::to_owned)
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        body: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let stack = living(ctx, id)?;
        if let Some(next) = rollout::act(ctx, stack, action, body)? {
            let changes = vec![Change::PutStack(next)];
            return Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 202));
        }
        let changes = match action {
            "addoutputs" => add_outputs(stack, body)?,
            "activateservices" => turn(ctx, stack, Wanted::Active)?,
            "deactivateservices" => turn(ctx, stack, Wanted::Inactive)?,
            "exportconfig" => return export(ctx, stack, body),
            "upgradeservices" => upgrade::start_together(ctx, stack, body)?,
            _ => Vec::new(),
        };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 202))
    }
}

impl Item for &Stack {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn whose(&self) -> (ProjectId, u64) {
        (self.project, self.id.0)
    }

    fn brief(&self, ctx: &Context<'_>, name: &str) -> Option<Value> {
        brief(ctx, self, name)
    }

    fn render(&self, ctx: &Context<'_>) -> Value {
        render(ctx, self)
    }
}

/// More outputs beside those there are; of the same name the new one holds.
fn add_outputs(stack: &Stack, body: Body<'_>) -> Result<Vec<Change>, ApiError> {
    let mut edited = stack.clone();
    edited.outputs.extend(body.map("outputs")?.unwrap_or_default());
    Ok(if edited == *stack { vec![] } else { vec![Change::PutStack(edited)] })
}

/// A stack as Rancher shows it.
fn render(ctx: &Context<'_>, stack: &Stack) -> Value {
    let ids: Vec<String> = services(ctx, stack.id).map(|s| Kind::Service.id(s.id.0)).collect();
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Stack.id(stack.id.0),
        name: &stack.name,
        description: &stack.description,
        standing: state::of_stack(ctx.world, stack, ctx.notes),
        project: Some(stack.project),
        created: stack.created_at,
        removed: stack.removed_at,
    };
    let fields = json!({
        "serviceIds": ids,
        "healthState": health(derive::stack_health(ctx.world, stack)),
        "system": stack.system,
        "externalId": stack.external_id,
        "previousExternalId": stack.previous.as_ref().and_then(|before| before.external_id.clone()),
        "environment": stack.environment,
        "previousEnvironment": stack.previous.as_ref().map(|before| &before.environment),
        "answers": stack.answers,
        "templates": stack.templates,
        "outputs": Some(&stack.outputs).filter(|outputs| !outputs.is_empty()),
        "group": stack.group,
        "startOnCreate": stack.start_on_create,
        "dockerCompose": stack.docker_compose,
        "rancherCompose": stack.rancher_compose,
    });
    finish(ctx, envelope, fields)
}

/// A member that is known without the rest.
fn brief(ctx: &Context<'_>, stack: &Stack, name: &str) -> Option<Value> {
    let standing = || state::of_stack(ctx.world, stack, ctx.notes);
    Some(match name {
        "id" => json!(Kind::Stack.id(stack.id.0)),
        "type" | "kind" => json!(SCHEMA.name),
        "name" => said(&stack.name),
        "description" => said(&stack.description),
        "state" => json!(standing().state),
        "transitioning" => json!(standing().transitioning),
        "removed" => json!(stack.removed_at.map(date)),
        "created" => date(stack.created_at),
        "accountId" => json!(Kind::Project.id(stack.project.0)),
        "externalId" => json!(stack.external_id),
        "system" => json!(stack.system),
        _ => return None,
    })
}

/// A stack the caller may see, removed or not.
fn stack<'a>(ctx: &'a Context<'_>, id: &str) -> Option<&'a Stack> {
    let id = StackId(Kind::Stack.parse(id)?);
    let stack = ctx.world.stacks.get(&id)?;
    ctx.sees(stack.project).then_some(stack)
}

/// A stack that a write may refer to.
pub(crate) fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Stack, ApiError> {
    let found = stack(ctx, id).filter(|stack| stack.removed_at.is_none());
    found.ok_or_else(|| ApiError::not_found(format!("stack {id}")))
}

/// The services of a stack that are not removed.
fn services<'a>(ctx: &'a Context<'_>, stack: StackId) -> impl Iterator<Item = &'a Service> {
    ctx.world.services_in(stack).filter(|service| service.removed_at.is_none())
}

fn check_name(ctx: &Context<'_>, made: &Stack) -> Result<(), ApiError> {
    name::check_name(&made.name)
        .map_err(|why| ApiError::on(Code::InvalidCharacters, "name", why.to_string()))?;
    let same = ctx.world.stacks_named(&made.name).filter_map(|id| ctx.world.stacks.get(&id));
    let taken = same
        .filter(|other| other.id != made.id)
        .any(|other| other.project == made.project && other.removed_at.is_none());
    if taken {
        let why = format!("this project has a stack named {} already", made.name);
        return Err(ApiError::on(Code::NotUnique, "name", why));
    }
    Ok(())
}

/// Turn every service on or off; all or none.
fn turn(ctx: &Context<'_>, stack: &Stack, wanted: Wanted) -> Result<Vec<Change>, ApiError> {
    let action = if wanted == Wanted::Active { "activate" } else { "deactivate" };
    let mut changes = Vec::new();
    for service in services(ctx, stack.id).filter(|service| service.wanted != wanted) {
        let standing = state::of_service(ctx.world, service, &[]);
        // What stops because of a wish before this one turns round.
        if !standing.actions.contains(&action) && standing.state != "deactivating" {
            let (name, state) = (&service.name, standing.state);
            let why = format!("service {name} is {state}, and can't {action} from there");
            return Err(ApiError::new(Code::InvalidState, why));
        }
        changes.push(Change::PutService(Box::new(turned(service, wanted))));
    }
    Ok(changes)
}

/// A stack that came from files is exported as these files; any other is written anew by the server.
fn export(ctx: &Context<'_>, stack: &Stack, body: Body<'_>) -> Result<Outcome, ApiError> {
    let asked = body.texts("serviceIds")?.unwrap_or_default();
    Ok(Outcome { changes: Vec::new(), then: exported(ctx, stack, &asked) })
}

/// The same of all services, for who follows the link.
fn compose_config(ctx: &Context<'_>, id: &str) -> Option<Then> {
    living(ctx, id).ok().map(|stack| exported(ctx, stack, &[]))
}

/// The texts of some services, or of all if none is named.
fn exported(ctx: &Context<'_>, stack: &Stack, asked: &[String]) -> Then {
    let all = || services(ctx, stack.id).map(|service| service.id);
    let services: Vec<_> =
        all().filter(|id| asked.is_empty() || asked.contains(&Kind::Service.id(id.0))).collect();
    match texts::given(stack) {
        Some((docker, rancher)) if asked.is_empty() => Then::Body(json!({
            "id": null,
            "type": "composeConfig",
            "links": {},
            "actions": {},
            "dockerComposeConfig": docker,
            "rancherComposeConfig": rancher,
        })),
        _ => Then::ExportConfig { stack: stack.id, services },
    }
}
