//! `extends`: a service laid over another one, of the same file or of another.

use std::sync::Arc;

use crate::diagnostic::{Place, Report};
use crate::document::{self, Document, Purpose};
use crate::field::{Field, join};
use crate::interpolate::Variables;
use crate::keys;
use crate::merge::overlay;
use crate::yaml::{Entry, Node, Value};
use crate::{Read, beside};

/// Longest chain of bases.
const LONGEST: usize = 16;

/// The files bases come from.
pub(crate) struct Bases<'a, 'v> {
    pub(crate) read: &'a Read<'a>,
    pub(crate) vars: &'a mut Variables<'v>,
    /// Files read so far.
    pub(crate) files: Vec<(Arc<str>, Document)>,
}

impl Bases<'_, '_> {
    /// The services of a file with their bases laid under them.
    pub(crate) fn resolve(&mut self, file: &Arc<str>, document: &mut Document, to: &mut Report) {
        let asks = document.services.iter().any(|s| s.value.get("extends").is_some());
        if !asks {
            return;
        }
        self.files.push((file.clone(), document.clone()));
        for entry in &mut document.services {
            let chain = vec![(file.clone(), entry.key.clone())];
            if let Some(node) = self.flatten(file, &entry.key, &entry.value, &chain, to) {
                entry.value = node;
            }
        }
    }

    /// A service with its base laid under it; `None` if that can't be done, which is reported.
    fn flatten(
        &mut self,
        file: &Arc<str>,
        name: &str,
        node: &Node,
        chain: &[(Arc<str>, String)],
        to: &mut Report,
    ) -> Option<Node> {
        let Some(extends) = node.get("extends").filter(|e| !e.is_null()) else {
            return Some(node.clone());
        };
        let field = Field::new(join("services", name) + ".extends", extends);
        let (path, base) = wanted(&field, to)?;
        let base_file = path.map_or_else(|| file.clone(), |path| beside(file, &path).into());
        let step = (base_file.clone(), base.clone());
        if chain.contains(&step) || chain.len() > LONGEST {
            field.error(to, "extends itself, by this or a longer way");
            return None;
        }
        let base_node = self.find(&base_file, &base, &field, to)?;
        check_base(&base_node, &field, to);
        let chain: Vec<_> = chain.iter().cloned().chain([step]).collect();
        let base_node = self.flatten(&base_file, &base, &base_node, &chain, to)?;
        Some(overlay(without_extends(&base_node), without_extends(node)))
    }

    fn find(
        &mut self,
        file: &Arc<str>,
        name: &str,
        field: &Field<'_>,
        to: &mut Report,
    ) -> Option<Node> {
        if self.files.iter().all(|(held, _)| held != file) {
            let text = match (self.read)(file) {
                Ok(text) => text,
                Err(why) => {
                    field.error(to, format!("cannot read the file it names: {why}"));
                    return None;
                }
            };
            let document = document::load(file, &text, Purpose::Docker, self.vars, to)?;
            self.files.push((file.clone(), document));
        }
        let services =
            self.files.iter().find(|(held, _)| held == file).map(|(_, d)| &d.services)?;
        let found = services.iter().find(|s| s.key == name).map(|s| s.value.clone());
        if found.is_none() {
            field.error(to, "the service it names is not in that file");
        }
        found
    }
}

/// File and service of the base.
fn wanted(field: &Field<'_>, to: &mut Report) -> Option<(Option<String>, String)> {
    if field.scalar().is_some() {
        return Some((None, field.word(to)?));
    }
    let (mut file, mut service) = (None, None);
    for (key, field) in field.known(keys::EXTENDS, to)? {
        let slot = if key == "file" { &mut file } else { &mut service };
        *slot = Some(field.word(to)?);
    }
    match service {
        Some(service) => Some((file, service)),
        None => field.expected("a `service`", to),
    }
}

/// What refers to other services can't be inherited: they need not be where it goes.
fn check_base(base: &Node, field: &Field<'_>, to: &mut Report) {
    let shares = |key| {
        base.get(key)
            .and_then(scalar)
            .is_some_and(|t: &str| t.starts_with("container:") || t.starts_with("service:"))
    };
    for key in ["links", "volumes_from", "depends_on"] {
        if base.get(key).is_some_and(|n| !n.is_null()) {
            field.error(to, format!("a service with `{key}` can't be extended"));
        }
    }
    for key in ["net", "network_mode"] {
        if shares(key) {
            field.error(
                to,
                format!("a service with `{key}` of another container can't be extended"),
            );
        }
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn without_extends(node: &Node) -> Node {
    let Value::Map(entries) = &node.value else { return node.clone() };
    let kept: Vec<Entry> = entries.iter().filter(|e| e.key != "extends").cloned().collect();
    Node { at: Place::clone(&node.at), value: Value::Map(kept) }
}
