//! Registration tokens: what a machine needs to become a host.
//!
//! As Rancher's, a token serves any number of hosts until it is switched off or removed, and whoever may see the project
//! can read it. One that is made with `reusable: false` opens the door once: it is in the answer to the POST and nowhere
//! else; later its place in the command holds a reminder.

use drover_core::{Change, Credential, Grant, ProjectId, Secret};
use serde_json::{Map, Value, json};

use super::{Resource, credential, finish, joining_url};
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};

/// Stands where the token was.
const SHOWN_ONCE: &str = "TOKEN-SHOWN-ONCE-WHEN-MADE";
/// The agent's image.
pub(crate) const IMAGE: &str = "drover";
/// How it is run as a container.
pub(crate) const DOCKER_OPTIONS: &str = "-d --name drover-agent --restart=always --privileged --net=host \
     --pid=host -v /var/run/docker.sock:/var/run/docker.sock -v /var/lib/drover:/var/lib/drover";

static SCHEMA: Schema = Schema {
    name: "registrationToken",
    plural: "registrationTokens",
    base: "credential",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name(),
            Field::described(),
            Field::cr("reusable", "boolean").default("true"),
            Field::r("hostId", "reference[host]"),
            Field::r("publicValue", "string"),
            Field::r("token", "password"),
            Field::r("registrationUrl", "string"),
            Field::r("image", "string"),
            Field::r("command", "string"),
            Field::r("agentCommand", "string"),
            Field::r("windowsCommand", "string"),
        ],
    ],
    actions: &[
        ("activate", "", "registrationToken"),
        ("deactivate", "", "registrationToken"),
        ("remove", "", "registrationToken"),
        ("update", "", "registrationToken"),
    ],
    links: &[Link::Parent { name: "account", plural: "projects", field: "accountId" }],
};

/// The resource.
pub(crate) struct RegistrationTokens;

impl Resource for RegistrationTokens {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.credentials.values().filter(|held| sees(ctx, held));
        held.map(|held| render(ctx, held)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let reusable = body.flag("reusable")?.unwrap_or(true);
        let grant = Grant::Registration { project: ctx.project()?, used_by: None, reusable };
        let mut made = credential::made(ctx, grant, body)?;
        made.readable = reusable.then(|| Secret::new(ctx.fresh.secret.as_str()));
        let token = format!("{}:{}", made.public, ctx.fresh.secret);
        let mut members = commands(ctx, &token);
        members.insert("token".to_owned(), json!(token));
        let then = Then::Reveal {
            plural: SCHEMA.plural,
            id: Kind::Credential.id(made.id.0),
            status: 201,
            members,
        };
        Ok(Outcome { changes: vec![Change::PutCredential(made)], then })
    }

    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        Ok(credential::put(&SCHEMA, held, credential::edited(held, body)?, 200))
    }

    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        Ok(credential::put(&SCHEMA, held, credential::removed(ctx, held), 200))
    }

    fn act(
        &self,
        ctx: &Context<'_>,
        id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let held = find(ctx, id)?;
        let edited = credential::switched(held, action == "activate");
        Ok(credential::put(&SCHEMA, held, edited, 202))
    }
}

fn render(ctx: &Context<'_>, held: &Credential) -> Value {
    let Grant::Registration { used_by, reusable, .. } = &held.grants else { return Value::Null };
    let mut fields = json!({
        "publicValue": held.public,
        "secretValue": null,
        "reusable": reusable,
        "hostId": used_by.map(|host| Kind::Host.id(host.0)),
        "image": IMAGE,
        "windowsCommand": "",
    });
    let secret = held.readable.as_ref().map(Secret::reveal);
    let token = secret.map(|secret| format!("{}:{secret}", held.public));
    if let Value::Object(fields) = &mut fields {
        fields.extend(commands(ctx, token.as_deref().unwrap_or(SHOWN_ONCE)));
        fields.insert("token".to_owned(), json!(token));
    }
    let mut row = finish(ctx, credential::envelope(&SCHEMA, held, project(held)), fields);
    row["links"]["registrationUrl"] = row["registrationUrl"].clone();
    row
}

/// The members that hold the token. Terraform puts options after the third word of `command`, so the three
/// leading words and the environment's names are Rancher's.
fn commands(ctx: &Context<'_>, token: &str) -> Map<String, Value> {
    let base = joining_url(ctx.world, &ctx.base);
    let agent = format!("drover agent --server {base} --token {token}");
    let arguments = agent.trim_start_matches("drover ");
    let command = format!("sudo docker run {DOCKER_OPTIONS} {IMAGE} {arguments}");
    Map::from_iter([
        ("registrationUrl".to_owned(), json!(format!("{base}/v1/scripts/{token}"))),
        ("command".to_owned(), json!(command)),
        ("agentCommand".to_owned(), json!(format!("sudo {agent}"))),
    ])
}

fn project(held: &Credential) -> Option<ProjectId> {
    match held.grants {
        Grant::Registration { project, .. } => Some(project),
        Grant::Admin | Grant::Account(_) | Grant::Project(_) | Grant::Agent(_) => None,
    }
}

fn sees(ctx: &Context<'_>, held: &Credential) -> bool {
    project(held).is_some_and(|project| ctx.sees(project))
}

fn find<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Credential, ApiError> {
    credential::find(ctx, id, |held| sees(ctx, held))
}
