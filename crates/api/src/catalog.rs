//! Rancher's catalog service, `/v1-catalog`: an API of its own beside the other, whose clients discover it in the same way. There
//! is nothing in it; but who lists stacks asks it which of them could be upgraded, and fails where nobody answers.

use serde_json::{Map, Value, json};

use crate::collection::whole;
use crate::error::ApiError;

/// Types and their collections.
const TYPES: [(&str, &str); 2] =
    [("template", "templates"), ("templateVersion", "templateversions")];

/// Where its schemas are, under the server's address.
pub fn catalog_schemas_url(base: &str) -> String {
    format!("{base}/v1-catalog/schemas")
}

/// What is at a path below `/v1-catalog`.
///
/// # Errors
///
/// There is nothing.
pub fn catalog(base: &str, path: &[String]) -> Result<Value, ApiError> {
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let root = format!("{base}/v1-catalog");
    match lower.as_slice() {
        [] => Ok(api_version(&root)),
        ["schemas"] => {
            let all = TYPES.iter().map(|(name, plural)| schema(&root, name, plural));
            Ok(whole("schema", &format!("{root}/schemas"), &all.collect::<Vec<_>>()))
        }
        ["schemas", asked] => {
            let found = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(asked));
            let found = found.map(|(name, plural)| schema(&root, name, plural));
            found.ok_or_else(|| ApiError::not_found(asked))
        }
        [plural] => {
            let found = TYPES.iter().find(|(_, held)| held == plural);
            let found = found.map(|(name, _)| whole(name, &format!("{root}/{plural}"), &[]));
            found.ok_or_else(|| ApiError::not_found(plural))
        }
        [.., last] => Err(ApiError::not_found(last)),
    }
}

fn api_version(root: &str) -> Value {
    let mut links: Map<String, Value> = TYPES
        .iter()
        .map(|(_, plural)| ((*plural).to_owned(), json!(format!("{root}/{plural}"))))
        .collect();
    links.insert("self".into(), json!(root));
    links.insert("schemas".into(), json!(format!("{root}/schemas")));
    json!({ "id": "v1-catalog", "type": "apiVersion", "links": links, "actions": {} })
}

fn schema(root: &str, name: &str, plural: &str) -> Value {
    json!({
        "id": name,
        "type": "schema",
        "baseType": "schema",
        "links": {
            "self": format!("{root}/schemas/{name}"),
            "collection": format!("{root}/{plural}"),
        },
        "actions": {},
        "pluralName": plural,
        "collectionMethods": ["GET"],
        "resourceMethods": ["GET"],
        "resourceFields": {},
        "resourceActions": {},
        "collectionActions": {},
        "collectionFields": {},
        "collectionFilters": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_discovered_leads_somewhere() {
        let base = "http://h";
        let get = |url: &str| {
            let path = url.strip_prefix("http://h/v1-catalog").unwrap();
            let path: Vec<String> =
                path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
            catalog(base, &path)
        };
        let root = get("http://h/v1-catalog").unwrap();
        for link in root["links"].as_object().unwrap().values() {
            assert!(get(link.as_str().unwrap()).is_ok(), "{link}");
        }
        let schemas = get(&catalog_schemas_url(base)).unwrap();
        for schema in schemas["data"].as_array().unwrap() {
            let links = &schema["links"];
            assert_eq!(&get(links["self"].as_str().unwrap()).unwrap(), schema);
            let list = get(links["collection"].as_str().unwrap()).unwrap();
            assert_eq!((&list["resourceType"], &list["data"]), (&schema["id"], &json!([])));
        }
        for nothing in ["/templates/library:webapp", "/catalogs", "/schemas/catalog"] {
            assert!(get(&format!("http://h/v1-catalog{nothing}")).is_err(), "{nothing}");
        }
    }
}
