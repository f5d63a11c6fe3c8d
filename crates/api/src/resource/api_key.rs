//! API keys. The secret half is in the answer to the POST and nowhere else, ever.

use drover_core::{Change, Credential, Grant, ProjectId};
use serde_json::{Map, Value, json};

use super::{Resource, credential, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};

static SCHEMA: Schema = Schema {
    name: "apiKey",
    plural: "apiKeys",
    base: "credential",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::cru("name", "string"),
            Field::cru("description", "string"),
            Field::cr("accountId", "reference[project]"),
            Field::r("publicValue", "string"),
            Field::r("secretValue", "password"),
        ],
    ],
    actions: &[
        ("activate", "", "apiKey"),
        ("deactivate", "", "apiKey"),
        ("remove", "", "apiKey"),
        ("update", "", "apiKey"),
    ],
    links: &[Link::Parent { name: "account", plural: "projects", field: "accountId" }],
};

/// The resource.
pub(crate) struct ApiKeys;

impl Resource for ApiKeys {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.credentials.values().filter(|held| sees(ctx, held));
        held.map(|held| render(ctx, held)).collect()
    }

    /// For the project of the URL or in `accountId`; without either, a key for all projects.
    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let grant = match (asked_project(ctx, body)?, &ctx.caller.grant) {
            (Some(project), _) => Grant::Project(project),
            (None, Grant::Admin) => Grant::Admin,
            (None, _) => Grant::Project(ctx.project()?),
        };
        let made = credential::made(ctx, grant, body)?;
        let secret = json!(ctx.fresh.secret);
        let then = Then::Reveal {
            plural: SCHEMA.plural,
            id: Kind::Credential.id(made.id.0),
            status: 201,
            members: Map::from_iter([("secretValue".to_owned(), secret)]),
        };
        Ok(Outcome { changes: vec![Change::PutCredential(made)], then })
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        Ok(credential::put(&SCHEMA, held, credential::edited(held, body)?, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        keep_one(ctx, held)?;
        Ok(credential::put(&SCHEMA, held, credential::removed(ctx, held), 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        let active = action == "activate";
        if !active {
            keep_one(ctx, held)?;
        }
        Ok(credential::put(&SCHEMA, held, credential::switched(held, active), 202))
    }
}

fn render(ctx: &Context<'_>, held: &Credential) -> Value {
    let project = match held.grants {
        Grant::Project(project) => Some(project),
        Grant::Admin | Grant::Registration { .. } | Grant::Agent(_) => None,
    };
    let fields = json!({ "publicValue": held.public, "secretValue": null });
    finish(ctx, credential::envelope(&SCHEMA, held, project), fields)
}

/// Keys for all projects are shown to their like, outside of any project.
fn sees(ctx: &Context<'_>, held: &Credential) -> bool {
    match held.grants {
        Grant::Admin => ctx.caller.grant == Grant::Admin && ctx.scope.is_none(),
        Grant::Project(project) => ctx.sees(project),
        Grant::Registration { .. } | Grant::Agent(_) => false,
    }
}

fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Credential, ApiError> {
    credential::find(ctx, id, |held| sees(ctx, held))
}

fn asked_project(ctx: &Context<'_>, body: Body<'_>) -> Result<Option<ProjectId>, ApiError> {
    let Some(id) = body.word("accountId")? else { return Ok(ctx.scope) };
    let project = Kind::Project.parse(&id).map(ProjectId);
    let project = project.filter(|id| ctx.sees(*id) && ctx.world.projects.contains_key(id));
    project.map(Some).ok_or_else(|| {
        let why = format!("there is no project {id}");
        ApiError::on(Code::InvalidReference, "accountId", why)
    })
}

/// Without a key for all projects nobody could make another.
fn keep_one(ctx: &Context<'_>, leaving: &Credential) -> Result<(), ApiError> {
    let others = ctx.world.credentials.values();
    let mut others = others.filter(|other| {
        other.id != leaving.id
            && other.grants == Grant::Admin
            && other.active
            && other.removed_at.is_none()
    });
    if leaving.grants != Grant::Admin || !leaving.active || others.next().is_some() {
        return Ok(());
    }
    let why = format!(
        "{} is the last key for all projects that is active: make another first",
        leaving.public
    );
    Err(ApiError::new(Code::InvalidState, why))
}
