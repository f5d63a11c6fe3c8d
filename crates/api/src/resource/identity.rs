//! Identities: who accounts are, in the words that memberships use. Read from accounts, never made.

use drover_core::Account;
use serde_json::{Value, json};

use super::{Envelope, Resource, account, finish};
use crate::context::Context;
use crate::ids::Kind;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::Standing;

static SCHEMA: Schema = Schema {
    name: "identity",
    plural: "identities",
    base: "identity",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("name", "string"),
            Field::r("description", "string"),
            Field::r("login", "string"),
            Field::r("externalId", "string"),
            Field::r("externalIdType", "string"),
            Field::r("user", "boolean"),
        ],
    ],
    actions: &[],
    links: &[Link::Parent { name: "account", plural: "accounts", field: "accountId" }],
};

/// What ids begin with.
const PREFIX: &str = "1i!";

/// The resource.
pub(crate) struct Identities;

impl Resource for Identities {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = account::seen(ctx).filter(|held| held.removed_at.is_none());
        held.map(|held| render(ctx, held)).collect()
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        let bare = id.strip_prefix(PREFIX).unwrap_or(id);
        self.rows(ctx)
            .into_iter()
            .find(|row| row["id"].as_str() == Some(&format!("{PREFIX}{bare}")))
    }
}

fn render(ctx: &Context<'_>, held: &Account) -> Value {
    let (kind, id) = account::identity(held);
    let envelope = Envelope {
        schema: &SCHEMA,
        id: format!("{PREFIX}{kind}:{id}"),
        name: &held.name,
        description: &held.description,
        standing: Standing::of(&[], "active"),
        project: None,
        created: held.created_at,
        removed: None,
    };
    let fields = json!({
        "accountId": Kind::Account.id(held.id.0),
        "login": held.name,
        "externalId": id,
        "externalIdType": kind,
        "user": true,
    });
    finish(ctx, envelope, fields)
}
