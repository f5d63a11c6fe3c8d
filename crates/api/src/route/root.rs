//! The root resource: links to every collection.

use serde_json::{Map, Value, json};

use super::schemas;
use crate::access::{Deed, Reach};
use crate::context::Context;

/// `GET /v2-beta`.
pub(super) fn api_version(ctx: &Context<'_>) -> Value {
    let own = ctx.url("");
    let own = own.trim_end_matches('/');
    let mut links = Map::new();
    links.insert("self".into(), json!(own));
    links.insert("schemas".into(), json!(format!("{own}/schemas")));
    links.insert("subscribe".into(), json!(format!("{own}/subscribe")));
    let reach = Reach::of(ctx);
    for schema in schemas().filter(|schema| reach.offers(schema.name, Deed::Read)) {
        let url = format!("{own}/{}", schema.plural.to_ascii_lowercase());
        links.insert(schema.plural.to_owned(), json!(url));
    }
    let id = ctx.version.as_str();
    json!({ "id": id, "type": "apiVersion", "links": links, "actions": {} })
}
