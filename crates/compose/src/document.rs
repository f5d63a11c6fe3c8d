//! One file: its version, its services, its volumes and its secrets, with variables replaced.
//!
//! What the keys of a service mean is not decided here.

use std::sync::Arc;

use crate::diagnostic::Report;
use crate::field::Field;
use crate::interpolate::{Variables, interpolate};
use crate::keys::{self, Fate};
use crate::suggest::nearest;
use crate::yaml::{self, Entry, Node, Value};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// docker-compose.yml: services are made here.
    Docker,
    /// rancher-compose.yml: more is said about them here.
    Rancher,
}

/// A file, taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) services: Vec<Entry>,
    pub(crate) volumes: Vec<Entry>,
    pub(crate) secrets: Vec<Entry>,
}

/// Where the services stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// At the top level: version 1.
    Flat,
    /// Below `services`.
    Nested,
}

/// Read one file. `None`: it can't be taken apart, and the report says why.
pub(crate) fn load(
    file: &Arc<str>,
    text: &str,
    purpose: Purpose,
    vars: &mut Variables<'_>,
    to: &mut Report,
) -> Option<Document> {
    let root = yaml::load(file, text, to)?;
    if root.is_null() {
        if purpose == Purpose::Docker {
            to.error(&root.at, "", "the file holds no services");
        }
        return Some(Document::default());
    }
    let Value::Map(_) = &root.value else {
        return Field::new("", &root).expected("a map of services", to);
    };
    let mut document = match layout(&root, purpose, to)? {
        Layout::Flat => flat(&root),
        Layout::Nested => nested(&root, purpose, to)?,
    };
    for (name, entries) in [
        ("services", &mut document.services),
        ("volumes", &mut document.volumes),
        ("secrets", &mut document.secrets),
    ] {
        for entry in entries {
            interpolate(&mut entry.value, &crate::field::join(name, &entry.key), vars, to);
        }
    }
    Some(document)
}

fn layout(root: &Node, purpose: Purpose, to: &mut Report) -> Option<Layout> {
    let Some(version) = root.get("version") else {
        // The Compose Specification has no version. In version 1, `services` would be a service.
        let nested = root.get("services").is_some_and(|s| s.get("image").is_none());
        return Some(if nested { Layout::Nested } else { Layout::Flat });
    };
    let field = Field::new("version", version);
    let text = field.scalar().map(|s| s.text.trim().to_owned());
    let Some(text) = text else { return field.expected("a version like '2'", to) };
    let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
    if minor.is_empty() || !minor.bytes().all(|b| b.is_ascii_digit()) {
        return field.expected("a version like '2'", to);
    }
    match major {
        "1" => Some(Layout::Flat),
        "2" | "3" if purpose == Purpose::Docker => Some(Layout::Nested),
        "2" => {
            if root.get("services").is_some() {
                return Some(Layout::Nested);
            }
            let text = "in version 2, services stand below `services`; read as version 1";
            field.warn(to, text).hint("indent them, or remove the version");
            Some(Layout::Flat)
        }
        _ => {
            let known = match purpose {
                Purpose::Docker => "1, 2 and 3",
                Purpose::Rancher => "1 and 2",
            };
            let shown = field.node.found();
            field.error(to, format!("version {shown} is not known; versions {known} are"));
            None
        }
    }
}

fn flat(root: &Node) -> Document {
    // Version 1 knows no extensions, so `x-web` may be a service.
    let is_service = |e: &&Entry| {
        !is_aside(&e.key) || (e.key.starts_with("x-") && e.value.get("image").is_some())
    };
    let services = entries(root).filter(is_service).filter(|e| e.key != "version");
    Document { services: services.cloned().collect(), ..Document::default() }
}

fn nested(root: &Node, purpose: Purpose, to: &mut Report) -> Option<Document> {
    let mut document = Document::default();
    for entry in entries(root).filter(|e| !is_aside(&e.key)) {
        let field = Field::new(entry.key.clone(), &entry.value);
        match keys::TOP_LEVEL.iter().find(|k| k.name == entry.key).map(|k| k.fate) {
            Some(Fate::Honoured) if entry.key == "services" => {
                document.services = section(&field, "a map of services", to)?;
            }
            Some(Fate::Honoured) if entry.key == "volumes" => {
                document.volumes = section(&field, "a map of volumes", to)?;
            }
            Some(Fate::Honoured) if entry.key == "secrets" => {
                document.secrets = section(&field, "a map of secrets", to)?;
            }
            Some(Fate::Honoured) => {}
            Some(Fate::Ignored(why)) => {
                to.note(&entry.at, &field.path, format!("ignored: {why}"));
            }
            Some(Fate::Refused(why)) => {
                to.error(&entry.at, &field.path, why);
            }
            None => unknown(entry, to),
        }
    }
    let is_told = entries(root).any(|e| to.is_wrong(&e.at));
    if root.get("services").is_none() && purpose == Purpose::Docker && !is_told {
        to.error(&root.at, "", "the file has no `services`");
    }
    Some(document)
}

fn section(field: &Field<'_>, what: &str, to: &mut Report) -> Option<Vec<Entry>> {
    match &field.node.value {
        Value::Null => Some(Vec::new()),
        Value::Map(all) => {
            let asides = ["catalog", ".catalog"];
            Some(all.iter().filter(|e| !asides.contains(&e.key.as_str())).cloned().collect())
        }
        Value::Scalar(_) | Value::List(_) => field.expected(what, to),
    }
}

fn unknown(entry: &Entry, to: &mut Report) {
    let said = to.error(&entry.at, &entry.key, "unknown key at the top level");
    if entry.value.get("image").is_some() {
        said.hint("services stand below `services` in a file with a version");
    } else if let Some(meant) = nearest(&entry.key, keys::TOP_LEVEL.iter().map(|k| k.name)) {
        said.hint(format!("did you mean `{meant}`?"));
    }
}

/// Keys that are no part of the model in any version: extensions, and the catalog's own.
fn is_aside(key: &str) -> bool {
    key.starts_with("x-") || matches!(key, "catalog" | ".catalog")
}

fn entries(node: &Node) -> impl Iterator<Item = &Entry> {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null | Value::Scalar(_) | Value::List(_) => &[],
    };
    entries.iter()
}
