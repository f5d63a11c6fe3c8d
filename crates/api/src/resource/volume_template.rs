//! Volume templates: the volumes that a stack declares.

use drover_core::{Change, StackId, VolumeTemplate, VolumeTemplateId};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish, stack};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::row::{Only, Rows, whole};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{CREDENTIAL, Standing};

static SCHEMA: Schema = Schema {
    name: "volumeTemplate",
    plural: "volumeTemplates",
    base: "volumeTemplate",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().not_updated().required().min_length(1),
            Field::cr("stackId", "reference[stack]").required(),
            Field::cr("driver", "string"),
            Field::cr("driverOpts", "map[string]"),
            Field::cr("external", "boolean").default("false"),
            Field::cr("perContainer", "boolean").default("false"),
        ],
    ],
    actions: &[
        ("activate", "", "volumeTemplate"),
        ("deactivate", "", "volumeTemplate"),
        ("remove", "", "volumeTemplate"),
        ("update", "", "volumeTemplate"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Parent { name: "stack", plural: "stacks", field: "stackId" },
    ],
};

/// The resource.
pub(crate) struct VolumeTemplates;

impl Resource for VolumeTemplates {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.volume_templates.values().filter(|held| ctx.sees(held.project));
        held.map(|held| render(ctx, held)).collect()
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        let Some(stack) = only.get("stackId") else { return whole(ctx, self.rows(ctx)) };
        // Nothing has the number of what is no id.
        let stack = StackId(Kind::Stack.parse(stack).unwrap_or(0));
        let held = ctx.world.volumes_in(stack).filter(|held| ctx.sees(held.project));
        whole(ctx, held.map(|held| render(ctx, held)))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        field == "stackId"
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let id = body.required("stackId")?;
        let stack = stack::living(ctx, &id).map_err(|_| {
            ApiError::on(Code::InvalidReference, "stackId", format!("there is no stack {id}"))
        })?;
        let made = VolumeTemplate {
            id: VolumeTemplateId(ctx.next_id()),
            project: stack.project,
            stack: stack.id,
            name: body.required("name")?,
            driver: body.text("driver")?.unwrap_or_default(),
            driver_options: body.map("driverOpts")?.unwrap_or_default(),
            external: body.flag("external")?.unwrap_or(false),
            per_container: body.flag("perContainer")?.unwrap_or(false),
            inactive: false,
            created_at: ctx.now,
            removed_at: None,
        };
        let mut others = ctx.world.volumes_in(made.stack);
        let taken = others.any(|other| other.removed_at.is_none() && other.name == made.name);
        if taken {
            let why = format!("stack {} declares a volume {} already", stack.name, made.name);
            return Err(ApiError::on(Code::NotUnique, "name", why));
        }
        let id = Kind::VolumeTemplate.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutVolumeTemplate(made)], SCHEMA.plural, id, 201))
    }

    /// Nothing of it can be changed: its data would be left behind.
    fn update(&self, ctx: &Context<'_>, id: &str, _: Body<'_>) -> Result<Outcome, ApiError> {
        living(ctx, id)?;
        Ok(Outcome::render(Vec::new(), SCHEMA.plural, id.to_owned(), 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let mut removed = living(ctx, id)?.clone();
        removed.removed_at = Some(ctx.now);
        let changes = vec![Change::PutVolumeTemplate(removed)];
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    /// Kept to be read back: what is mounted goes on, and what a service needs is not taken from it.
    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let edited = VolumeTemplate { inactive: action == "deactivate", ..held.clone() };
        let changes =
            if edited == *held { vec![] } else { vec![Change::PutVolumeTemplate(edited)] };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 202))
    }
}

fn render(ctx: &Context<'_>, held: &VolumeTemplate) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::VolumeTemplate.id(held.id.0),
        name: &held.name,
        description: "",
        standing: Standing::switched(CREDENTIAL, !held.inactive, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    let driver = if held.driver.is_empty() { "local" } else { held.driver.as_str() };
    let fields = json!({
        "stackId": Kind::Stack.id(held.stack.0),
        "driver": driver,
        "driverOpts": held.driver_options,
        "external": held.external,
        "perContainer": held.per_container,
    });
    finish(ctx, envelope, fields)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a VolumeTemplate, ApiError> {
    let found = Kind::VolumeTemplate.parse(id).map(VolumeTemplateId);
    let found = found.and_then(|id| ctx.world.volume_templates.get(&id));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("volumeTemplate {id}")))
}
