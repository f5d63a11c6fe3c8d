//! What a resource is: a schema, rows rendered from the snapshot, and the writes it takes. One file each below.
//!
//! To add one: write `resource/<type>.rs` with its `Schema`, its `render` and `impl Resource`, and name it in
//! the table of [`crate::route`]. Filters, paging, links, ids of other types and unknown actions are dealt with there
//! for all of them.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod audit_log;
pub(crate) mod certificate;
pub(crate) mod container;
mod credential;
pub(crate) mod derived;
mod dns_service;
mod driver_service;
pub(crate) mod empty;
mod envelope;
mod external_service;
pub(crate) mod host;
pub(crate) mod identity;
pub(crate) mod listed;
mod load_balancer_service;
mod member;
pub(crate) mod mount;
pub(crate) mod project;
pub(crate) mod project_member;
pub(crate) mod project_template;
pub(crate) mod pull_task;
pub(crate) mod registration_token;
pub(crate) mod registry;
pub(crate) mod registry_credential;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod service_consume_map;
pub(crate) mod service_expose_map;
pub(crate) mod service_log;
pub(crate) mod service_revision;
pub(crate) mod setting;
pub(crate) mod stack;
pub(crate) mod volume;
pub(crate) mod volume_template;
pub(crate) mod webhook_receiver;

use serde_json::Value;

use crate::access::Place;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::outcome::Outcome;
use crate::row::{self, Only, Rows};
use crate::schema::Schema;
pub(crate) use envelope::{Envelope, date, finish};
pub use project::Foretold;
pub use setting::joining_url;

/// A type of resource that has a collection.
pub(crate) trait Resource: Sync {
    /// What it looks like.
    fn schema(&self) -> &'static Schema;

    /// Every row the caller may see, removed ones too, oldest first.
    fn rows(&self, ctx: &Context<'_>) -> Vec<Value>;

    /// The same before they are rendered, and all that may be left out with which `only` does away. Worth its own code where
    /// there may be thousands.
    fn list<'a>(&self, ctx: &'a Context<'a>, _only: &Only<'_>) -> Rows<'a> {
        row::whole(ctx, self.rows(ctx))
    }

    /// Whether what `list` gives for one value of a field costs no more than that.
    fn is_narrowed_by(&self, _field: &str) -> bool {
        false
    }

    /// One row, removed or not. Worth its own code where rendering all rows for one would be slow.
    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        self.rows(ctx).into_iter().find(|row| row["id"] == id)
    }

    /// Where a new one would go; who has no say there may not make it.
    fn place(&self, ctx: &Context<'_>, body: Body<'_>) -> Result<Place, ApiError> {
        ctx.project_for(body).map(Place::Project)
    }

    /// `POST` to the collection.
    fn create(&self, _: &Context<'_>, _: Body<'_>) -> Result<Outcome, ApiError> {
        Err(no_method(self.schema(), "created"))
    }

    /// `PUT`. The row exists and is not removed.
    fn update(&self, _: &Context<'_>, _: &str, _: Body<'_>) -> Result<Outcome, ApiError> {
        Err(no_method(self.schema(), "changed"))
    }

    /// `DELETE`, and the action `remove`. The row exists and is not removed.
    fn delete(&self, _: &Context<'_>, _: &str) -> Result<Outcome, ApiError> {
        Err(no_method(self.schema(), "removed"))
    }

    /// Why an action is not available in a state, and the way out, where there is more to say than the list.
    fn why_not(&self, _state: &str, _action: &str) -> Option<String> {
        None
    }

    /// Any other action. The row exists and lists the action.
    fn act(
        &self,
        _: &Context<'_>,
        _id: &str,
        action: &str,
        _: Body<'_>,
    ) -> Result<Outcome, ApiError> {
        let why = format!("{} has no action `{action}`", self.schema().name);
        Err(ApiError::new(Code::InvalidAction, why))
    }
}

/// The image that an agent runs from as a container.
pub fn agent_image() -> &'static str {
    registration_token::IMAGE
}

/// The options that such a container is run with.
pub fn docker_options() -> &'static str {
    registration_token::DOCKER_OPTIONS
}

/// A number for a row that follows from others and has none of its own: always the same for the same thing, and above all
/// that are given out.
pub(crate) fn number_of(ctx: &Context<'_>, what: &str) -> u64 {
    let uuid = drover_core::uuid(ctx.world.cluster(), what);
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).take(15).collect();
    (1 << 60) | u64::from_str_radix(&digits, 16).unwrap_or_default()
}

fn no_method(schema: &Schema, what: &str) -> ApiError {
    let why = format!("a {} can't be {what} through the API", schema.name);
    ApiError::new(Code::MethodNotAllowed, why)
}
