//! Networks: each project has its one.

use drover_core::{DEFAULT_RANGE, ProjectId, RANGE_SETTING};
use serde_json::{Value, json};

use super::{COMMON, NAMED, OF_PROJECT, read_only, row};
use crate::context::Context;
use crate::ids::Kind;
use crate::resource::Resource;
use crate::schema::{Field, Schema};

static SCHEMA: Schema = read_only(
    "network",
    "networks",
    &[
        COMMON,
        NAMED,
        &[Field::r("defaultPolicyAction", "string"), Field::r("subnets", "array[json]")],
    ],
    &[OF_PROJECT],
);

/// The resource.
pub(crate) struct Networks;

impl Resource for Networks {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let range = ctx.world.settings.get(RANGE_SETTING).map_or(DEFAULT_RANGE, String::as_str);
        let projects = ctx.world.projects.values();
        let projects = projects.filter(|p| ctx.sees(p.id) && p.removed_at.is_none());
        let rows = projects.map(|project| {
            let fields = json!({
                "defaultPolicyAction": "allow",
                "subnets": [{ "networkAddress": range }],
            });
            let id = network_id(project.id);
            row(ctx, &SCHEMA, (id, "managed"), (project.id, project.created_at), fields)
        });
        rows.collect()
    }
}

/// The id of a project's network: it has the project's number.
pub(crate) fn network_id(project: ProjectId) -> String {
    Kind::Network.id(project.0)
}
