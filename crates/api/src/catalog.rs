//! Rancher's catalog service, `/v1-catalog`: an API of its own beside the other, whose clients discover it in the same way. What is
//! in it is a [`Library`], which may be empty: who lists stacks asks it which of them could be upgraded, and fails where nobody
//! answers.

mod library;
mod versions;

use serde_json::{Map, Value, json};

use crate::collection::whole;
use crate::error::ApiError;
use crate::query::Query;
pub use library::Library;
use library::{NAME, Template, Version};

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
pub fn catalog(
    base: &str,
    library: &Library,
    path: &[String],
    query: &Query,
) -> Result<Value, ApiError> {
    let root = format!("{base}/v1-catalog");
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let all = &library.templates;
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
        ["templates"] => {
            let chosen = all.iter().filter(|template| is_asked_for(template, query));
            let rows: Vec<Value> = chosen.map(|held| template(&root, held)).collect();
            Ok(whole("template", &format!("{root}/templates"), &rows))
        }
        ["templateversions"] => {
            let rows: Vec<Value> = all
                .iter()
                .flat_map(|held| held.versions.iter().map(|one| version(&root, held, one)))
                .collect();
            Ok(whole("templateVersion", &format!("{root}/templateversions"), &rows))
        }
        // A version is found among templates too: that is where links lead.
        ["templates" | "templateversions", _] => {
            let asked = path.get(1).map(String::as_str).unwrap_or_default();
            one(&root, library, asked).ok_or_else(|| ApiError::not_found(asked))
        }
        [.., last] => Err(ApiError::not_found(last)),
    }
}

/// A template or a version by its id.
fn one(root: &str, library: &Library, id: &str) -> Option<Value> {
    library.templates.iter().find_map(|held| {
        if held.id == id {
            return Some(template(root, held));
        }
        held.versions.iter().find(|one| one.id == id).map(|one| version(root, held, one))
    })
}

/// The filters that clients use.
fn is_asked_for(template: &Template, query: &Query) -> bool {
    let categories = template.config.categories();
    let has = |category: &str| categories.iter().any(|held| held.eq_ignore_ascii_case(category));
    query.get("category").is_none_or(has)
        && !query.get("category_ne").is_some_and(has)
        && query.get("templateBase_eq").is_none_or(|base| base == template.base)
        && query.get("catalogId").is_none_or(|id| id == NAME)
}

fn url(root: &str, id: &str) -> String {
    format!("{root}/templates/{id}")
}

fn template(root: &str, held: &Template) -> Value {
    let links: Map<String, Value> = held
        .versions
        .iter()
        .map(|one| (one.shown().to_owned(), url(root, &one.id).into()))
        .collect();
    let default = held.default_version();
    let config = &held.config;
    json!({
        "id": held.id,
        "type": "template",
        "links": { "self": url(root, &held.id) },
        "actions": {},
        "name": config.name,
        "description": config.description,
        "category": config.category,
        "categories": config.categories(),
        "maintainer": config.maintainer,
        "license": config.license,
        "projectURL": config.project_url,
        "labels": config.labels,
        "catalogId": NAME,
        "folderName": held.folder,
        "templateBase": held.base,
        "defaultVersion": default.map(Version::shown),
        "defaultTemplateVersionId": default.map(|one| one.id.as_str()),
        "versionLinks": links,
    })
}

