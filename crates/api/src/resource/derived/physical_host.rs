//! Physical hosts: the machine a host is, under the host's number.

use drover_core::HostId;
use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::Resource;
use crate::schema::{Field, Link, Schema};

static SCHEMA: Schema = read_only(
    "physicalHost",
    "physicalHosts",
    &[COMMON, NAMED, &[Field::r("driver", "string"), Field::r("externalId", "string")]],
    &[OF_PROJECT, Link::Children { name: "hosts", plural: "hosts", field: "physicalHostId" }],
);

/// The resource.
pub(crate) struct PhysicalHosts;

impl Resource for PhysicalHosts {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let hosts = ctx.world.hosts.values();
        let hosts = hosts.filter(|h| ctx.sees(h.project) && h.removed_at.is_none());
        let rows = hosts.map(|host| {
            let id = physical_host_id(host.id);
            let fields = json!({ "driver": null, "externalId": host.identity });
            row(ctx, &SCHEMA, (id, &host.hostname), (host.project, host.created_at), fields)
        });
        rows.collect()
    }
}

/// The id of the machine a host is.
pub(crate) fn physical_host_id(host: HostId) -> String {
    Kind::PhysicalHost.id(host.0)
}
