//! `serviceConsumeMap`: the links between services, one row each. Read-only; the link actions of a service
//! write them.

use drover_core::{Link as ServiceLink, Service};
use serde_json::{Value, json};

use super::service::{self, links};
use super::{Envelope, Resource, finish};
use crate::context::Context;
use crate::ids::Kind;
use crate::row::{Only, Rows, whole};
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "serviceConsumeMap",
    plural: "serviceConsumeMaps",
    base: "serviceConsumeMap",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("name", "string"),
            Field::r("serviceId", "reference[service]"),
            Field::r("consumedServiceId", "reference[service]"),
            Field::r("ports", "array[string]"),
        ],
    ],
    actions: &[],
    links: &[
        Link::Parent { name: "consumedService", plural: "services", field: "consumedServiceId" },
        Link::Parent { name: "service", plural: "services", field: "serviceId" },
    ],
};

/// The resource.
pub(crate) struct ServiceConsumeMaps;

impl Resource for ServiceConsumeMaps {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        all(ctx, &Only::default())
    }

    fn list<'a>(&self, ctx: &'a Context<'a>, only: &Only<'_>) -> Rows<'a> {
        whole(ctx, all(ctx, only))
    }

    fn is_narrowed_by(&self, field: &str) -> bool {
        field == "serviceId"
    }
}

fn all(ctx: &Context<'_>, only: &Only<'_>) -> Vec<Value> {
    let of = only.get("serviceId").map_or_else(Only::default, |id| Only::one("id", id));
    let seen = service::seen(ctx, &of).filter(|service| service.removed_at.is_none());
    let rows = seen.flat_map(|service| {
        let links = links::living(ctx.world, service);
        links.map(|(link, target)| render(ctx, service, link, target))
    });
    rows.collect()
}

fn render(ctx: &Context<'_>, service: &Service, link: &ServiceLink, target: &Service) -> Value {
    // A link has no number of its own; both ends and the alias name it.
    let id = format!("{}-{}", Kind::ServiceConsumeMap.id(service.id.0), target.id);
    let id = if link.alias.is_empty() { id } else { format!("{id}-{}", link.alias) };
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema: &SCHEMA,
        id,
        name: if link.alias.is_empty() { &target.name } else { &link.alias },
        description: "",
        standing,
        project: Some(service.project),
        created: service.created_at,
        removed: None,
    };
    let fields = json!({
        "serviceId": Kind::Service.id(service.id.0),
        "consumedServiceId": Kind::Service.id(target.id.0),
        "ports": [],
    });
    finish(ctx, envelope, fields)
}
