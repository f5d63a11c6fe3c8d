//! The members that every resource has: id, type, name, state, dates, links, actions.

use drover_core::{ProjectId, Time};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::context::Context;
use crate::ids::Kind;
use crate::row::said;
use crate::schema::Schema;
use crate::state::Standing;

/// What differs from one resource to the next.
pub(crate) struct Envelope<'a> {
    /// Its type.
    pub(crate) schema: &'static Schema,
    /// Its id.
    pub(crate) id: String,
    /// Its name; empty is null.
    pub(crate) name: &'a str,
    /// Free text; empty is null.
    pub(crate) description: &'a str,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// The project it belongs to.
    pub(crate) project: Option<ProjectId>,
    /// When it was made.
    pub(crate) created: Time,
    /// When its removal was asked for.
    pub(crate) removed: Option<Time>,
}

/// How many there are.
const MEMBERS: usize = 20;

/// The whole resource: the envelope, then `fields`, then links and actions.
pub(crate) fn finish(ctx: &Context<'_>, envelope: Envelope<'_>, fields: Value) -> Value {
    let Envelope { schema, id, name, description, standing, project, created, removed } = envelope;
    let mut whole = Map::with_capacity(MEMBERS + fields.as_object().map_or(0, Map::len));
    let mut put = |name: &str, value: Value| whole.insert(name.to_owned(), value);
    put("id", json!(id));
    put("type", json!(schema.name));
    put("baseType", json!(schema.base));
    put("kind", json!(schema.name));
    put("name", said(name));
    put("description", said(description));
    put("state", json!(standing.state));
    put("transitioning", json!(standing.transitioning));
    put("transitioningMessage", json!(standing.message));
    put("transitioningProgress", Value::Null);
    put("healthState", Value::Null);
    put("uuid", json!(drover_core::uuid(ctx.world.cluster(), &id)));
    put("accountId", json!(project.map(|p| Kind::Project.id(p.0))));
    put("created", date(created));
    put("createdTS", json!(created.0));
    put("removed", json!(removed.map(date)));
    put("removedTS", json!(removed.map(|t| t.0)));
    put("removeTime", json!(removed.map(date)));
    put("removeTimeTS", json!(removed.map(|t| t.0)));
    if let Value::Object(fields) = fields {
        whole.extend(fields);
    }
    let own = ctx.resource_url(schema.plural, &id);
    let mut links = Map::from_iter([("self".to_owned(), json!(own))]);
    links.extend(schema.links.iter().map(|link| {
        (link.name().to_owned(), json!(format!("{own}/{}", link.name().to_ascii_lowercase())))
    }));
    let actions: Map<_, _> = standing
        .actions
        .iter()
        .map(|action| ((*action).to_owned(), json!(format!("{own}/?action={action}"))))
        .collect();
    whole.insert("links".into(), links.into());
    whole.insert("actions".into(), actions.into());
    whole.into()
}

/// A moment as RFC 3339 in UTC, to the second; the `TS` members have the milliseconds.
pub(crate) fn date(at: Time) -> Value {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    json!(moment.and_then(|moment| moment.format(&Rfc3339).ok()))
}
