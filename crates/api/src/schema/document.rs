//! The schema documents: what `GET /schemas` answers.

use serde_json::{Map, Value, json};

use super::{Schema, inputs, launch};
use crate::collection::whole;
use crate::context::Context;
use crate::route;

/// All of them: types with collections first, then the types of inputs and parts.
pub(crate) fn documents(ctx: &Context<'_>) -> Value {
    let data: Vec<Value> = all().map(|schema| document(ctx, schema)).collect();
    whole("schema", &ctx.url("schemas"), &data)
}

/// One of them.
pub(crate) fn document(ctx: &Context<'_>, schema: &Schema) -> Value {
    let mut links = Map::new();
    links.insert("self".into(), json!(ctx.url(&format!("schemas/{}", schema.name))));
    if !schema.plural.is_empty() {
        links.insert("collection".into(), json!(ctx.url(&schema.plural.to_ascii_lowercase())));
    }
    let fields = || schema.fields.iter().flat_map(|group| group.iter());
    let shown: Map<_, _> = fields().map(|f| (f.name.to_owned(), f.document())).collect();
    let filters: Map<_, _> = fields()
        .filter(|f| !schema.collection.is_empty() && !f.modifiers().is_empty())
        .map(|f| (f.name.to_owned(), json!({ "modifiers": f.modifiers() })))
        .collect();
    let actions: Map<_, _> = schema
        .actions
        .iter()
        .map(|(name, input, output)| {
            ((*name).to_owned(), json!({ "input": named(input), "output": named(output) }))
        })
        .collect();
    let plural = if schema.plural.is_empty() {
        format!("{}s", schema.name)
    } else {
        schema.plural.to_owned()
    };
    json!({
        "id": schema.name,
        "type": "schema",
        "baseType": "schema",
        "links": links,
        "actions": {},
        "pluralName": plural,
        "collectionMethods": schema.collection,
        "resourceMethods": schema.resource,
        "resourceFields": shown,
        "resourceActions": actions,
        "collectionActions": {},
        "collectionFields": {},
        "collectionFilters": filters,
        "includeableLinks": schema.links.iter().map(super::Link::name).collect::<Vec<_>>(),
    })
}

/// Every type there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Schema> {
    route::schemas().chain(inputs::ALL.iter()).chain(launch::ALL.iter())
}

fn named(name: &str) -> Option<&str> {
    if name.is_empty() { None } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_json() {
        for schema in all() {
            for field in schema.fields.iter().flat_map(|group| group.iter()) {
                let Some(text) = field.default_text() else { continue };
                let read = serde_json::from_str::<Value>(text);
                assert!(read.is_ok(), "{}.{}: {text}", schema.name, field.name);
            }
        }
    }
}
