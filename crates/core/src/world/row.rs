//! The world as rows: `(table, key, JSON)`, which is all a store needs to know of it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::World;
use crate::{
    AccountId, CertificateId, CredentialId, HostId, MemberId, ProjectId, ProjectTemplateId,
    RegistryId, RevisionNo, SecretId, ServiceId, StackId, UnitKey, VolumeId, VolumeKey,
    VolumeTemplateId, WebhookId,
};

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // one per map of the world, named as the map is
pub enum RowKey {
    Counters,
    Project(ProjectId),
    Host(HostId),
    Seen(HostId),
    Lost(HostId),
    Stack(StackId),
    Service(ServiceId),
    Revision(ServiceId, RevisionNo),
    Upgrade(ServiceId),
    Unit(UnitKey),
    Observed(UnitKey),
    VolumeTemplate(VolumeTemplateId),
    Volume(VolumeKey),
    ProjectVolume(VolumeId),
    Credential(CredentialId),
    Registry(RegistryId),
    Certificate(CertificateId),
    Secret(SecretId),
    Webhook(WebhookId),
    ProjectTemplate(ProjectTemplateId),
    Account(AccountId),
    Member(MemberId),
    Outcome(ServiceId),
    BalancerFollowed(UnitKey),
    NamesFollowed(HostId),
    Witnessed(HostId),
    Withdrawn(ProjectId),
    Setting(String),
}

/// A row as stored: `body` is JSON, `None` where the row is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the map.
    pub table: String,
    /// Text form of the key.
    pub key: String,
    /// The value, as JSON.
    pub body: Option<String>,
}

/// A stored row that this version can't read. Nothing is lost: the row is still in the database.
#[derive(Debug, thiserror::Error)]
#[error("row `{key}` of table `{table}` can't be read: {why}")]
pub struct BadRow {
    /// Name of the map.
    pub table: String,
    /// Text form of the key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Counters {
    revision: u64,
    version: u64,
    next_id: u64,
}

impl World {
    /// The rows behind these keys, as they are now.
    pub fn rows(&self, keys: &BTreeSet<RowKey>) -> Vec<Row> {
        keys.iter().map(|key| self.row(key)).collect()
    }

    fn row(&self, key: &RowKey) -> Row {
        let Self { revision, version, next_id, .. } = *self;
        match key {
            RowKey::Counters => row("counters", "", Some(&Counters { revision, version, next_id })),
            RowKey::Project(id) => row("project", id, self.projects.get(id)),
            RowKey::Host(id) => row("host", id, self.hosts.get(id)),
            RowKey::Seen(id) => row("seen", id, self.seen.get(id)),
            RowKey::Lost(id) => row("lost", id, self.lost.get(id)),
            RowKey::Stack(id) => row("stack", id, self.stacks.get(id)),
            RowKey::Service(id) => row("service", id, self.services.get(id)),
            RowKey::Revision(service, number) => {
                let held = self.revisions.get(&(*service, *number));
                row("revision", format!("{service}/{number}"), held)
            }
            RowKey::Upgrade(id) => row("upgrade", id, self.upgrades.get(id)),
            RowKey::Unit(key) => row("unit", key, self.units.get(key)),
            RowKey::Observed(key) => row("observed", key, self.observed.get(key)),
            RowKey::VolumeTemplate(id) => row("volume_template", id, self.volume_templates.get(id)),
            RowKey::Volume(key) => row("volume", key, self.volumes.get(key)),
            RowKey::ProjectVolume(id) => row("project_volume", id, self.project_volumes.get(id)),
            RowKey::Credential(id) => row("credential", id, self.credentials.get(id)),
            RowKey::Registry(id) => row("registry", id, self.registries.get(id)),
            RowKey::Certificate(id) => row("certificate", id, self.certificates.get(id)),
            RowKey::Secret(id) => row("secret", id, self.secrets.get(id)),
            RowKey::Webhook(id) => row("webhook", id, self.webhooks.get(id)),
            RowKey::ProjectTemplate(id) => {
                row("project_template", id, self.project_templates.get(id))
            }
            RowKey::Account(id) => row("account", id, self.accounts.get(id)),
            RowKey::Member(id) => row("member", id, self.members.get(id)),
            RowKey::Outcome(id) => row("outcome", id, self.outcomes.get(id)),
            RowKey::BalancerFollowed(key) => {
                row("balancer_followed", key, self.balancers_followed.get(key))
            }
            RowKey::NamesFollowed(id) => row("names_followed", id, self.names_followed.get(id)),
            RowKey::Witnessed(id) => row("witnessed", id, self.witnessed.get(id)),
            RowKey::Withdrawn(id) => row("withdrawn", id, self.withdrawn.get(id)),
            RowKey::Setting(name) => row("setting", name, self.settings.get(name)),
        }
    }

