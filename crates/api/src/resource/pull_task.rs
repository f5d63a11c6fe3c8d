//! Pull tasks: an image fetched on the hosts of a project before anything needs it.
//!
//! The server carries them out and knows how far they are; see [`Pull`].

use serde_json::{Value, json};

use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::{Context, Pull, PullProgress};
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, Field, LIST_CREATE, READ, Schema};
use crate::state::{Standing, State, Table};

static SCHEMA: Schema = Schema {
    name: "pullTask",
    plural: "pullTasks",
    base: "genericObject",
    collection: LIST_CREATE,
    resource: READ,
    fields: &[
        COMMON,
        &[
            Field::cr("image", "string").required().min_length(1),
            Field::cr("labels", "map[string]"),
            Field::cr("mode", "enum").default("\"all\"").options(&["all", "cached"]),
            Field::r("status", "map[string]"),
        ],
    ],
    actions: &[],
    links: &[],
};

/// While a host is at it, and after.
const STATES: Table = &[
    State { name: "activating", passing: true, actions: &[] },
    State { name: "active", passing: false, actions: &[] },
];

/// The resource.
pub(crate) struct PullTasks;

impl Resource for PullTasks {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let pulls = ctx.pulls.iter().filter(|pull| ctx.sees(pull.project));
        pulls.map(|pull| render(ctx, pull)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let image = body.required("image")?;
        let only_if_present = body.choice("mode", &[("all", false), ("cached", true)])?;
        let then = Then::Pull {
            project: ctx.project()?,
            image: image.strip_prefix("docker:").unwrap_or(&image).to_owned(),
            labels: body.map("labels")?.unwrap_or_default(),
            only_if_present: only_if_present.unwrap_or(false),
        };
        Ok(Outcome { changes: Vec::new(), then })
    }
}

fn render(ctx: &Context<'_>, pull: &Pull) -> Value {
    let mut standing = match pull.progress {
        PullProgress::Pulling => Standing::of(STATES, "activating"),
        PullProgress::Done | PullProgress::Failed => Standing::of(STATES, "active"),
    };
    if pull.progress == PullProgress::Failed {
        standing.transitioning = "error";
        let failed = pull.status.iter().filter(|(_, said)| *said != "Done");
        let said: Vec<_> = failed.map(|(host, said)| format!("{host}: {said}")).collect();
        standing.message = Some(said.join("; "));
    }
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::PullTask.id(pull.id),
        name: "",
        description: "",
        standing,
        project: Some(pull.project),
        created: pull.created_at,
        removed: None,
    };
    let fields = json!({
        "image": pull.image,
        "labels": pull.labels,
        "mode": if pull.only_if_present { "cached" } else { "all" },
        "status": pull.status,
    });
    finish(ctx, envelope, fields)
}
