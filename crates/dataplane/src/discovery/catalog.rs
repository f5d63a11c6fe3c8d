//! The metadata tree: common for all, and `self` for whoever asks. Made when somebody asks for it: most hosts never do,
//! and facts change often.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use drover_core::{Discovery, HostId};
use serde_json::{Map, Value, json};

use super::askers::{Asker, askers};
use super::edition::Edition;
use super::lookup::find;
use super::objects::Objects;

/// The tree of one configuration, in all versions.
pub(super) struct Catalog {
    facts: Discovery,
    /// Differs between any two configurations.
    version: String,
    askers: BTreeMap<IpAddr, Asker>,
    common: [OnceLock<Value>; 3],
}

impl Catalog {
    /// The tree of these facts.
    pub(super) fn new(facts: Discovery, version: String) -> Self {
        let askers = askers(&facts);
        Self { facts, version, askers, common: Default::default() }
    }

    /// What the parts of a path lead to, for an asker.
    pub(super) fn find(
        &self,
        edition: Edition,
        asker: IpAddr,
        parts: &[String],
    ) -> Option<Cow<'_, Value>> {
        let objects = Objects { facts: &self.facts, edition };
        let Some((first, rest)) = parts.split_first() else {
            let mut all = self.common(edition).clone();
            all["self"] = self.own(objects, asker, None);
            return Some(Cow::Owned(all));
        };
        match first.to_lowercase().as_str() {
            "version" => rest.is_empty().then(|| Cow::Owned(self.version.clone().into())),
            "self" => {
                let own = self.own(objects, asker, rest.first().map(String::as_str));
                find(&own, rest).cloned().map(Cow::Owned)
            }
            _ => find(self.common(edition), parts).map(Cow::Borrowed),
        }
    }

    fn common(&self, edition: Edition) -> &Value {
        let held = match edition {
            Edition::First => &self.common[0],
            Edition::Second => &self.common[1],
            Edition::Third => &self.common[2],
        };
        let objects = Objects { facts: &self.facts, edition };
        let project = &self.facts.project;
        held.get_or_init(|| {
            json!({
                "containers": objects.containers(),
                "environments": [{ "name": project.name, "uuid": project.uuid }],
                "hosts": objects.hosts(),
                "name": project.name,
                "networks": objects.networks(),
                "region_name": "",
                "services": objects.services(),
                "stacks": objects.stacks(),
                "uuid": project.uuid,
                "version": self.version,
            })
        })
    }

    /// The asker's own things; only `wanted`, where one is.
    fn own(&self, objects: Objects<'_>, asker: IpAddr, wanted: Option<&str>) -> Value {
        let wants = |part: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(part));
        let facts = &self.facts;
        let mut own = Map::new();
        let here = HostId(facts.host);
        if let Some(host) = facts.hosts.get(&here).filter(|_| wants("host")) {
            own.insert("host".to_owned(), objects.host(here.0, host));
        }
        let asker = self.askers.get(&asker).and_then(|asker| asker.facts(facts));
        let Some((service, container)) = asker else { return own.into() };
        if wants("container") {
            own.insert("container".to_owned(), objects.container(service, container));
        }
        if wants("service") {
            own.insert("service".to_owned(), objects.service(service, &container.member));
        }
        if let Some(stack) = facts.stacks.get(&service.stack).filter(|_| wants("stack")) {
            own.insert("stack".to_owned(), objects.stack(service.stack, stack));
        }
        own.into()
    }
}