    /// Every row there is; loading them gives this world again.
    pub fn all_rows(&self) -> Vec<Row> {
        let mut keys = BTreeSet::from([RowKey::Counters]);
        keys.extend(self.projects.keys().map(|k| RowKey::Project(*k)));
        keys.extend(self.hosts.keys().map(|k| RowKey::Host(*k)));
        keys.extend(self.seen.keys().map(|k| RowKey::Seen(*k)));
        keys.extend(self.lost.keys().map(|k| RowKey::Lost(*k)));
        keys.extend(self.stacks.keys().map(|k| RowKey::Stack(*k)));
        keys.extend(self.services.keys().map(|k| RowKey::Service(*k)));
        keys.extend(self.revisions.keys().map(|k| RowKey::Revision(k.0, k.1)));
        keys.extend(self.upgrades.keys().map(|k| RowKey::Upgrade(*k)));
        keys.extend(self.units.keys().map(|k| RowKey::Unit(*k)));
        keys.extend(self.observed.keys().map(|k| RowKey::Observed(*k)));
        keys.extend(self.volume_templates.keys().map(|k| RowKey::VolumeTemplate(*k)));
        keys.extend(self.volumes.keys().map(|k| RowKey::Volume(*k)));
        keys.extend(self.project_volumes.keys().map(|k| RowKey::ProjectVolume(*k)));
        keys.extend(self.credentials.keys().map(|k| RowKey::Credential(*k)));
        keys.extend(self.registries.keys().map(|k| RowKey::Registry(*k)));
        keys.extend(self.certificates.keys().map(|k| RowKey::Certificate(*k)));
        keys.extend(self.secrets.keys().map(|k| RowKey::Secret(*k)));
        keys.extend(self.webhooks.keys().map(|k| RowKey::Webhook(*k)));
        keys.extend(self.project_templates.keys().map(|k| RowKey::ProjectTemplate(*k)));
        keys.extend(self.accounts.keys().map(|k| RowKey::Account(*k)));
        keys.extend(self.members.keys().map(|k| RowKey::Member(*k)));
        keys.extend(self.outcomes.keys().map(|k| RowKey::Outcome(*k)));
        keys.extend(self.balancers_followed.keys().map(|k| RowKey::BalancerFollowed(*k)));
        keys.extend(self.names_followed.keys().map(|k| RowKey::NamesFollowed(*k)));
        keys.extend(self.witnessed.keys().map(|k| RowKey::Witnessed(*k)));
        keys.extend(self.withdrawn.keys().map(|k| RowKey::Withdrawn(*k)));
        keys.extend(self.settings.keys().map(|k| RowKey::Setting(k.clone())));
        self.rows(&keys)
    }

