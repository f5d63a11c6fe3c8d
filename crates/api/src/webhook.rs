//! What a call of a webhook comes to. It is carried out as the same requests that a user could make, one after the other on
//! the snapshot that the ones before lead to, and what each came to is answered in words.

mod push;
mod scale;
mod upgrade;

use drover_core::{Change, Grant, Webhook, WebhookDriver, World};
use serde_json::{Value, json};

use crate::context::{Caller, Context};
use crate::error::{ApiError, Code};
use crate::ids::Kind;

pub(crate) use scale::can_scale;

/// A call that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// To be committed together; none if there was nothing to do.
    pub changes: Vec<Change>,
    /// What was done, in words and rows.
    pub answer: Value,
}

/// The receiver whose key has this hash, in a project by its id on the wire. That it is not there, that it was removed and
/// that it is another project's is all the same to who calls.
pub fn webhook<'a>(
    world: &'a World,
    project: &str,
    key_sha256: &str,
) -> Result<&'a Webhook, ApiError> {
    let project = Kind::Project.parse(project);
    let mut living = world.webhooks.values().filter(|held| held.removed_at.is_none());
    let found = living.find(|held| held.key_sha256 == key_sha256);
    let found = found.filter(|held| project.is_none_or(|id| held.project.0 == id));
    found.map(|held| &**held).ok_or_else(|| {
        let why = "no webhook has this key, or it was removed: see `drover webhook ls`, and make another one for a new URL";
        ApiError::new(Code::Forbidden, why)
    })
}

/// As whom a receiver acts: as a key of its project's.
pub fn webhook_caller(held: &Webhook) -> Caller {
    Caller {
        access: format!("webhook {}", held.name),
        grant: Grant::Project(held.project),
        within: Some(held.project),
    }
}

/// Carry a call out. `ctx` is that of [`webhook_caller`]; `said` is what the caller sent, `null` if nothing.
pub fn fire(ctx: &Context<'_>, held: &Webhook, said: &Value) -> Result<Fired, ApiError> {
    ctx.admit()?;
    match &held.driver {
        WebhookDriver::Scale(hook) => scale::fire(ctx, held, hook),
        WebhookDriver::Upgrade(hook) => upgrade::fire(ctx, held, hook, said),
    }
}

/// The answer's frame.
fn answer(held: &Webhook, message: &str, services: &[Value]) -> Value {
    json!({
        "id": null,
        "type": "webhookResult",
        "links": {},
        "actions": {},
        "receiverId": Kind::Webhook.id(held.id.0),
        "receiver": held.name,
        "message": message,
        "services": services,
    })
}

/// What Rancher's clients take for a call that did not work.
fn refused(why: impl Into<String>) -> ApiError {
    ApiError::new(Code::BadRequest, why)
}
