//! The same document as a page to read: each type with its methods, actions and fields. No script, nothing from elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Drover API</title><style>\
    body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}\
    tr{border-bottom:1px solid #ddd}code{font-size:90%}nav{columns:4}h2{margin-top:3rem}</style>";

/// The page.
pub fn page(document: &Value) -> String {
    let mut html = HEAD.to_owned();
    let paths = || document["paths"].as_object().into_iter().flatten();
    let whole = || paths().filter(|(path, _)| !path.contains("/{id}"));
    let _ = write!(
        html,
        "<h1>Drover API</h1><p>{} Below <code>{}</code>. The same for programs: <a href=openapi.json>openapi.json</a>.<nav>",
        escaped(text(&document["info"]["description"])),
        escaped(text(&document["servers"][0]["url"])),
    );
    for (path, _) in whole() {
        let name = escaped(path.trim_start_matches('/'));
        let _ = write!(html, "<a href=\"#{name}\">{name}</a><br>");
    }
    html.push_str("</nav>");
    for (path, at) in whole() {
        let one = format!("{path}/{{id}}");
        let name = escaped(path.trim_start_matches('/'));
        let _ = write!(html, "<h2 id=\"{name}\">{name}</h2><table>");
        operations(&mut html, path, at);
        operations(&mut html, &one, &document["paths"][&one]);
        let links = paths()
            .filter(|(path, _)| path.strip_prefix(&*one).is_some_and(|rest| !rest.is_empty()));
        for (path, at) in links {
            operations(&mut html, path, at);
        }
        html.push_str("</table>");
        fields(&mut html, document, answered(&document["paths"][&one]));
    }
    let read: BTreeSet<&str> = paths().map(|(_, at)| answered(at)).collect();
    let types = document["components"]["schemas"].as_object().into_iter().flatten();
    html.push_str("<h1>Parts of these</h1>");
    for (name, _) in types.filter(|(name, _)| !read.contains(name.as_str())) {
        let _ = write!(html, "<h2 id=\"{0}\">{0}</h2>", escaped(name));
        fields(&mut html, document, name);
    }
    html
}

/// A row for each method; for each action one of its own.
fn operations(html: &mut String, path: &str, at: &Value) {
    for method in ["get", "post", "put", "delete"] {
        let Some(operation) = at.get(method) else { continue };
        let summary = escaped(text(&operation["summary"]));
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let actions = parameters.filter(|one| one["name"] == "action");
        let actions =
            actions.flat_map(|one| one["schema"]["enum"].as_array().into_iter().flatten());
        let actions: Vec<&str> = actions.map(text).collect();
        let queries: Vec<String> = match actions.as_slice() {
            [] => vec![String::new()],
            all => all.iter().map(|name| format!("?action={name}")).collect(),
        };
        for query in queries {
            let url = escaped(&format!("{path}{query}"));
            let method = method.to_uppercase();
            let _ = write!(html, "<tr><td><code>{method} {url}</code><td>{summary}");
        }
    }
}

/// The type that is read at a path.
fn answered(at: &Value) -> &str {
    let answer = &at["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    text(answer).rsplit('/').next().unwrap_or_default()
}

fn fields(html: &mut String, document: &Value, name: &str) {
    let fields = document["components"]["schemas"][name]["properties"].as_object();
    html.push_str("<h3>Fields</h3><table>");
    for (field, shown) in fields.into_iter().flatten() {
        let about = escaped(text(&shown["description"]));
        let only = if shown["readOnly"] == true { "only in answers" } else { "" };
        let (field, kind) = (escaped(field), escaped(&kind(shown)));
        let _ = write!(html, "<tr><td><code>{field}</code><td>{kind}<td>{only}<td>{about}");
    }
    html.push_str("</table>");
}

/// `string`, `array of portRule`, `one of a, b`.
fn kind(shown: &Value) -> String {
    if let Some(name) = shown["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(first) = shown["anyOf"].get(0) {
        return kind(first);
    }
    if let Some(options) = shown["enum"].as_array() {
        let names: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", names.join(", "));
    }
    let own = shown["type"].as_str().or_else(|| shown["type"].get(0)?.as_str()).unwrap_or("any");
    match (own, shown.get("items"), shown.get("additionalProperties")) {
        ("array", Some(items), _) => format!("array of {}", kind(items)),
        ("object", _, Some(values)) => format!("map of {}", kind(values)),
        _ => own.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
