//! Receivers of webhooks, as Rancher's webhook service has them. What a call of one comes to is in [`mod@crate::webhook`].
//!
//! The key in a receiver's URL is kept as a hash: the URL is in the answer that it is made or renewed with, and in no other.

mod driver;

use drover_core::{Change, Webhook, WebhookId};
use serde_json::{Map, Value, json};

use super::credential::sha256_hex;
use super::{Envelope, Resource, finish};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::ids::Kind;
use crate::outcome::{Outcome, Then};
use crate::schema::{COMMON, EDIT, Field, LIST_CREATE, Link, Schema};
use crate::state::{Standing, WEBHOOK};

static SCHEMA: Schema = Schema {
    name: "webhookReceiver",
    plural: "webhookReceivers",
    base: "webhookReceiver",
    collection: LIST_CREATE,
    resource: EDIT,
    fields: &[
        COMMON,
        &[
            Field::name().not_updated().required().min_length(1),
            Field::described(),
            Field::gone(
                "scaleHostConfig",
                "there are no machine drivers that could make or remove machines: hosts join with a registration \
                 token, and are emptied with `evacuate`",
            ),
            Field::gone(
                "forwardPostConfig",
                "the server is not in the network of the containers: let a balancer publish the service, and send \
                 to that",
            ),
            Field::cr("driver", "enum").required().options(&["scaleService", "serviceUpgrade"]),
            Field::cr("scaleServiceConfig", "scaleServiceConfig"),
            Field::cr("serviceUpgradeConfig", "serviceUpgradeConfig"),
            Field::r("url", "string").about("in the answer it is made or renewed with only"),
        ],
    ],
    actions: &[
        ("remove", "", "webhookReceiver"),
        ("renew", "", "webhookReceiver"),
        ("update", "", "webhookReceiver"),
    ],
    links: &[Link::Parent { name: "account", plural: "projects", field: "accountId" }],
};

/// The resource.
pub(crate) struct WebhookReceivers;

impl Resource for WebhookReceivers {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let held = ctx.world.webhooks.values().filter(|held| ctx.sees(held.project));
        held.map(|held| render(ctx, held)).collect()
    }

    fn create(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Outcome, ApiError> {
        let project = ctx.project_for(body)?;
        let made = Webhook {
            id: WebhookId(ctx.next_id()),
            project,
            name: body.required("name")?,
            description: body.text("description")?.unwrap_or_default(),
            key_sha256: sha256_hex(&ctx.fresh.secret),
            driver: driver::read(ctx, project, body)?,
            created_at: ctx.now,
            removed_at: None,
        };
        let mut others = ctx.world.webhooks.values().filter(|held| held.removed_at.is_none());
        if others.any(|o| o.project == project && o.name.eq_ignore_ascii_case(&made.name)) {
            let why = format!("this project has a webhook {} already", made.name);
            return Err(ApiError::on(Code::NotUnique, "name", why));
        }
        Ok(reveal(ctx, made, 201))
    }

    /// Only what is said of it: clients send all of it back with every edit.
    fn update(&self, ctx: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let mut edited = held.clone();
        if body.names("description") {
            edited.description = body.text("description")?.unwrap_or_default();
        }
        let changes = if edited == *held { vec![] } else { vec![Change::PutWebhook(edited)] };
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    /// Whoever calls it from now on is refused.
    fn delete(&self, ctx: &Context<'_>, id: &str) -> Result<Outcome, ApiError> {
        let changes = vec![removal(ctx, living(ctx, id)?)];
        Ok(Outcome::render(changes, SCHEMA.plural, id.to_owned(), 200))
    }

    fn act(&self, ctx: &Context<'_>, id: &str, _: &str, _: Body<'_>) -> Result<Outcome, ApiError> {
        let held = living(ctx, id)?;
        let key_sha256 = sha256_hex(&ctx.fresh.secret);
        Ok(reveal(ctx, Webhook { key_sha256, ..held.clone() }, 200))
    }
}

/// What removes a receiver; its key is forgotten at once.
pub(super) fn removal(ctx: &Context<'_>, held: &Webhook) -> Change {
    let (key_sha256, removed_at) = (String::new(), Some(ctx.now));
    Change::PutWebhook(Webhook { key_sha256, removed_at, ..held.clone() })
}

/// The answer with the URL, which is of this request's random text.
fn reveal(ctx: &Context<'_>, made: Webhook, status: u16) -> Outcome {
    let (base, key) = (&ctx.base, &ctx.fresh.secret);
    let project = Kind::Project.id(made.project.0);
    let url = format!("{base}/v1-webhooks/endpoint?key={key}&projectId={project}");
    let members = Map::from_iter([("url".to_owned(), json!(url))]);
    let id = Kind::Webhook.id(made.id.0);
    let then = Then::Reveal { plural: SCHEMA.plural, id, status, members };
    Outcome { changes: vec![Change::PutWebhook(made)], then }
}

fn living<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Webhook, ApiError> {
    let found = Kind::Webhook.parse(id).and_then(|id| ctx.world.webhooks.get(&WebhookId(id)));
    let found = found.filter(|held| ctx.sees(held.project) && held.removed_at.is_none());
    found.map(|held| &**held).ok_or_else(|| ApiError::not_found(format!("webhookReceiver {id}")))
}

fn render(ctx: &Context<'_>, held: &Webhook) -> Value {
    let envelope = Envelope {
        schema: &SCHEMA,
        id: Kind::Webhook.id(held.id.0),
        name: &held.name,
        description: &held.description,
        standing: Standing::present(WEBHOOK, held.removed_at),
        project: Some(held.project),
        created: held.created_at,
        removed: held.removed_at,
    };
    let mut fields = driver::show(&held.driver);
    fields["url"] = Value::Null;
    finish(ctx, envelope, fields)
}
