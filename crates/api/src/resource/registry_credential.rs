//! The login of a registry. The password goes in and never comes out.

use drover_core::{Change, CredentialId, Login, Registry, Secret};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish, registry};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{CREDENTIAL, Standing};

static SCHEMA: Schema = Schema {
    name: "registryCredential",
    plural: "registryCredentials",
    base: "credential",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::cru("name", "string"),
            Field::cru("description", "string"),
            Field::cr("registryId", "reference[registry]").required(),
            Field::cru("publicValue", "string").required().min_length(1),
            Field::cru("secretValue", "password").required().min_length(1),
        ],
    ],
    actions: &[
        ("activate", "", "registryCredential"),
        ("deactivate", "", "registryCredential"),
        ("remove", "", "registryCredential"),
        ("update", "", "registryCredential"),
    ],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Parent { name: "registry", plural: "registries", field: "registryId" },
    ],
};

/// The resource.
pub(crate) struct RegistryCredentials;

impl Resource for RegistryCredentials {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let registries = ctx.world.registries.values().filter(|held| ctx.sees(held.project));
        let logins = registries.filter_map(|held| Some((held, held.login.as_ref()?)));
        logins.map(|(registry, login)| render(ctx, registry, login)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let id = body.required("registryId")?;
        let held = registry::living(ctx, &id).map_err(|_| {
            let why = format!("there is no registry {id}");
            ApiError::on(Code::InvalidReference, "registryId", why)
        })?;
        if held.login.as_ref().is_some_and(|login| login.removed_at.is_none()) {
            let why = format!("registry {} has a login already: change or remove it", held.server);
            return Err(ApiError::on(Code::NotUnique, "registryId", why));
        }
        let login = Login {
            id: CredentialId(ctx.next_id()),
            name: body.text("name")?.unwrap_or_default(),
            description: body.text("description")?.unwrap_or_default(),
            username: body.required("publicValue")?,
            password: Secret::new(body.required("secretValue")?),
            active: true,
            removed_at: None,
        };
        Ok(put(held, login, 201))
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let (held, login) = living(ctx, id)?;
        let mut edited = login.clone();
        if body.names("name") {
            edited.name = body.text("name")?.unwrap_or_default();
        }
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        if let Some(username) = body.word("publicValue")? {
            edited.username = username;
        }
        // Clients send back the null they were shown.
        if let Some(password) = body.word("secretValue")? {
            edited.password = Secret::new(password);
        }
        Ok(put(held, edited, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let (held, login) = living(ctx, id)?;
        let password = Secret::new("");
        let removed_at = Some(ctx.now);
        Ok(put(held, Login { password, removed_at, active: false, ..login.clone() }, 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let (held, login) = living(ctx, id)?;
        Ok(put(held, Login { active: action == "activate", ..login.clone() }, 202))
    }
}

fn render(ctx: &Context<'_>, registry: &Registry, login: &Login) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Credential.id(login.id.0),
        name: &login.name,
        description: &login.description,
        standing: Standing::switched(CREDENTIAL, login.active, login.removed_at),
        project: Some(registry.project),
        created: registry.created_at,
        removed: login.removed_at,
    };
    let fields = json!({
        "registryId": Kind::Registry.id(registry.id.0),
        "publicValue": login.username,
        "secretValue": null,
        "email": null,
    });
    finish(ctx, envelope, fields)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<(&'a Registry, &'a Login), ApiError> {
    let number = Kind::Credential.parse(id);
    let registries = ctx.world.registries.values().filter(|held| ctx.sees(held.project));
    let mut logins = registries.filter_map(|held| Some((&**held, held.login.as_ref()?)));
    let found = logins.find(|(_, login)| Some(login.id.0) == number);
    let found = found.filter(|(_, login)| login.removed_at.is_none());
    found.ok_or_else(|| ApiError::not_found(format!("registryCredential {id}")))
}

fn put(held: &Registry, login: Login, status: u16) -> Outcome {
    let id = Kind::Credential.id(login.id.0);
    let edited = Registry { login: Some(login), ..held.clone() };
    let changes = if edited == *held { vec![] } else { vec![Change::PutRegistry(edited)] };
    Outcome::render(changes, SCHEMA.plural, id, status)
}
