//! The API as an OpenAPI 3.1 document: the schemas that its reader gets, in the words of other tools. Nothing is said here
//! that the schemas don't say.
//!
//! Actions share a path, for OpenAPI tells operations apart by path and method only: `POST /services/{id}` with `?action=`
//! one of those the type has.

mod kind;
mod page;

use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::route::schemas;
use crate::schema::{self, Link};
use crate::state;
use kind::{property, reference};

pub use page::page;

/// The document, for who asks under the URL that was asked.
pub(crate) fn openapi(ctx: &Context<'_>) -> Value {
    let list = schema::documents(ctx);
    let documents: Vec<&Value> = list["data"].as_array().into_iter().flatten().collect();
    let known = |name: &str| documents.iter().any(|document| document["id"] == name);
    let schemas: Map<String, Value> = documents
        .iter()
        .map(|document| (text(&document["id"]), component(document, &known)))
        .chain([("collection".to_owned(), collection()), ("error".to_owned(), error())])
        .collect();
    let listed = || documents.iter().filter(|document| !is_empty(&document["collectionMethods"]));
    let own = listed().flat_map(|document| paths(document, &known));
    let linked = listed().flat_map(|document| links(document, &known));
    let paths: Map<String, Value> =
        own.chain(linked).chain([("/scripts/transform".to_owned(), transform())]).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Drover",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Rancher's v2-beta API, as whoever asked for this document may use it.",
        },
        "servers": [{ "url": ctx.url("").trim_end_matches('/') }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "basic", "description": "access key and secret key" },
            },
        },
    })
}

/// A type: its fields, and what all resources have.
fn component(document: &Value, known: &dyn Fn(&str) -> bool) -> Value {
    let fields = document["resourceFields"].as_object().into_iter().flatten();
    let own = fields.map(|(name, field)| (name.clone(), property(field, known)));
    let states = state::of_type(&text(&document["id"])).map(|table| {
        let names: Vec<&str> = table.iter().map(|state| state.name).collect();
        ("state".to_owned(), json!({ "type": "string", "enum": names, "readOnly": true }))
    });
    let urls = json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } });
    let all = own.chain([
        ("type".to_owned(), json!({ "type": "string" })),
        ("links".to_owned(), urls.clone()),
        ("actions".to_owned(), urls),
    ]);
    let all = all.chain(states);
    json!({ "type": "object", "properties": all.collect::<Map<_, _>>() })
}

