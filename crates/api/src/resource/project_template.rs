//! Project templates: which infrastructure a new environment gets. Drover has one answer, under the name that
//! Rancher's clients look for.

use drover_core::Time;
use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::context::Context;
use crate::schema::{COMMON, Field, READ, Schema};
use crate::state::Standing;

/// Its id.
pub(super) const CATTLE: &str = "1pt1";

static SCHEMA: Schema = Schema {
    name: "projectTemplate",
    plural: "projectTemplates",
    base: "projectTemplate",
    collection: READ,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::r("name", "string"),
            Field::r("description", "string"),
            Field::r("isPublic", "boolean"),
            Field::r("stacks", "array[json]"),
        ],
    ],
    actions: &[],
    links: &[],
};

/// The resource.
pub(crate) struct ProjectTemplates;

impl Resource for ProjectTemplates {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let envelope = Envelope {
            schema: &SCHEMA,
            id: CATTLE.to_owned(),
            name: "Cattle",
            description: "Plain Docker hosts",
            standing: Standing::of(&[], "active"),
            project: None,
            created: Time(0),
            removed: None,
        };
        vec![finish(ctx, envelope, json!({ "isPublic": true, "stacks": [] }))]
    }
}
