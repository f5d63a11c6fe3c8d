//! Mounts: which container has which volume, and where. Only of volumes with names.

use serde_json::{Value, json};

use super::container::member::of_unit;
use super::volume::{id_of, known, permission};
use super::{Envelope, Resource, finish, number_of};
use crate::context::Context;
use crate::ids::Kind;
use crate::schema::{COMMON, Field, Link, READ, Schema};
use crate::state::{DEFAULT, Standing};

static SCHEMA: Schema = Schema {
    name: "mount",
    plural: "mounts",
    base: "mount",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("instanceId", "reference[instance]"),
            Field::r("path", "string"),
            Field::r("permissions", "string"),
            Field::r("volumeId", "reference[volume]"),
        ],
    ],
    actions: &[],
    links: &[
        Link::Parent { name: "account", plural: "projects", field: "accountId" },
        Link::Parent { name: "instance", plural: "containers", field: "instanceId" },
        Link::Parent { name: "volume", plural: "volumes", field: "volumeId" },
    ],
};

/// The resource.
pub(crate) struct Mounts;

impl Resource for Mounts {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let mut rows = Vec::new();
        for volume in known(ctx) {
            let id = id_of(ctx, &volume.origin);
            for mount in &volume.mounts {
                let Some(unit) = ctx.world.unit(mount.unit) else { continue };
                let Some(member) = of_unit(ctx.world, unit).nth(mount.member) else { continue };
                let instance = member.id();
                let key = format!("mount/{instance}/{}", mount.path);
                let mut standing = Standing::present(DEFAULT, None);
                standing.actions.clear();
                let envelope = Envelope {
                    schema: &SCHEMA,
                    id: Kind::Mount.id(number_of(ctx, &key)),
                    name: "",
                    description: "",
                    standing,
                    project: Some(volume.project),
                    created: unit.created_at,
                    removed: None,
                };
                let fields = json!({
                    "instanceId": instance,
                    "path": mount.path,
                    "permissions": permission(mount.read_only),
                    "volumeId": id,
                });
                rows.push(finish(ctx, envelope, fields));
            }
        }
        rows
    }
}
