//! Accounts: who has keys of their own, and what they are to the cluster. Administrators make and remove them.

use drover_core::{Account, AccountId, AccountKind, Change, ExternalId, Grant, Identity};
use serde_json::{Value, json};

use super::{Envelope, Resource, credential, finish, member, project_template};
use crate::access::Place;
use crate::body::{Body, word_of};
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::Outcome;
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{CREDENTIAL, Standing};

const KINDS: [(&str, AccountKind); 2] =
    [("user", AccountKind::User), ("admin", AccountKind::Admin)];

static SCHEMA: Schema = Schema {
    name: "account",
    plural: "accounts",
    base: "account",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name(),
            Field::described(),
            Field::cr("kind", "enum").options(&["user", "admin"]).default("\"user\""),
            Field::cr("externalId", "string"),
            Field::cr("externalIdType", "string")
                .about("with `externalId`: who this is elsewhere, such as a `github_user`"),
        ],
    ],
    actions: &[
        ("activate", "", "account"),
        ("deactivate", "", "account"),
        ("remove", "", "account"),
        ("update", "", "account"),
    ],
    links: &[Link::Children { name: "apiKeys", plural: "apiKeys", field: "accountId" }],
};

/// The resource.
pub(crate) struct Accounts;

impl Resource for Accounts {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        seen(ctx).map(|held| render(ctx, held)).collect()
    }

    fn place(&self, _: &Context<'_>, _: Body<'_>) -> Result<Place, ApiError> {
        Ok(Place::Cluster)
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let made = Account {
            id: AccountId(ctx.next_id()),
            kind: body.choice("kind", &KINDS)?.unwrap_or(AccountKind::User),
            name: body.text("name")?.unwrap_or_default(),
            description: body.text("description")?.unwrap_or_default(),
            external: external(ctx, body)?,
            active: true,
            created_at: ctx.now,
            removed_at: None,
        };
        let id = Kind::Account.id(made.id.0);
        Ok(Outcome::render(vec![Change::PutAccount(made)], SCHEMA.plural, id, 201))
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
        Ok(put(held, edited, Vec::new(), 200))
    }

    /// Its keys, memberships and own project templates go too. Projects stay, whoever owned them.
    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        keep_one(ctx, held)?;
        let keys = ctx.world.credentials.values();
        let keys = keys.filter(|c| c.grants == Grant::Account(held.id) && c.removed_at.is_none());
        let keys = keys.map(|key| Change::PutCredential(credential::removed(ctx, key)));
        let members = ctx.world.members.values();
        let members = members
            .filter(|m| m.who == Identity::Account(held.id) && m.removed_at.is_none())
            .map(|m| Change::PutMember(member::removed(ctx, m)));
        let templates = ctx.world.project_templates.values();
        let templates = templates
            .filter(|t| t.account == Some(held.id) && !t.is_public && t.removed_at.is_none())
            .map(|t| Change::PutProjectTemplate(Box::new(project_template::removed(ctx, t))));
        let edited = Account { active: false, removed_at: Some(ctx.now), ..held.clone() };
        Ok(put(held, edited, keys.chain(members).chain(templates).collect(), 200))
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
        if !active {
            keep_one(ctx, held)?;
        }
        Ok(put(held, Account { active, ..held.clone() }, Vec::new(), 202))
    }
}

/// Those the caller may see: an administrator all, outside of any project; everybody their own.
pub(super) fn seen<'a>(ctx: &'a Context<'_>) -> impl Iterator<Item = &'a Account> {
    let all = ctx.world.accounts.values().map(|held| &**held);
    all.filter(|held| ctx.rights.over_account(held.id).is_some())
}

fn render(ctx: &Context<'_>, held: &Account) -> Value {
    let own = Kind::Account.id(held.id.0);
    let envelope = Envelope {
        schema: &SCHEMA,
        id: own.clone(),
        name: &held.name,
        description: &held.description,
        standing: Standing::switched(CREDENTIAL, held.active, held.removed_at),
        project: None,
        created: held.created_at,
        removed: held.removed_at,
    };
    let (kind, id) = identity(held);
    let fields = json!({
        "accountId": own,
        "kind": word_of(&KINDS, &held.kind),
        "externalId": id,
        "externalIdType": kind,
    });
    finish(ctx, envelope, fields)
}

/// Who an account is, on the wire: as others know it, or as it is known here.
pub(super) fn identity(held: &Account) -> (String, String) {
    let who = held.external.clone().map_or(Identity::Account(held.id), Identity::External);
    member::identity(&who)
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Account, ApiError> {
    let number = Kind::Account.parse(id);
    let found = seen(ctx).find(|held| Some(held.id.0) == number && held.removed_at.is_none());
    found.ok_or_else(|| ApiError::not_found(format!("account {id}")))
}

fn external(ctx: &Context<'_>, body: Body<'_>) -> Result<Option<ExternalId>, ApiError> {
    let (kind, id) = match (body.word("externalIdType")?, body.word("externalId")?) {
        (None, None) => return Ok(None),
        (Some(kind), None) if member::is_local(&kind) => return Ok(None),
        (None, Some(_)) => return Err(ApiError::missing("externalIdType")),
        (Some(_), None) => return Err(ApiError::missing("externalId")),
        (Some(kind), Some(id)) => (kind, id),
    };
    if member::is_local(&kind) {
        let why = "an account gets its own id here: give `externalId` for who it is elsewhere only";
        return Err(ApiError::on(Code::InvalidOption, "externalId", why));
    }
    let external = ExternalId { kind, id };
    let mut others = ctx.world.accounts.values().filter(|other| other.removed_at.is_none());
    if others.any(|other| other.external.as_ref() == Some(&external)) {
        let why = format!("{} {} has an account already", external.kind, external.id);
        return Err(ApiError::on(Code::NotUnique, "externalId", why));
    }
    Ok(Some(external))
}

/// Without a key of an administrator nobody could make another.
fn keep_one(ctx: &Context<'_>, leaving: &Account) -> Result<(), ApiError> {
    let own = |key: &drover_core::Credential| key.grants == Grant::Account(leaving.id);
    if leaving.kind != AccountKind::Admin || credential::some_admin_but(ctx, own) {
        return Ok(());
    }
    let why = format!(
        "account {} has the last key of an administrator that is active: make another first",
        Kind::Account.id(leaving.id.0)
    );
    Err(ApiError::new(Code::InvalidState, why))
}

fn put(held: &Account, edited: Account, others: Vec<Change>, status: u16) -> Outcome {
    let id = Kind::Account.id(held.id.0);
    let own = (edited != *held).then_some(Change::PutAccount(edited));
    Outcome::render(own.into_iter().chain(others).collect(), SCHEMA.plural, id, status)
}
