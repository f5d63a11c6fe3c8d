//! The schema documents: what `GET /schemas` answers. Each is as its reader may use it.

use serde_json::{Map, Value, json};

use super::{Schema, inputs, launch};
use crate::access::{Deed, Reach};
use crate::collection::whole;
use crate::context::Context;
use crate::route;

/// All of them: types with collections first, then the types of inputs and parts.
pub(crate) fn documents(ctx: &Context<'_>) -> Value {
    let reach = Reach::of(ctx);
    let shown = all().filter(|schema| is_shown(reach, schema));
    let data: Vec<Value> = shown.map(|schema| described(ctx, reach, schema)).collect();
    whole("schema", &ctx.url("schemas"), &data)
}

/// One of them.
pub(crate) fn document(ctx: &Context<'_>, schema: &Schema) -> Value {
    described(ctx, Reach::of(ctx), schema)
}

/// Whether a reader gets to see a type: parts of others are everybody's.
pub(crate) fn is_shown(reach: Reach, schema: &Schema) -> bool {
    !is_listed(schema) || reach.offers(schema.name, Deed::Read)
}

/// A type with a collection.
fn is_listed(schema: &Schema) -> bool {
    !schema.plural.is_empty() && !schema.collection.is_empty()
}

fn described(ctx: &Context<'_>, reach: Reach, schema: &Schema) -> Value {
    let may = |deed: Deed<'_>| !is_listed(schema) || reach.offers(schema.name, deed);
    let (makes, changes) = (may(Deed::Create), may(Deed::Update));
    let methods = |all: &[&'static str]| -> Vec<&'static str> {
        let kept = all.iter().filter(|method| match **method {
            "POST" => makes,
            "PUT" => changes,
            "DELETE" => may(Deed::Delete),
            _ => true,
        });
        kept.copied().collect()
    };
    let mut links = Map::new();
    links.insert("self".into(), json!(ctx.url(&format!("schemas/{}", schema.name))));
    if !schema.plural.is_empty() {
        links.insert("collection".into(), json!(ctx.url(&schema.plural.to_ascii_lowercase())));
    }
    let fields = || schema.fields().filter(|field| field.is_shown());
    let mut shown: Map<_, _> =
        fields().map(|f| (f.name.to_owned(), f.document(makes, changes))).collect();
    if makes
        && is_listed(schema)
        && reach.says_where(schema.name)
        && let Some(field) = shown.get_mut("accountId")
    {
        field["create"] = json!(true);
    }
    let filters: Map<_, _> = fields()
        .filter(|f| !schema.collection.is_empty() && !f.modifiers().is_empty())
        .map(|f| (f.name.to_owned(), json!({ "modifiers": f.modifiers() })))
        .collect();
    let actions: Map<_, _> = schema
        .actions
        .iter()
        .filter(|(name, _, _)| may(Deed::Act(name)))
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
        "collectionMethods": methods(schema.collection),
        "resourceMethods": methods(schema.resource),
        "resourceFields": shown,
        "resourceActions": actions,
        "collectionActions": {},
        "collectionFields": {},
        "collectionFilters": filters,
        "includeableLinks": includeable(schema),
    })
}

/// Every type there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Schema> {
    route::schemas().chain(inputs::ALL.iter()).chain(launch::ALL.iter())
}

fn includeable(schema: &Schema) -> Vec<&'static str> {
    schema.links.iter().filter(|link| link.leads_to_rows()).map(super::Link::name).collect()
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
            for field in schema.fields() {
                let Some(text) = field.default_text() else { continue };
                let read = serde_json::from_str::<Value>(text);
                assert!(read.is_ok(), "{}.{}: {text}", schema.name, field.name);
            }
        }
    }
}
