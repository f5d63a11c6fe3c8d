//! Stacks: named groups of services.

use drover_core::{Change, Service, Stack, StackId, Wanted, derive, name};
use serde_json::{Value, json};

use super::service::{health, removed, turned};
use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::{state, upgrade};

static SCHEMA: Schema = Schema {
    name: "stack",
    plural: "stacks",
    base: "stack",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::cru("name", "string").required(),
            Field::cru("description", "string"),
            Field::r("dockerCompose", "string"),
            Field::r("rancherCompose", "string"),
            Field::cr("environment", "map[string]"),
            Field::cru("externalId", "string"),
            Field::cru("group", "string"),
            Field::cr("startOnCreate", "boolean"),
            Field::cru("outputs", "map[string]"),
            Field::r("serviceIds", "array[reference[service]]"),
            Field::r("healthState", "string"),
            Field::r("system", "boolean"),
        ],
    ],
    actions: &[
        ("activateservices", "", "stack"),
        ("addoutputs", "addOutputsInput", "stack"),
        ("deactivateservices", "", "stack"),
        ("exportconfig", "composeConfigInput", "composeConfig"),
        ("remove", "", "stack"),
        ("update", "", "stack"),
        ("upgradeservices", "upgradeServicesInput", "stack"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Children { name: "services", plural: "services", field: "stackId" },
    ],
};

/// The resource.
pub(crate) struct Stacks;

impl Resource for Stacks {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let stacks = ctx.world.stacks.values().filter(|stack| ctx.sees(stack.project));
        stacks.map(|stack| render(ctx, stack)).collect()
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        stack(ctx, id).map(|stack| render(ctx, stack))
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let name = body.required("name")?;
        refuse_files(body)?;
        let project = ctx.project()?;
        let made = Stack {
            id: StackId(ctx.next_id()),
            project,
            name,
            description: body.text("description")?.unwrap_or_default(),
            docker_compose: None,
            rancher_compose: None,
            environment: body.map("environment")?.unwrap_or_default(),
            outputs: body.map("outputs")?.unwrap_or_default(),
            start_on_create: body.flag("startOnCreate")?.unwrap_or(false),
            external_id: body.text("externalId")?,
            group: body.text("group")?,
            created_at: ctx.now,
            removed_at: None,
        };
        check_name(ctx, &made)?;
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
        let volumes = ctx.world.volume_templates.values();
        for volume in volumes.filter(|v| v.stack == held.id && v.removed_at.is_none()) {
            let mut volume = (**volume).clone();
            volume.removed_at = Some(ctx.now);
            changes.push(Change::PutVolumeTemplate(volume));
        }
        changes.push(Change::PutStack(Stack { removed_at: Some(ctx.now), ..held.clone() }));
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        body: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let stack = living(ctx, id)?;
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
        standing: state::of_stack(ctx.world, stack),
        project: Some(stack.project),
        created: stack.created_at,
        removed: stack.removed_at,
    };
    let fields = json!({
        "serviceIds": ids,
        "healthState": health(derive::stack_health(ctx.world, stack)),
        "system": false,
        "externalId": stack.external_id,
        "environment": stack.environment,
        "outputs": Some(&stack.outputs).filter(|outputs| !outputs.is_empty()),
        "group": stack.group,
        "startOnCreate": stack.start_on_create,
        "dockerCompose": stack.docker_compose,
        "rancherCompose": stack.rancher_compose,
    });
    finish(ctx, envelope, fields)
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

/// Rancher's server builds the services of a stack from its files. A stack that was made but stays empty would be
/// worse than none.
fn refuse_files(body: Body<'_>) -> Result<(), ApiError> {
    for field in ["dockerCompose", "rancherCompose"] {
        if body.text(field)?.is_some_and(|text| !text.trim().is_empty()) {
            let why = format!(
                "this server doesn't build services from `{field}` yet: make the stack without it, then \
                 deploy the files with `drover up`"
            );
            return Err(ApiError::on(Code::InvalidOption, field, why));
        }
    }
    Ok(())
}

fn check_name(ctx: &Context<'_>, made: &Stack) -> Result<(), ApiError> {
    name::check_name(&made.name)
        .map_err(|why| ApiError::on(Code::InvalidCharacters, "name", why.to_string()))?;
    let taken = ctx.world.stacks.values().any(|other| {
        other.id != made.id
            && other.project == made.project
            && other.removed_at.is_none()
            && other.name.eq_ignore_ascii_case(&made.name)
    });
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
        if !standing.actions.contains(&action) {
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
    let all = || services(ctx, stack.id).map(|service| service.id);
    let services: Vec<_> =
        all().filter(|id| asked.is_empty() || asked.contains(&Kind::Service.id(id.0))).collect();
    let then = match &stack.docker_compose {
        Some(docker) if asked.is_empty() => Then::Body(json!({
            "id": null,
            "type": "composeConfig",
            "links": {},
            "actions": {},
            "dockerComposeConfig": docker,
            "rancherComposeConfig": stack.rancher_compose.as_deref().unwrap_or(""),
        })),
        _ => Then::ExportConfig { stack: stack.id, services },
    };
    Ok(Outcome { changes: Vec::new(), then })
}