/// What can be sent: the fields with this flag.
fn input(document: &Value, flag: &str, known: &dyn Fn(&str) -> bool) -> Value {
    let fields = || document["resourceFields"].as_object().into_iter().flatten();
    let sent = || fields().filter(|(_, field)| field[flag] == true);
    let required: Vec<&String> = match flag {
        "create" => sent().filter(|(_, field)| field["required"] == true).map(|(n, _)| n).collect(),
        _ => Vec::new(),
    };
    let properties: Map<_, _> =
        sent().map(|(name, field)| (name.clone(), property(field, known))).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The collection of a type, and one of it.
fn paths(document: &Value, known: &dyn Fn(&str) -> bool) -> [(String, Value); 2] {
    let (name, plural) = (text(&document["id"]), text(&document["pluralName"]));
    let has = |list: &str, method: &str| {
        document[list].as_array().is_some_and(|all| all.iter().any(|held| held == method))
    };
    let (one, of_one) = (reference(&name), format!("/{}/{{id}}", plural.to_lowercase()));
    let mut whole = Map::new();
    let mut single = Map::new();
    single.insert(
        "parameters".to_owned(),
        json!([parameter("id", "path", &json!({ "type": "string" }))]),
    );
    if has("collectionMethods", "GET") {
        let mut get = operation(&format!("list {plural}"), 200, &reference("collection"));
        get["parameters"] = list_parameters(document);
        whole.insert("get".to_owned(), get);
    }
    if has("collectionMethods", "POST") {
        let mut post = operation(&format!("make a {name}"), 201, &one);
        post["requestBody"] = body(&input(document, "create", known));
        whole.insert("post".to_owned(), post);
    }
    if has("resourceMethods", "GET") {
        single.insert("get".to_owned(), operation(&format!("read a {name}"), 200, &one));
    }
    if has("resourceMethods", "PUT") {
        let mut put = operation(&format!("change a {name}"), 200, &one);
        put["requestBody"] = body(&input(document, "update", known));
        single.insert("put".to_owned(), put);
    }
    if has("resourceMethods", "DELETE") {
        single.insert("delete".to_owned(), operation(&format!("remove a {name}"), 200, &one));
    }
    if let Some(actions) = document["resourceActions"].as_object().filter(|all| !all.is_empty()) {
        single.insert("post".to_owned(), action(&name, actions, known));
    }
    [(format!("/{}", plural.to_lowercase()), whole.into()), (of_one, single.into())]
}

/// What the links of a resource lead to, as far as who asks may read it.
fn links(document: &Value, known: &dyn Fn(&str) -> bool) -> Vec<(String, Value)> {
    let (name, plural) = (text(&document["id"]), text(&document["pluralName"]).to_lowercase());
    let links = schemas().find(|schema| schema.name == name).map_or(&[][..], |held| held.links);
    let shown = links.iter().filter_map(|link| {
        let (what, answer) = match *link {
            Link::Parent { plural, .. } => {
                let schema = schemas().find(|schema| schema.plural == plural)?;
                known(schema.name).then(|| (schema.name, reference(schema.name)))?
            }
            Link::Children { plural, .. } | Link::Listed { plural, .. } => {
                let schema = schemas().find(|schema| schema.plural == plural)?;
                known(schema.name).then(|| (plural, reference("collection")))?
            }
            Link::Made { name, .. } => (name, json!({ "type": "object" })),
        };
        let get = operation(&format!("the {what} of a {name}"), 200, &answer);
        let id = parameter("id", "path", &json!({ "type": "string" }));
        let path = format!("/{plural}/{{id}}/{}", link.name().to_lowercase());
        Some((path, json!({ "parameters": [id], "get": get })))
    });
    shown.collect()
}

/// Translates what Docker is sent for a container to a launch config; makes nothing.
fn transform() -> Value {
    let answer = json!({ "type": "object" });
    let mut post = operation("translate Docker's words for a container", 200, &answer);
    let part = json!({ "type": "object" });
    post["requestBody"] = body(&json!({
        "type": "object",
        "properties": { "Name": { "type": "string" }, "Config": part, "HostConfig": part },
    }));
    json!({ "post": post })
}

/// The actions of a type, as one operation.
fn action(name: &str, actions: &Map<String, Value>, known: &dyn Fn(&str) -> bool) -> Value {
    let kinds = |end: &str| -> Vec<Value> {
        let mut names: Vec<&str> = actions.values().filter_map(|one| one[end].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter(|name| known(name)).map(reference).collect()
    };
    let names: Vec<&String> = actions.keys().collect();
    let mut post =
        operation(&format!("act on a {name}"), 202, &json!({ "anyOf": kinds("output") }));
    post["responses"]["200"] = post["responses"]["202"].clone();
    post["parameters"] =
        json!([parameter("action", "query", &json!({ "type": "string", "enum": names }))]);
    let mut inputs = kinds("input");
    inputs.push(json!({ "type": "object" }));
    post["requestBody"] = body(&json!({ "anyOf": inputs }));
    post["requestBody"]["required"] = json!(false);
    post
}

fn operation(summary: &str, status: u16, answer: &Value) -> Value {
    json!({
        "summary": summary,
        "responses": {
            status.to_string(): { "description": "done", "content": { "application/json": { "schema": answer } } },
            "default": {
                "description": "refused, in words",
                "content": { "application/json": { "schema": reference("error") } },
            },
        },
    })
}

fn body(of: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": of } } })
}

fn parameter(name: &str, place: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "required": true, "schema": schema })
}

/// Pages, order, and one filter for each field and comparison.
fn list_parameters(document: &Value) -> Value {
    let optional = |name: String, schema: Value| json!({ "name": name, "in": "query", "required": false, "schema": schema });
    let string = || json!({ "type": "string" });
    let filters = document["collectionFilters"].as_object().into_iter().flatten();
    let filters = filters.flat_map(|(field, held)| {
        let modifiers = held["modifiers"].as_array().into_iter().flatten();
        modifiers.filter_map(Value::as_str).map(move |modifier| match modifier {
            "eq" => field.clone(),
            other => format!("{field}_{other}"),
        })
    });
    let shape = [
        ("limit", json!({ "type": "integer" })),
        ("marker", string()),
        ("sort", string()),
        ("order", json!({ "type": "string", "enum": ["asc", "desc"] })),
        ("include", string()),
    ];
    let shape = shape.into_iter().map(|(name, schema)| optional(name.to_owned(), schema));
    shape.chain(filters.map(|name| optional(name, string()))).collect()
}

fn collection() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": { "const": "collection" },
            "resourceType": { "type": "string" },
            "data": { "type": "array", "items": { "type": "object" } },
            "pagination": { "type": ["object", "null"] },
        },
        "required": ["type", "data"],
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": { "const": "error" },
            "status": { "type": "integer" },
            "code": { "type": "string" },
            "message": { "type": "string" },
            "fieldName": { "type": ["string", "null"] },
        },
        "required": ["type", "status", "code", "message"],
    })
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
