//! A catalog as its repository has it: folders of templates, each with folders of versions.
//!
//! Pure: the files are handed in by their paths. `templates/NAME/config.yml` says what a template is, and
//! `templates/NAME/VERSION/` holds its files; another kind's are in `KIND-templates/`. A template that makes no sense is left out
//! with a word, and the others are there.

use std::collections::BTreeMap;

use drover_compose::{CatalogConfig, CatalogEntry, catalog_config, catalog_entry};

use drover_core::Texts;

use super::versions::{compare, matches};

/// The name that Rancher's own catalog had, and its templates' ids begin with.
pub(super) const NAME: &str = "library";

/// A whole catalog.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Library {
    pub(super) templates: Vec<Template>,
}

/// What can be launched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    /// Of its kind, and of its folder: `library:webapp`, `library:infra*ipsec`.
    pub(super) id: String,
    pub(super) folder: String,
    /// Empty for ordinary ones.
    pub(super) base: String,
    pub(super) config: CatalogConfig,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
}

/// One version of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) folder: String,
    pub(super) entry: CatalogEntry,
    pub(super) files: BTreeMap<String, String>,
}

/// Files of one template: its `config.yml`, and those of each version.
#[derive(Default)]
struct Folder {
    config: Option<String>,
    versions: BTreeMap<String, BTreeMap<String, String>>,
}

impl Library {
    /// Read a catalog from its files by their paths, and what is to be said about those that were left out.
    pub fn read(files: BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut folders: BTreeMap<(String, String), Folder> = BTreeMap::new();
        for (path, text) in files {
            let segments: Vec<&str> = path.split('/').collect();
            let [root, name, rest @ ..] = segments.as_slice() else { continue };
            let Some(base) = base(root) else { continue };
            let folder = folders.entry((base.to_owned(), (*name).to_owned())).or_default();
            match rest {
                ["config.yml"] => folder.config = Some(text),
                [version, file @ ..] if !file.is_empty() => {
                    let held = folder.versions.entry((*version).to_owned()).or_default();
                    held.insert(file.join("/"), text);
                }
                _ => {}
            }
        }
        let (mut templates, mut said) = (Vec::new(), Vec::new());
        for ((base, name), folder) in folders {
            match Template::read(base, &name, folder) {
                Ok(template) => templates.push(template),
                Err(why) => said.push(format!("the catalog's {name} is left out: {why}")),
            }
        }
        (Self { templates }, said)
    }
}

impl Library {
    /// What a stack is made of that is launched from here: a version, or the default one of a template.
    pub fn texts(&self, id: &str) -> Option<Texts> {
        let one = self.templates.iter().find_map(|held| {
            let version = held.versions.iter().find(|version| version.id == id);
            if held.id == id { held.default_version() } else { version }
        })?;
        let external_id = Some(format!("catalog://{}", one.id));
        Some(Texts { templates: one.files.clone(), external_id, ..Texts::default() })
    }
}

/// The kind of templates that a folder of the repository holds.
fn base(root: &str) -> Option<&str> {
    if root == "templates" { Some("") } else { root.strip_suffix("-templates") }
}

impl Template {
    fn read(base: String, folder: &str, files: Folder) -> Result<Self, &'static str> {
        let config = files.config.ok_or("it has no config.yml")?;
        let config = catalog_config(&config).ok_or("its config.yml makes no sense")?;
        let id = match base.as_str() {
            "" => format!("{NAME}:{folder}"),
            base => format!("{NAME}:{base}*{folder}"),
        };
        let is_whole = |files: &BTreeMap<String, String>| {
            ["docker-compose.yml", "docker-compose.yml.tpl"].iter().any(|f| files.contains_key(*f))
        };
        let versions = files.versions.into_iter().filter(|(_, files)| is_whole(files));
        let mut versions: Vec<Version> =
            versions.map(|(version, files)| Version::read(&id, version, files)).collect();
        if versions.is_empty() {
            return Err("no version of it has a docker-compose.yml");
        }
        versions.sort_by(|a, b| compare(&a.folder, &b.folder));
        Ok(Self { id, folder: folder.to_owned(), base, config, versions })
    }

    /// The version that is launched where none is named: the one that its config names, or the newest.
    pub(super) fn default_version(&self) -> Option<&Version> {
        let named = self.versions.iter().rev().find(|v| v.shown() == self.config.version);
        named.or_else(|| self.versions.last())
    }

    /// Newer versions that one can be upgraded to.
    pub(super) fn upgrades<'a>(&'a self, from: &'a Version) -> impl Iterator<Item = &'a Version> {
        let newer = self.versions.iter().filter(|v| compare(&v.folder, &from.folder).is_gt());
        newer.filter(|version| matches(&version.entry.upgrade_from, from.shown()))
    }
}

impl Version {
    fn read(template: &str, folder: String, files: BTreeMap<String, String>) -> Self {
        let rancher =
            files.get("rancher-compose.yml").or_else(|| files.get("rancher-compose.yml.tpl"));
        let entry = rancher.map(|text| catalog_entry(text)).unwrap_or_default();
        Self { id: format!("{template}:{folder}"), folder, entry, files }
    }

    /// As people call it.
    pub(super) fn shown(&self) -> &str {
        if self.entry.version.is_empty() { &self.folder } else { &self.entry.version }
    }
}
