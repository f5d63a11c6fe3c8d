//! Image registries that hosts log in to. The login is a resource of its own, [`super::registry_credential`].

use drover_core::{Change, Login, Registry, RegistryId, Secret};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{CREDENTIAL, Standing};

static SCHEMA: Schema = Schema {
    name: "registry",
    plural: "registries",
    base: "storagePool",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name(),
            Field::described(),
            Field::cr("serverAddress", "string").required().length(1, 255),
        ],
    ],
    actions: &[
        ("activate", "", "registry"),
        ("deactivate", "", "registry"),
        ("remove", "", "registry"),
        ("update", "", "registry"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Children { name: "credentials", plural: "registryCredentials", field: "registryId" },
    ],
};

/// The resource.
pub(crate) struct Registries;

impl Resource for Registries {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let registries = ctx.world.registries.values().filter(|held| ctx.sees(held.project));
        registries.map(|held| render(ctx, held)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = Registry {
            id: RegistryId(ctx.next_id()),
            project: ctx.project()?,
            server: server(&body.required("serverAddress")?)?,
            name: body.text("name")?.unwrap_or_default(),
            description: body.text("description")?.unwrap_or_default(),
            login: None,
            active: true,
            created_at: ctx.now,
            removed_at: None,
        };
        let taken = ctx.world.registries.values().any(|other| {
            other.project == made.project
                && other.removed_at.is_none()
                && other.server == made.server
        });
        if taken {
            let why = format!("this project has a registry {} already", made.server);
            return Err(ApiError::on(Code::NotUnique, "serverAddress", why));
        }
        let id = Kind::Registry.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutRegistry(made)], SCHEMA.plural, id, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if body.names("name") {
            edited.name = body.text("name")?.unwrap_or_default();
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        Ok(put(held, edited, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let changes = vec![removal(ctx, living(ctx, id)?)];
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let active = action == "activate";
        Ok(put(held, Registry { active, ..held.clone() }, 202))
    }
}

/// What removes a registry; its password is forgotten at once.
pub(super) fn removal(ctx: &Context<'_>, held: &Registry) -> Change {
    let login = held.login.clone().map(|login| Login {
        password: Secret::new(""),
        removed_at: login.removed_at.or(Some(ctx.now)),
        ..login
    });
    let removed_at = Some(ctx.now);
    Change::PutRegistry(Registry { login, active: false, removed_at, ..held.clone() })
}

/// A registry that a write may refer to.
pub(super) fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Registry, ApiError> {
    let found = Kind::Registry.parse(id).and_then(|id| ctx.world.registries.get(&RegistryId(id)));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("registry {id}")))
}

fn render(ctx: &Context<'_>, held: &Registry) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Registry.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::switched(CREDENTIAL, held.active, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    finish(ctx, envelope, json!({ "serverAddress": held.server }))
}

fn put(held: &Registry, edited: Registry, status: u16) -> Outcome {
    let id = Kind::Registry.id(held.id.0);
    let changes = if edited == *held { vec![] } else { vec![Change::PutRegistry(edited)] };
    Outcome::render(changes, SCHEMA.plural, id, status)
}

/// An address as it stands in image references: people paste URLs.
fn server(address: &str) -> Result<String, ApiError> {
    let plain = address.trim();
    let plain = plain.strip_prefix("https://").or(plain.strip_prefix("http://")).unwrap_or(plain);
    let plain = plain.trim_end_matches('/');
    if plain.is_empty() || plain.contains(['/', ' ', '@']) {
        let why = format!("`{address}` is not a registry: write host or host:port, as in images");
        return Err(ApiError::on(Code::InvalidFormat, "serverAddress", why));
    }
    Ok(plain.to_owned())
}
