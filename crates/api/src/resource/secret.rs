//! Secrets. The value goes in and never comes out; services name them, and their containers read them as files.
//!
//! A value can't be changed, as in Rancher: it is removed and made again. Services keep the name meanwhile.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_core::derive::secret as find;
use drover_core::{
    Change, ContainerSpec, ProjectId, ProjectSecret, Secret, SecretId, Service, Template, World,
    is_file_name,
};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::launch_config::template_to_wire;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{DEFAULT, Standing};

/// Most bytes of a value. It is sent to hosts with everything else they run.
const MOST: usize = 512 * 1024;

static SCHEMA: Schema = Schema {
    name: "secret",
    plural: "secrets",
    base: "secret",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().not_updated().required().min_length(1).invalid_chars("/"),
            Field::described(),
            Field::cr("value", "password").required().min_length(1).about("base64"),
        ],
    ],
    actions: &[("remove", "", "secret"), ("update", "", "secret")],
    links: &[Link::Parent { name: "account", plural: "projects", field: "accountId" }],
};

/// The resource.
pub(crate) struct Secrets;

impl Resource for Secrets {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.secrets.values().filter(|held| ctx.sees(held.project));
        held.map(|held| render(ctx, held)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = ProjectSecret {
            id: SecretId(ctx.next_id()),
            project: ctx.project()?,
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            value: value(body)?,
            created_at: ctx.now,
            removed_at: None,
        };
        if !is_file_name(&made.name) {
            let why = "a secret's name is the name of a file: not `.` or `..`, at most 255 bytes, none of them \
                       for control";
            return Err(ApiError::on(Code::InvalidCharacters, "name", why));
        }
        if find(ctx.world, made.project, &made.name).is_some() {
            let why = format!("this project has a secret {} already", made.name);
            return Err(ApiError::on(Code::NotUnique, "name", why));
        }
        let id = Kind::Secret.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutSecret(made)], SCHEMA.plural, id, 201))
    }

    /// Only what is said of it: clients send name and value back with every edit.
    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        let changes = if edited == *held { vec![] } else { vec![Change::PutSecret(edited)] };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    /// What runs keeps what it has read; nothing new is made with it.
    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let changes = vec![removal(ctx, living(ctx, id)?)];
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }
}

/// What removes a secret; its value is forgotten at once.
pub(super) fn removal(ctx: &Context<'_>, held: &ProjectSecret) -> Change {
    let (value, removed_at) = (Secret::new(""), Some(ctx.now));
    Change::PutSecret(ProjectSecret { value, removed_at, ..held.clone() })
}

/// A template's secrets as they are kept, by name, where a client gave ids or names. What `held` has already stays, even
/// if the secret is gone by now: an upgrade of something else must not fail for it.
pub(crate) fn by_name(
    ctx: &Context<'_>,
    project: ProjectId,
    held: Option<&Template>,
    template: &mut Template,
) -> Result<(), ApiError> {
    let was_there = |given: &String| {
        let members = held.into_iter().flat_map(Template::members);
        members.flat_map(|(_, spec)| &spec.secrets).any(|file| file.secret == *given)
    };
    let members = std::iter::once(&mut template.primary).chain(template.sidekicks.values_mut());
    for file in members.flat_map(|spec: &mut ContainerSpec| &mut spec.secrets) {
        let by_id = Kind::Secret.parse(&file.secret).map(SecretId);
        let by_id = by_id.and_then(|id| ctx.world.secrets.get(&id)).map(AsRef::as_ref);
        let by_id = by_id.filter(|held| held.project == project && held.removed_at.is_none());
        match by_id.or_else(|| find(ctx.world, project, &file.secret)) {
            Some(found) => {
                if file.file.is_empty() && by_id.is_none() {
                    // As it was written.
                    file.file.clone_from(&file.secret);
                }
                file.secret.clone_from(&found.name);
                if file.file == file.secret {
                    file.file.clear();
                }
            }
            None if was_there(&file.secret) => {}
            None => {
                let why = format!("there is no secret `{}`: make it first", file.secret);
                return Err(ApiError::on(Code::InvalidReference, "secrets", why));
            }
        }
    }
    Ok(())
}

/// The launch configs of a service, with the ids of their secrets.
pub(crate) fn launch_configs(
    world: &World,
    service: &Service,
    template: &Template,
) -> (Value, Vec<Value>) {
    let (mut launch, mut secondaries) = template_to_wire(&service.name, template);
    for config in std::iter::once(&mut launch).chain(&mut secondaries) {
        show_ids(world, service.project, config);
    }
    (launch, secondaries)
}

/// A launch config's secrets with their ids beside their names, as clients read it. One that is gone has none.
pub(crate) fn show_ids(world: &World, project: ProjectId, config: &mut Value) {
    let files = config.get_mut("secrets").and_then(Value::as_array_mut);
    for file in files.into_iter().flatten() {
        let held = find(world, project, file["secretName"].as_str().unwrap_or_default());
        file["secretId"] = json!(held.map(|held| Kind::Secret.id(held.id.0)));
    }
}

/// A value as it is kept: base64 of any bytes. Tools that break lines after so many characters are forgiven.
fn value(body: Body<'_>) -> Result<Secret, ApiError> {
    let given: String = body.required("value")?.split_ascii_whitespace().collect();
    let wrong = |code, why: String| Err(ApiError::on(code, "value", why));
    match STANDARD.decode(&given) {
        Ok(bytes) if bytes.len() > MOST => {
            let why = format!("the value has {} bytes; at most {MOST} are kept", bytes.len());
            wrong(Code::MaxLengthExceeded, why)
        }
        Ok(_) => Ok(Secret::new(given)),
        // What was given is in no message.
        Err(_) => wrong(Code::InvalidFormat, "`value` must be base64".to_owned()),
    }
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a ProjectSecret, ApiError> {
    let found = Kind::Secret.parse(id).and_then(|id| ctx.world.secrets.get(&SecretId(id)));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("secret {id}")))
}

fn render(ctx: &Context<'_>, held: &ProjectSecret) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Secret.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::present(DEFAULT, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    finish(ctx, envelope, json!({ "value": null }))
}
