//! API keys. The secret half is in the answer to the POST and nowhere else, ever.

use drover_core::{AccountId, Change, Credential, Grant, Rank};
use serde_json::{Map, Value, json};

use super::{Resource, credential, finish};
use crate::access::Place;
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
            Field::name(),
            Field::described(),
            Field::cr("accountId", "reference[account]"),
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

    /// To whom `accountId` says; else to the project of the URL, or to whoever asks.
    fn place(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Place, ApiError> {
        match (body.hint("accountId"), ctx.scope, ctx.rights.account()) {
            (Some(id), _, _) => named(ctx, &id),
            (None, Some(project), _) => Ok(Place::Project(project)),
            (None, None, Some(account)) => Ok(Place::Account(account)),
            (None, None, None) if ctx.rights.base() == Rank::Admin => Ok(Place::Cluster),
            (None, None, None) => ctx.project().map(Place::Project),
        }
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let grant = match self.place(ctx, body)? {
            Place::Project(project) => Grant::Project(project),
            Place::Account(account) => Grant::Account(account),
            Place::Cluster => Grant::Admin,
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
    let mut fields = json!({ "publicValue": held.public, "secretValue": null });
    let project = match held.grants {
        Grant::Project(project) => Some(project),
        Grant::Account(account) => {
            fields["accountId"] = json!(Kind::Account.id(account.0));
            None
        }
        Grant::Admin | Grant::Registration { .. } | Grant::Agent(_) => None,
    };
    finish(ctx, credential::envelope(&SCHEMA, held, project), fields)
}

/// Keys of accounts are shown to their own and to administrators, outside of any project.
fn sees(ctx: &Context<'_>, held: &Credential) -> bool {
    let outside = ctx.scope.is_none();
    match held.grants {
        Grant::Admin => ctx.rights.base() == Rank::Admin && outside,
        Grant::Account(account) => ctx.rights.over_account(account).is_some() && outside,
        Grant::Project(project) => ctx.sees(project),
        Grant::Registration { .. } | Grant::Agent(_) => false,
    }
}

fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Credential, ApiError> {
    credential::find(ctx, id, |held| sees(ctx, held))
}

/// The account in `accountId`, which is somebody's or a project.
fn named(ctx: &Context<'_>, id: &str) -> Result<Place, ApiError> {
    let account = Kind::Account.parse(id).map(AccountId).filter(|_| ctx.scope.is_none());
    let account = account.and_then(|id| ctx.world.accounts.get(&id));
    match account.filter(|held| ctx.rights.over_account(held.id).is_some()) {
        Some(held) if held.removed_at.is_none() => Ok(Place::Account(held.id)),
        _ => ctx.living_project("accountId", id).map(Place::Project),
    }
}

/// Without a key of an administrator nobody could make another.
fn keep_one(ctx: &Context<'_>, leaving: &Credential) -> Result<(), ApiError> {
    let is_it = |key: &Credential| key.id == leaving.id;
    let was_one = credential::some_admin_but(ctx, |key| !is_it(key));
    if !was_one || credential::some_admin_but(ctx, is_it) {
        return Ok(());
    }
    let why = format!(
        "{} is the last key of an administrator that is active: make another first",
        leaving.public
    );
    Err(ApiError::new(Code::InvalidState, why))
}
