//! The audit log: who did what through the API. For administrators, for owners of the project it was about, and for the
//! account that did it.

use drover_core::Audit;
use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::context::{Audited, Context};
use crate::ids::Kind;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::Standing;

static SCHEMA: Schema = Schema {
    name: "auditLog",
    plural: "auditLogs",
    base: "auditLog",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("description", "string"),
            Field::r("authenticatedAsAccountId", "reference[account]"),
            Field::r("authType", "string"),
            Field::r("publicValue", "string").about("the access key it was done with"),
            Field::r("clientIp", "string"),
            Field::r("eventType", "string"),
            Field::r("resourceType", "string"),
            Field::r("resourceId", "string"),
            Field::r("responseCode", "int"),
        ],
    ],
    actions: &[],
    links: &[Link::Parent {
        name: "authenticatedAsAccount",
        plural: "accounts",
        field: "authenticatedAsAccountId",
    }],
};

/// The resource.
pub(crate) struct AuditLogs;

impl Resource for AuditLogs {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let kept = ctx.audits.iter().rev().filter(|held| sees(ctx, &held.audit));
        kept.map(|held| render(ctx, held)).collect()
    }
}

fn sees(ctx: &Context<'_>, audit: &Audit) -> bool {
    match (audit.project, ctx.scope) {
        (Some(project), _) => ctx.sees(project),
        (None, scope) => scope.is_none(),
    }
}

fn render(ctx: &Context<'_>, held: &Audited) -> Value {
    let audit = &held.audit;
    let account = audit.account.map(|account| Kind::Account.id(account.0));
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::AuditLog.id(held.id),
        name: "",
        description: "",
        standing: Standing::of(&[], "active"),
        project: audit.project,
        created: audit.at,
        removed: None,
    };
    let mut fields = json!({
        "description": format!("{} {} {}", audit.deed, audit.kind, audit.resource).trim_end(),
        "authenticatedAsAccountId": account,
        "authType": if audit.by_token { "TokenAuth" } else { "BasicAuth" },
        "publicValue": audit.access,
        "clientIp": audit.from,
        "eventType": format!("api.{}.{}", audit.kind, audit.deed),
        "resourceType": audit.kind,
        "resourceId": Some(&audit.resource).filter(|id| !id.is_empty()),
        "responseCode": audit.status,
    });
    if audit.project.is_none() {
        fields["accountId"] = json!(account);
    }
    finish(ctx, envelope, fields)
}
