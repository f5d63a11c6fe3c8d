//! Service expose maps: which container serves which service. Read only; a container tells its service by itself.

use serde_json::{Value, json};

use super::container::Member;
use super::container::member::members_behind;
use super::{Envelope, Resource, finish};
use crate::context::Context;
use crate::ids::Kind;
use crate::row::{Only, Rows, whole};
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "serviceExposeMap",
    plural: "serviceExposeMaps",
    base: "serviceExposeMap",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("serviceId", "reference[service]"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("ipAddress", "string"),
            Field::r("managed", "boolean"),
        ],
    ],
    actions: &[],
    links: &[
        Link::Parent { name: "instance", plural: "containers", field: "instanceId" },
        Link::Parent { name: "service", plural: "services", field: "serviceId" },
    ],
};

/// The resource.
pub(crate) struct ServiceExposeMaps;

impl Resource for ServiceExposeMaps {
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
        matches!(field, "instanceId" | "serviceId")
    }
}

/// Where a row names its container and its service.
const FIELDS: [(&str, &str); 2] = [("instanceId", "id"), ("serviceId", "serviceId")];

fn all(ctx: &Context<'_>, only: &Only<'_>) -> Vec<Value> {
    members_behind(ctx, only, &FIELDS).filter_map(|member| render(ctx, &member)).collect()
}

fn render(ctx: &Context<'_>, member: &Member<'_>) -> Option<Value> {
    let instance = member.id();
    let number = Kind::Container.parse(&instance)?;
    let mut standing = Standing::present(DEFAULT, None);
    standing.actions.clear();
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::ServiceExposeMap.id(number),
        name: "",
        description: "",
        standing,
        project: Some(member.service.project),
        created: member.unit.created_at,
        removed: None,
    };
    let address = member.held().map(|held| held.address.as_str()).filter(|a| !a.is_empty());
    let fields = json!({
        "serviceId": Kind::Service.id(member.service.id.0),
        "instanceId": instance,
        "ipAddress": address,
        "managed": true,
    });
    Some(finish(ctx, envelope, fields))
}
