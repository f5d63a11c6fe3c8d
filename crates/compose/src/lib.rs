//! Compose files into a stack, and a stack into compose files.
//!
//! docker-compose.yml in versions 1, 2 and 3 and rancher-compose.yml in versions 1 and 2, in every combination.
//! Pure: texts are handed in, other files are asked for through a closure, and what comes out is a
//! [`StackSpec`] or the list of everything that is wrong, each with its line. Every key is honoured, ignored
//! with a note or refused with an error ([`keys`]); nothing is dropped in silence.
//!
//! Texts that are Go templates are filled in before they are read, if whoever has them asks for it ([`template`]).
//!
//! Not here: finding files and the project's name (the command line does), ids (the server does), and what
//! to do with a stack.
//!
//! The way of a text: `yaml` tree → `document` → variables → bases and overlays (`extends`, `merge`) →
//! `service` drafts → `assemble` → `order`.

mod assemble;
mod balancer;
mod catalog;
mod diagnostic;
mod document;
pub mod env_file;
mod export;
mod extends;
mod field;
mod interpolate;
pub mod keys;
mod legacy_balancer;
mod merge;
mod order;
pub mod quantity;
mod service;
mod stack;
mod suggest;
pub mod template;
mod yaml;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use catalog::{CatalogConfig, CatalogEntry, Question, catalog_config, catalog_entry};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use export::{Exported, export};
pub use stack::{LinkSpec, NamedBalancer, NamedRule, NeedSpec, ServiceSpec, StackSpec, VolumeSpec};

use diagnostic::Report;
use document::{Document, Purpose};
use interpolate::Variables;
use service::{RawService, Surroundings};

/// Reads another file, by its path as seen from where the program runs; or says why not.
pub type Read<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// What to parse.
#[derive(Clone)]
pub struct Input<'a> {
    /// docker-compose files, name and text; later ones are laid over earlier ones.
    pub docker_compose: Vec<(String, String)>,
    /// rancher-compose.yml, name and text.
    pub rancher_compose: Option<(String, String)>,
    /// Values of variables.
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// Other files that these name, under `env_file` and `extends`.
    pub read: &'a Read<'a>,
    /// The stack's name; `stack/service` with it means a service of these files.
    pub project: &'a str,
}

/// A stack, and what is to be said about its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The stack.
    pub stack: StackSpec,
    /// Warnings and notes, in the order of the files.
    pub warnings: Vec<Diagnostic>,
}

/// Read the files of a stack. An error holds everything said, the errors first.
pub fn parse(input: &Input<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    let mut report = Report::default();
    let names = |files: &[(String, String)]| -> Vec<Arc<str>> {
        files.iter().map(|(name, _)| name.as_str().into()).collect()
    };
    let mut files = names(&input.docker_compose);
    files.extend(input.rancher_compose.iter().map(|(name, _)| name.as_str().into()));
    let stack = read_stack(input, &mut report);
    match stack {
        Some(stack) if !report.has_errors() => {
            Ok(Parsed { stack, warnings: report.into_list(&files) })
        }
        _ => Err(report.into_list(&files)),
    }
}

fn read_stack(input: &Input<'_>, to: &mut Report) -> Option<StackSpec> {
    if input.docker_compose.is_empty() {
        to.error(&Place::default(), "", "no compose file is given");
    }
    let mut vars = Variables { lookup: input.variables, missing: BTreeSet::new() };
    let mut services: Vec<RawService> = Vec::new();
    let mut declared = Declared::default();
    let mut complete = true;
    for (name, text) in &input.docker_compose {
        let file: Arc<str> = name.as_str().into();
        let Some(mut document) = document::load(&file, text, Purpose::Docker, &mut vars, to) else {
            complete = false;
            continue;
        };
        let mut bases = extends::Bases { read: input.read, vars: &mut vars, files: Vec::new() };
        bases.resolve(&file, &mut document, to);
        add(document, &mut services, &mut declared);
    }
    if let Some((name, text)) = &input.rancher_compose {
        let file: Arc<str> = name.as_str().into();
        match document::load(&file, text, Purpose::Rancher, &mut vars, to) {
            Some(document) => add_rancher(document, complete, &mut services, &mut declared, to),
            None => complete = false,
        }
    }
    let around = Surroundings { lookup: input.variables, read: input.read, project: input.project };
    let mut drafts: Vec<_> = services.iter().map(|raw| service::read(raw, around, to)).collect();
    if !complete {
        return None; // What the broken file would have said is not held against the others.
    }
    let secrets = service::declared_secrets(&declared.secrets, to);
    service::resolve_secrets(&mut drafts, &secrets, to);
    let services = assemble::assemble(drafts, to);
    Some(StackSpec { services, volumes: service::declared_volumes(&declared.volumes, to) })
}

/// What stands at the top level beside services.
#[derive(Default)]
struct Declared {
    volumes: Vec<yaml::Entry>,
    secrets: Vec<yaml::Entry>,
}

/// A docker-compose file over those before it.
fn add(document: Document, services: &mut Vec<RawService>, declared: &mut Declared) {
    for entry in document.services {
        match services.iter_mut().find(|s| s.name == entry.key) {
            Some(held) => lay_over(held, entry.value),
            None => services.push(RawService {
                name: entry.key,
                at: entry.at,
                node: entry.value,
                external_hostname: None,
            }),
        }
    }
    lay_over_all(document.volumes, &mut declared.volumes);
    lay_over_all(document.secrets, &mut declared.secrets);
}

/// rancher-compose.yml over the docker-compose files; it makes no services of its own.
fn add_rancher(
    document: Document,
    complete: bool,
    services: &mut [RawService],
    declared: &mut Declared,
    to: &mut Report,
) {
    let names: Vec<String> = services.iter().map(|s| s.name.clone()).collect();
    for mut entry in document.services {
        let Some(held) = services.iter_mut().find(|s| s.name == entry.key) else {
            if complete {
                let path = field::join("services", &entry.key);
                let said =
                    to.warn(&entry.at, &path, "ignored: no docker-compose file has this service");
                if let Some(meant) = suggest::nearest(&entry.key, names.iter().map(String::as_str))
                {
                    said.hint(format!("did you mean `{meant}`?"));
                }
            }
            continue;
        };
        if let yaml::Value::Map(entries) = &mut entry.value.value
            && let Some(i) = entries.iter().position(|e| e.key == "hostname" && !e.value.is_null())
        {
            held.external_hostname = Some(entries.remove(i).value);
        }
        lay_over(held, entry.value);
    }
    lay_over_all(document.volumes, &mut declared.volumes);
    lay_over_all(document.secrets, &mut declared.secrets);
}

fn lay_over(held: &mut RawService, over: yaml::Node) {
    let base = std::mem::replace(
        &mut held.node,
        yaml::Node { at: held.at.clone(), value: yaml::Value::Null },
    );
    held.node = merge::overlay(base, over);
}

fn lay_over_all(more: Vec<yaml::Entry>, all: &mut Vec<yaml::Entry>) {
    for entry in more {
        match all.iter_mut().find(|held| held.key == entry.key) {
            Some(held) => held.value = merge::overlay(held.value.clone(), entry.value),
            None => all.push(entry),
        }
    }
}

/// The path of a file named in another one: relative to that one's directory.
pub(crate) fn beside(file: &str, name: &str) -> String {
    match file.rsplit_once('/') {
        Some((directory, _)) if !name.starts_with('/') => format!("{directory}/{name}"),
        _ => name.to_owned(),
    }
}