    /// Read a world back from its rows, in any order.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, BadRow> {
        let mut world = Self::new();
        for row in rows {
            world.load_row(&row)?;
        }
        world.reindex();
        Ok(world)
    }

    fn load_row(&mut self, row: &Row) -> Result<(), BadRow> {
        match row.table.as_str() {
            "counters" => {
                let Some(c) = value::<Counters>(row)? else { return Ok(()) };
                (self.revision, self.version, self.next_id) = (c.revision, c.version, c.next_id);
            }
            "project" => put(&mut self.projects, id(row, ProjectId)?, row)?,
            "host" => put(&mut self.hosts, id(row, HostId)?, row)?,
            "seen" => put(&mut self.seen, id(row, HostId)?, row)?,
            "lost" => {
                if let Some(lost) = value(row)? {
                    self.lost.insert(id(row, HostId)?, lost);
                }
            }
            "stack" => put(&mut self.stacks, id(row, StackId)?, row)?,
            "service" => put(&mut self.services, id(row, ServiceId)?, row)?,
            "revision" => {
                let (service, number) = row.key.split_once('/').ok_or_else(|| bad(row, "key"))?;
                let service = ServiceId(service.parse().map_err(|e| bad(row, e))?);
                let number = RevisionNo(number.parse().map_err(|e| bad(row, e))?);
                put(&mut self.revisions, (service, number), row)?;
            }
            "upgrade" => put(&mut self.upgrades, id(row, ServiceId)?, row)?,
            "unit" => put(&mut self.units, key(row)?, row)?,
            "observed" => put(&mut self.observed, key(row)?, row)?,
            "volume_template" => put(&mut self.volume_templates, id(row, VolumeTemplateId)?, row)?,
            "volume" => {
                if let Some(host) = value(row)? {
                    self.volumes.insert(key(row)?, host);
                }
            }
            "project_volume" => put(&mut self.project_volumes, id(row, VolumeId)?, row)?,
            "credential" => put(&mut self.credentials, id(row, CredentialId)?, row)?,
            "registry" => put(&mut self.registries, id(row, RegistryId)?, row)?,
            "certificate" => put(&mut self.certificates, id(row, CertificateId)?, row)?,
            "secret" => put(&mut self.secrets, id(row, SecretId)?, row)?,
            "webhook" => put(&mut self.webhooks, id(row, WebhookId)?, row)?,
            "project_template" => {
                put(&mut self.project_templates, id(row, ProjectTemplateId)?, row)?;
            }
            "account" => put(&mut self.accounts, id(row, AccountId)?, row)?,
            "member" => put(&mut self.members, id(row, MemberId)?, row)?,
            "outcome" => put(&mut self.outcomes, id(row, ServiceId)?, row)?,
            "balancer_followed" => put(&mut self.balancers_followed, key(row)?, row)?,
            "names_followed" => put(&mut self.names_followed, id(row, HostId)?, row)?,
            "witnessed" => put(&mut self.witnessed, id(row, HostId)?, row)?,
            "withdrawn" => {
                if let Some(revision) = value(row)? {
                    self.withdrawn.insert(id(row, ProjectId)?, revision);
                }
            }
            "setting" => {
                if let Some(text) = value(row)? {
                    self.settings.insert(row.key.clone(), text);
                }
            }
            _ => return Err(bad(row, "no such table in this version")),
        }
        Ok(())
    }
}

fn row<T: Serialize>(table: &str, key: impl Display, value: Option<&T>) -> Row {
    // Every stored type is plain data with text keys: writing it as JSON can't fail.
    let body = value.map(|v| serde_json::to_string(v).expect("plain data is always JSON"));
    Row { table: table.to_owned(), key: key.to_string(), body }
}

fn bad(row: &Row, why: impl Display) -> BadRow {
    BadRow { table: row.table.clone(), key: row.key.clone(), why: why.to_string() }
}

fn id<T>(row: &Row, make: fn(u64) -> T) -> Result<T, BadRow> {
    row.key.parse().map(make).map_err(|e| bad(row, e))
}

fn key<T: FromStr<Err: Display>>(row: &Row) -> Result<T, BadRow> {
    row.key.parse().map_err(|e| bad(row, e))
}

fn value<T: DeserializeOwned>(row: &Row) -> Result<Option<T>, BadRow> {
    let body = row.body.as_deref();
    body.map(|body| serde_json::from_str(body).map_err(|e| bad(row, e))).transpose()
}

fn put<K: Ord + Clone, V: DeserializeOwned>(
    map: &mut imbl::OrdMap<K, Arc<V>>,
    key: K,
    row: &Row,
) -> Result<(), BadRow> {
    if let Some(value) = value(row)? {
        map.insert(key, Arc::new(value));
    }
    Ok(())
}
