//! Storage pools: what Docker keeps on each host.

use std::collections::BTreeMap;

use drover_core::HostId;
use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::Resource;
use crate::resource::volume::{id_of, known};
use crate::schema::{Field, Link, Schema};

static SCHEMA: Schema = read_only(
    "storagePool",
    "storagePools",
    &[
        COMMON,
        NAMED,
        &[
            Field::r("driverName", "string"),
            Field::r("hostIds", "array[reference[host]]"),
            Field::r("volumeIds", "array[reference[volume]]"),
        ],
    ],
    &[
        OF_PROJECT,
        Link::Listed { name: "hosts", plural: "hosts", field: "hostIds" },
        Link::Listed { name: "volumes", plural: "volumes", field: "volumeIds" },
    ],
);

/// The resource.
pub(crate) struct StoragePools;

impl Resource for StoragePools {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let mut volumes: BTreeMap<HostId, Vec<String>> = BTreeMap::new();
        for volume in known(ctx) {
            if let Some(host) = volume.host {
                volumes.entry(host).or_default().push(id_of(ctx, &volume.origin));
            }
        }
        let hosts = ctx.world.hosts.values();
        let hosts = hosts.filter(|h| ctx.sees(h.project) && h.removed_at.is_none());
        let rows = hosts.map(|host| {
            let name = format!("{} storage pool", host.shown_name());
            let id = Kind::StoragePool.id(host.id.0);
            let fields = json!({
                "driverName": "docker",
                "hostIds": [Kind::Host.id(host.id.0)],
                "volumeIds": volumes.remove(&host.id).unwrap_or_default(),
            });
            row(ctx, &SCHEMA, (id, &name), (host.project, host.created_at), fields)
        });
        rows.collect()
    }
}
