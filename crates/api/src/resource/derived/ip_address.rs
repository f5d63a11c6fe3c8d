//! Addresses of hosts, and of containers as they were seen.

use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, network_id, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::container::member::members_behind;
use crate::resource::{Resource, number_of};
use crate::row::{Only, Rows, whole};
use crate::schema::{Field, Link, Schema};

static SCHEMA: Schema = read_only(
    "ipAddress",
    "ipAddresses",
    &[
        COMMON,
        NAMED,
        &[
            Field::r("address", "string"),
            Field::r("hostId", "reference[host]"),
            Field::r("instanceId", "reference[instance]"),
            Field::r("networkId", "reference[network]"),
        ],
    ],
    &[
        OF_PROJECT,
        Link::Parent { name: "host", plural: "hosts", field: "hostId" },
        Link::Parent { name: "instance", plural: "containers", field: "instanceId" },
        Link::Parent { name: "network", plural: "networks", field: "networkId" },
    ],
);

/// The resource.
pub(crate) struct IpAddresses;

impl Resource for IpAddresses {
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
        field == "instanceId"
    }
}

fn all(ctx: &Context<'_>, only: &Only<'_>) -> Vec<Value> {
    let id = |of: &str, address: &str| {
        Kind::IpAddress.id(number_of(ctx, &format!("address/{of}/{address}")))
    };
    let hosts = ctx.world.hosts.values().filter(|_| only.get("instanceId").is_none());
    let hosts = hosts.filter(|h| ctx.sees(h.project) && h.removed_at.is_none());
    let hosts = hosts.filter(|host| !host.address.is_empty()).map(|host| {
        let of = Kind::Host.id(host.id.0);
        let name = (id(&of, &host.address), host.address.as_str());
        let fields = json!({
            "address": host.address,
            "hostId": of,
            "instanceId": null,
            "networkId": null,
        });
        row(ctx, &SCHEMA, name, (host.project, host.created_at), fields)
    });
    let mut rows: Vec<Value> = hosts.collect();
    for member in members_behind(ctx, only, &[("instanceId", "id")]) {
        let Some(held) = member.held().filter(|held| !held.address.is_empty()) else {
            continue;
        };
        let of = member.id();
        let name = (id(&of, &held.address), held.address.as_str());
        let project = member.service.project;
        let on_network = member.spec.network == drover_core::NetworkMode::Managed;
        let fields = json!({
            "address": held.address,
            "hostId": Kind::Host.id(member.unit.host.0),
            "instanceId": of,
            "networkId": on_network.then(|| network_id(project)),
        });
        rows.push(row(ctx, &SCHEMA, name, (project, member.unit.created_at), fields));
    }
    rows
}
