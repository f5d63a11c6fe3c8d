//! Published ports of containers.

use drover_core::derive::published_ports;
use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::container::member::members_behind;
use crate::resource::{Resource, number_of};
use crate::row::{Only, Rows, whole};
use crate::schema::{Field, Link, Schema};

static SCHEMA: Schema = read_only(
    "port",
    "ports",
    &[
        COMMON,
        NAMED,
        &[
            Field::r("bindAddress", "string"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("privatePort", "int"),
            Field::r("protocol", "string"),
            Field::r("publicPort", "int"),
            Field::r("serviceId", "reference[service]"),
        ],
    ],
    &[
        OF_PROJECT,
        Link::Parent { name: "instance", plural: "containers", field: "instanceId" },
        Link::Parent { name: "service", plural: "services", field: "serviceId" },
    ],
);

/// The resource.
pub(crate) struct Ports;

impl Resource for Ports {
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
    let mut rows = Vec::new();
    for member in members_behind(ctx, only, &FIELDS) {
        let instance = member.id();
        for port in published_ports(member.service, member.spec) {
            let id = Kind::Port.id(number_of(ctx, &format!("port/{instance}/{port}")));
            let fields = json!({
                "bindAddress": port.ip,
                "instanceId": instance,
                "privatePort": port.private,
                "protocol": port.protocol.to_string(),
                "publicPort": port.public,
                "serviceId": Kind::Service.id(member.service.id.0),
            });
            let whose = (member.service.project, member.unit.created_at);
            rows.push(row(ctx, &SCHEMA, (id, ""), whose, fields));
        }
    }
    rows
}
