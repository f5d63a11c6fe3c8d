//! Secrets that a service reads as files, and those a stack declares. Their values are in the cluster; files only name
//! them.

use std::collections::BTreeMap;

use drover_core::{SecretFile, is_file_name};

use super::Draft;
use crate::diagnostic::Report;
use crate::field::Field;
use crate::keys;
use crate::suggest::nearest;
use crate::yaml::{Entry, Value};

/// The secrets of the top level: what services call them, and the names they have in the cluster.
pub(crate) fn declared(entries: &[Entry], to: &mut Report) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in entries {
        let field = Field::new(crate::field::join("secrets", &entry.key), &entry.value);
        let mut name = entry.key.clone();
        let mut external = false;
        for (key, field) in field.known(keys::SECRET, to).unwrap_or_default() {
            match (key, &field.node.value) {
                ("external", Value::Map(_)) => {
                    external = true;
                    let named = field.known(keys::SECRET_EXTERNAL, to).unwrap_or_default();
                    name = named.iter().find_map(|(_, f)| f.word(to)).unwrap_or(name);
                }
                ("external", _) => external = field.boolean(to).unwrap_or_default(),
                _ => name = field.word(to).unwrap_or(name),
            }
        }
        if !external && !to.is_wrong(&entry.at) && !says_file(entry) {
            to.error(&entry.at, &field.path, "a secret is made in the cluster before it is read")
                .hint("make it with `drover secret add NAME FILE`, and write `external: true`");
        }
        all.insert(entry.key.clone(), name);
    }
    all
}

/// That is an error already.
fn says_file(entry: &Entry) -> bool {
    ["file", "environment"].iter().any(|key| entry.value.get(key).is_some())
}

/// Read a service's `secrets`. Which they are is found out when all are declared.
pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, to: &mut Report) -> bool {
    if key != "secrets" {
        return false;
    }
    for field in field.items(to).unwrap_or_default() {
        let mut file = SecretFile::default();
        let mut source = None;
        if let Value::Map(_) = field.node.value {
            for (key, field) in field.known(keys::SECRET_FILE, to).unwrap_or_default() {
                match key {
                    "source" => source = field.named(to),
                    "target" => file.file = target(&field, to),
                    "uid" => file.uid = field.whole(to),
                    "gid" => file.gid = field.whole(to),
                    _ => file.mode = mode(&field, to),
                }
            }
            if source.is_none() {
                field.wrong("the name of a secret under `source`", to);
            }
        } else {
            source = field.named(to);
        }
        let Some(named) = source else { continue };
        file.secret.clone_from(&named.name);
        if draft.spec.secrets.iter().any(|other| other.file_name() == file.file_name()) {
            field.error(to, "another secret goes into the same file");
            continue;
        }
        draft.spec.secrets.push(file);
        draft.secrets.push(named);
    }
    true
}

/// Give the secrets of services the names they have in the cluster.
pub(crate) fn resolve(drafts: &mut [Draft], declared: &BTreeMap<String, String>, to: &mut Report) {
    for draft in drafts {
        for (file, named) in draft.spec.secrets.iter_mut().zip(&draft.secrets) {
            let Some(name) = declared.get(&named.name) else {
                let text = format!("there is no secret `{}` at the top level", named.shown);
                let said = to.error(&named.at, &named.path, text);
                let meant = nearest(&named.name, declared.keys().map(String::as_str));
                said.hint(match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "declare it there with `external: true`".to_owned(),
                });
                continue;
            };
            if file.file.is_empty() && *name != named.name {
                file.file.clone_from(&named.name);
            }
            file.secret.clone_from(name);
            if file.file == file.secret {
                file.file.clear();
            }
        }
    }
}

/// A file in the folder, however it is written.
fn target(field: &Field<'_>, to: &mut Report) -> String {
    let Some(text) = field.word(to) else { return String::new() };
    let name = text.strip_prefix(&format!("{}/", drover_core::SECRETS_FOLDER)).unwrap_or(&text);
    if is_file_name(name) {
        return name.to_owned();
    }
    field.wrong("the name of a file in /run/secrets", to);
    String::new()
}

/// Octal, as modes are.
fn mode(field: &Field<'_>, to: &mut Report) -> Option<u32> {
    let text = field.scalar().map(|scalar| scalar.text.trim().to_owned()).unwrap_or_default();
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    let read = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777);
    read.or_else(|| field.expected("permissions like 0400", to))
}
