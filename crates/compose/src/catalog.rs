//! What a rancher-compose file says of itself to a catalog: its name and version there, and the questions whose answers fill
//! the files in.
//!
//! The section is cut out of the text before it is read, for the rest may be a template that is no YAML yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::Report;
use crate::yaml::{self, Node, Value};

/// The `.catalog` section of a file; all is empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CatalogEntry {
    /// Shown name.
    pub name: String,
    /// Shown version.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// Oldest version of Rancher it is for.
    pub minimum_rancher_version: String,
    /// Newest version of Rancher it is for.
    pub maximum_rancher_version: String,
    /// Versions it can be upgraded from; empty is any.
    pub upgrade_from: String,
    /// What whoever launches it is asked.
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The variable its answer is the value of.
    pub variable: String,
    /// Shown name.
    pub label: String,
    /// What it is about.
    pub description: String,
    /// `string`, `int`, `boolean`, `enum`, `multiline`, `password`, `service`, `certificate`, …
    pub kind: String,
    /// The answer of who gives none.
    pub default: String,
    /// It must have an answer.
    pub required: bool,
    /// Answers of an `enum`.
    pub options: Vec<String>,
}

/// The `config.yml` of a catalog's template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CatalogConfig {
    /// Shown name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Shown version of the one that is launched where none is named.
    pub version: String,
    /// Categories, with commas between them.
    pub category: String,
    /// Who looks after it.
    pub maintainer: String,
    /// Under which licence it is.
    pub license: String,
    /// Where it comes from.
    pub project_url: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl CatalogConfig {
    /// Its categories one by one.
    pub fn categories(&self) -> Vec<String> {
        let all = self.category.split(',').map(str::trim).filter(|one| !one.is_empty());
        all.map(str::to_owned).collect()
    }
}

/// Read the `config.yml` of a template; none if it makes no sense, or names nothing.
pub fn catalog_config(text: &str) -> Option<CatalogConfig> {
    let file: Arc<str> = "config.yml".into();
    let root = yaml::load(&file, text, &mut Report::default())?;
    let labels = match root.get("labels").map(|node| &node.value) {
        Some(Value::Map(entries)) => {
            entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect()
        }
        Some(Value::Null | Value::Scalar(_) | Value::List(_)) | None => BTreeMap::new(),
    };
    let config = CatalogConfig {
        name: text_of(&root, "name"),
        description: text_of(&root, "description"),
        version: text_of(&root, "version"),
        category: text_of(&root, "category"),
        maintainer: text_of(&root, "maintainer"),
        license: text_of(&root, "license"),
        project_url: text_of(&root, "projectURL"),
        labels,
    };
    (!config.name.is_empty()).then_some(config)
}

/// Read the section of a rancher-compose file. What in it makes no sense counts as not said: it is about the catalog, not about
/// what runs.
pub fn catalog_entry(text: &str) -> CatalogEntry {
    let section = section(text);
    let file: Arc<str> = "rancher-compose.yml".into();
    let Some(root) = yaml::load(&file, &section, &mut Report::default()) else {
        return CatalogEntry::default();
    };
    let Some(entry) = root.get(".catalog").or_else(|| root.get("catalog")) else {
        return CatalogEntry::default();
    };
    let questions = match entry.get("questions").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().map(question).collect(),
        Some(Value::Null | Value::Scalar(_) | Value::Map(_)) | None => Vec::new(),
    };
    CatalogEntry {
        name: text_of(entry, "name"),
        version: text_of(entry, "version"),
        description: text_of(entry, "description"),
        minimum_rancher_version: text_of(entry, "minimum_rancher_version"),
        maximum_rancher_version: text_of(entry, "maximum_rancher_version"),
        upgrade_from: text_of(entry, "upgrade_from"),
        questions,
    }
}

fn question(node: &Node) -> Question {
    let options = match node.get("options").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().map(plain).collect(),
        Some(Value::Null | Value::Scalar(_) | Value::Map(_)) | None => Vec::new(),
    };
    Question {
        variable: text_of(node, "variable"),
        label: text_of(node, "label"),
        description: text_of(node, "description"),
        kind: text_of(node, "type"),
        default: text_of(node, "default"),
        required: text_of(node, "required") == "true",
        options,
    }
}

fn text_of(node: &Node, key: &str) -> String {
    node.get(key).map(plain).unwrap_or_default()
}

fn plain(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// The lines of the section: from its key to the next one that stands as far left.
fn section(text: &str) -> String {
    let mut out = String::new();
    let mut indent: Option<usize> = None;
    for line in text.lines() {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        match indent {
            Some(own) if !body.is_empty() && !body.starts_with('#') && depth <= own => {
                // A list may stand as far left as the key it belongs to.
                if !body.starts_with("- ") || out.is_empty() {
                    break;
                }
            }
            None if body.starts_with(".catalog:") || body.starts_with("catalog:") => {
                indent = Some(depth);
            }
            Some(_) => {}
            None => continue,
        }
        let own = indent.unwrap_or_default();
        out.push_str(line.get(own.min(depth)..).unwrap_or_default());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: '2'
catalog:
  name: Web
  version: v1.2
  questions:
    - variable: scale
      label: How many
      type: int
      default: 2
      required: true
    - variable: kind
      type: enum
      options: [a, b]

  # not the end
  upgrade_from: '>=1.0'
services:
  web:
    {{- if eq .Values.kind \"a\" }}
    scale: ${scale}
    {{- end }}
";

    #[test]
    fn the_section_is_read_though_the_rest_is_a_template() {
        let entry = catalog_entry(FILE);
        assert_eq!((entry.name.as_str(), entry.version.as_str()), ("Web", "v1.2"));
        assert_eq!(entry.upgrade_from, ">=1.0");
        let asked: Vec<_> = entry
            .questions
            .iter()
            .map(|q| (q.variable.as_str(), q.kind.as_str(), q.default.as_str(), q.required))
            .collect();
        assert_eq!(asked, [("scale", "int", "2", true), ("kind", "enum", "", false)]);
        assert_eq!(entry.questions[1].options, ["a", "b"]);
    }

    #[test]
    fn what_a_template_is() {
        let text =
            "name: Web\nversion: v1\ncategory: Apps, Infra\nlabels: {a: 1}\nprojectURL: http://a\n";
        let config = catalog_config(text).unwrap();
        assert_eq!((config.name.as_str(), config.version.as_str()), ("Web", "v1"));
        assert_eq!(config.categories(), ["Apps", "Infra"]);
        assert_eq!((config.labels["a"].as_str(), config.project_url.as_str()), ("1", "http://a"));
        for nothing in ["", "version: 1", "name: [", "- a"] {
            assert_eq!(catalog_config(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        for text in ["", "web: {scale: 1}", "catalog:", "catalog: [", "{{ .Values.x }}"] {
            assert_eq!(catalog_entry(text), CatalogEntry::default(), "{text}");
        }
        let first = ".catalog:\n  questions:\n  - variable: A\n    default: \"1\"\nweb: {}\n";
        assert_eq!(catalog_entry(first).questions[0].default, "1");
    }
}
