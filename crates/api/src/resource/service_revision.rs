//! `serviceRevision`: the configurations a service has had, oldest first: what each said, with which images, who made it,
//! when and why. Read only; the service's action `rollback` leads back to any of them.

use drover_core::{Revision, Service};
use serde_json::{Value, json};

use super::{Envelope, Resource, finish, secret};
use crate::context::Context;
use crate::ids::Kind;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "serviceRevision",
    plural: "serviceRevisions",
    base: "serviceRevision",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("serviceId", "reference[service]"),
            Field::r("revision", "int"),
            Field::r("current", "boolean"),
            Field::r("launchConfig", "launchConfig"),
            Field::r("secondaryLaunchConfigs", "array[secondaryLaunchConfig]"),
            Field::r("digests", "map[string]"),
            Field::r("madeBy", "string"),
            Field::r("reason", "string"),
        ],
    ],
    actions: &[],
    links: &[Link::Parent { name: "service", plural: "services", field: "serviceId" }],
};

/// The resource.
pub(crate) struct ServiceRevisions;

impl Resource for ServiceRevisions {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let services = ctx.world.services.values().filter(|service| ctx.sees(service.project));
        let revisions = services.flat_map(|service| {
            let all = ctx.world.revisions(service.id);
            all.map(|revision| render(ctx, service, revision)).collect::<Vec<_>>()
        });
        revisions.collect()
    }
}

/// Numbers of a service's revisions are its own; ids are everybody's.
fn number(revision: &Revision) -> u64 {
    revision.service.0 << 20 | u64::from(revision.number.0)
}

fn render(ctx: &Context<'_>, service: &Service, revision: &Revision) -> Value {
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ServiceRevision.id(number(revision)),
        name: "",
        description: "",
        standing,
        project: Some(service.project),
        created: revision.created_at,
        removed: None,
    };
    let (launch, secondaries) = secret::launch_configs(ctx.world, service, &revision.template);
    let fields = json!({
        "serviceId": Kind::Service.id(service.id.0),
        "revision": revision.number.0,
        "current": revision.number == service.current,
        "launchConfig": launch,
        "secondaryLaunchConfigs": secondaries,
        "digests": revision.pins,
        "madeBy": revision.by,
        "reason": revision.reason,
    });
    finish(ctx, envelope, fields)
}