fn version(root: &str, held: &Template, one: &Version) -> Value {
    let questions = one.entry.questions.iter().map(|asked| {
        json!({
            "variable": asked.variable,
            "label": asked.label,
            "description": asked.description,
            "type": asked.kind,
            "default": asked.default,
            "required": asked.required,
            "options": asked.options,
        })
    });
    let upgrades: Map<String, Value> = held
        .upgrades(one)
        .map(|newer| (newer.shown().to_owned(), url(root, &newer.id).into()))
        .collect();
    let readme = one.files.get("README.md");
    json!({
        "id": one.id,
        "type": "templateVersion",
        "links": { "self": url(root, &one.id), "template": url(root, &held.id) },
        "actions": {},
        "templateId": held.id,
        "version": one.shown(),
        "description": one.entry.description,
        "minimumRancherVersion": one.entry.minimum_rancher_version,
        "maximumRancherVersion": one.entry.maximum_rancher_version,
        "upgradeFrom": one.entry.upgrade_from,
        "labels": held.config.labels,
        "readme": readme,
        "files": one.files,
        "questions": questions.collect::<Vec<_>>(),
        "upgradeVersionLinks": upgrades,
    })
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
            catalog(base, &Library::default(), &path, &Query::parse(""))
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

    fn library() -> Library {
        let rancher = |version: &str, more: &str| {
            format!(
                ".catalog:\n  version: {version}\n{more}  questions:\n  - {{variable: n, default: 1}}\n"
            )
        };
        let files = [
            (
                "templates/webapp/config.yml",
                "name: Web\nversion: v1.0\ncategory: Apps\n".to_owned(),
            ),
            ("templates/webapp/0/docker-compose.yml", "web: {image: a:0}\n".to_owned()),
            ("templates/webapp/0/rancher-compose.yml", rancher("v0.9", "")),
            ("templates/webapp/1/docker-compose.yml", "web: {image: a:1}\n".to_owned()),
            (
                "templates/webapp/1/rancher-compose.yml",
                rancher("v1.0", "  upgrade_from: '>=0.9'\n"),
            ),
            ("templates/webapp/10/docker-compose.yml.tpl", "web: {image: a:10}\n".to_owned()),
            ("templates/webapp/10/rancher-compose.yml", rancher("v2.0", "  upgrade_from: v1.0\n")),
            ("infra-templates/net/config.yml", "name: Net\ncategory: infra\n".to_owned()),
            ("infra-templates/net/0/docker-compose.yml", "net: {image: b}\n".to_owned()),
            ("templates/empty/config.yml", "name: Empty\n".to_owned()),
            ("templates/nameless/0/docker-compose.yml", String::new()),
            ("README.md", String::new()),
        ];
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
        let (library, said) = Library::read(files);
        assert_eq!(
            said,
            [
                "the catalog's empty is left out: no version of it has a docker-compose.yml",
                "the catalog's nameless is left out: it has no config.yml",
            ]
        );
        library
    }

    fn get(path: &[&str], query: &str) -> Value {
        let path: Vec<String> = path.iter().map(|segment| (*segment).to_owned()).collect();
        catalog("http://h", &library(), &path, &Query::parse(query)).unwrap()
    }

    #[test]
    fn templates_and_the_filters_of_clients() {
        let ids = |query: &str| {
            let list = get(&["templates"], query);
            let rows = list["data"].as_array().unwrap().iter();
            rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(""), "library:webapp library:infra*net");
        assert_eq!(ids("category_ne=infra&rancherVersion=v1.6.30"), "library:webapp");
        assert_eq!(ids("category=apps"), "library:webapp");
        let web = get(&["templates", "library:webapp"], "");
        assert_eq!(web["defaultTemplateVersionId"], "library:webapp:1");
        assert_eq!(web["defaultVersion"], "v1.0");
        assert_eq!(web["templateBase"], "");
        let links = json!({
            "v0.9": "http://h/v1-catalog/templates/library:webapp:0",
            "v1.0": "http://h/v1-catalog/templates/library:webapp:1",
            "v2.0": "http://h/v1-catalog/templates/library:webapp:10",
        });
        assert_eq!(web["versionLinks"], links);
    }

    #[test]
    fn versions_have_files_questions_and_what_they_can_be_upgraded_to() {
        let upgrades = |id: &str| {
            let version = get(&["templates", id], "");
            let links = version["upgradeVersionLinks"].as_object().unwrap();
            links.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(upgrades("library:webapp:0"), "v1.0");
        assert_eq!(upgrades("library:webapp:1"), "v2.0");
        assert_eq!(upgrades("library:webapp:10"), "");
        let one = get(&["templateversions", "library:webapp:1"], "");
        assert_eq!((&one["type"], &one["version"]), (&json!("templateVersion"), &json!("v1.0")));
        assert_eq!(one["files"]["docker-compose.yml"], "web: {image: a:1}\n");
        assert_eq!(one["questions"][0]["variable"], "n");
        assert_eq!(get(&["templateversions"], "")["data"].as_array().unwrap().len(), 4);
    }
}
