//! Which resources to render anew after a change: pure.

use std::collections::BTreeSet;

use drover_api::{Kind, Pull};
use drover_core::{HostId, RowKey, ServiceId, UnitKey, World};
use drover_store::Update;

use crate::errands::Held;
use crate::server::Notes;

/// A resource by collection and id.
pub(super) type Name = (&'static str, String);

/// The resources whose rendering may differ after an update.
pub(super) fn rows(before: &World, update: &Update) -> BTreeSet<Name> {
    let worlds = [before, &*update.world];
    let mut names = BTreeSet::new();
    for key in &update.touched {
        match key {
            RowKey::Project(id) => drop(names.insert(("projects", Kind::Project.id(id.0)))),
            RowKey::Host(id) | RowKey::Seen(id) | RowKey::Lost(id) => drop(names.insert(host(*id))),
            RowKey::Stack(id) => drop(names.insert(("stacks", Kind::Stack.id(id.0)))),
            RowKey::Service(id) | RowKey::Upgrade(id) | RowKey::Revision(id, _) => {
                names.extend(service(&worlds, *id));
            }
            RowKey::Unit(key) => {
                names.extend(service(&worlds, key.service));
                names.extend(containers(&worlds, *key));
                // What is on it shows.
                names.extend(hosts(&worlds, *key).map(host));
            }
            RowKey::Observed(key) => {
                names.extend(service(&worlds, key.service));
                names.extend(containers(&worlds, *key));
                // How far it is emptied follows from what was seen there.
                let emptied = |id: &HostId| {
                    update.world.host(*id).is_some_and(|host| host.evacuation.is_some())
                };
                names.extend(hosts(&worlds, *key).filter(emptied).map(host));
            }
            RowKey::VolumeTemplate(id) => {
                names.insert(("volumeTemplates", Kind::VolumeTemplate.id(id.0)));
            }
            RowKey::Registry(id) => {
                names.insert(("registries", Kind::Registry.id(id.0)));
                let logins = worlds.iter().filter_map(|world| world.registries.get(id));
                let logins = logins.filter_map(|held| held.login.as_ref());
                let login = |id: u64| ("registryCredentials", Kind::Credential.id(id));
                names.extend(logins.map(|held| login(held.id.0)));
            }
            RowKey::Credential(id) => {
                let id = Kind::Credential.id(id.0);
                names.extend([("apiKeys", id.clone()), ("registrationTokens", id)]);
            }
            RowKey::Outcome(id) => names.extend(service(&worlds, *id)),
            RowKey::Certificate(id) => {
                names.insert(("certificates", Kind::Certificate.id(id.0)));
            }
            RowKey::Setting(name) => drop(names.insert(("settings", name.clone()))),
            RowKey::ProjectVolume(id) => drop(names.insert(("volumes", Kind::Volume.id(id.0)))),
            RowKey::Secret(id) => drop(names.insert(("secrets", Kind::Secret.id(id.0)))),
            RowKey::Webhook(id) => {
                names.insert(("webhookReceivers", Kind::Webhook.id(id.0)));
            }
            RowKey::ProjectTemplate(id) => {
                names.insert(("projectTemplates", Kind::ProjectTemplate.id(id.0)));
            }
            RowKey::Account(id) => drop(names.insert(("accounts", Kind::Account.id(id.0)))),
            RowKey::Member(id) => {
                names.insert(("projectMembers", Kind::ProjectMember.id(id.0)));
            }
            RowKey::BalancerFollowed(_)
            | RowKey::NamesFollowed(_)
            | RowKey::Witnessed(_)
            | RowKey::Withdrawn(_)
            | RowKey::Counters
            | RowKey::Volume(_) => {}
        }
    }
    names
}

/// The services of which the planner says something else than before: it shows in `transitioningMessage`.
pub(super) fn said_anew(before: &Notes, notes: &Notes) -> BTreeSet<Name> {
    let services = before.keys().chain(notes.keys());
    let anew = services.filter(|id| before.get(id) != notes.get(id));
    anew.map(|id| ("services", Kind::Service.id(id.0))).collect()
}

/// The containers of which something else is asked than before.
pub(super) fn asked_anew(before: &Held, now: &Held) -> BTreeSet<Name> {
    let containers = before.keys().chain(now.keys());
    let anew = containers.filter(|number| before.get(number) != now.get(number));
    anew.map(|number| ("containers", Kind::Container.id(*number))).collect()
}

/// The pulls that are further than before.
pub(super) fn pulled_on(before: &[Pull], now: &[Pull]) -> BTreeSet<Name> {
    let anew = now.iter().filter(|pull| !before.contains(pull));
    anew.map(|pull| ("pullTasks", Kind::PullTask.id(pull.id))).collect()
}

fn host(id: HostId) -> Name {
    ("hosts", Kind::Host.id(id.0))
}

/// The host of a unit.
fn hosts<'a>(worlds: &'a [&World; 2], key: UnitKey) -> impl Iterator<Item = HostId> + 'a {
    worlds.iter().filter_map(move |world| Some(world.unit(key)?.host))
}

/// A service, and the stack whose state is made of its services'.
fn service<'a>(worlds: &'a [&World; 2], id: ServiceId) -> impl Iterator<Item = Name> + 'a {
    let stacks = worlds.iter().filter_map(move |world| world.service(id));
    let stacks = stacks.map(|service| ("stacks", Kind::Stack.id(service.stack.0)));
    stacks.chain([("services", Kind::Service.id(id.0))])
}

/// The containers of a unit: numbered from its serial on.
fn containers<'a>(worlds: &'a [&World; 2], key: UnitKey) -> impl Iterator<Item = Name> + 'a {
    worlds.iter().flat_map(move |world| {
        let unit = world.unit(key).zip(world.template(key.service, key.revision));
        unit.into_iter().flat_map(|(unit, template)| {
            let numbers = (unit.serial..).take(template.len());
            numbers.map(|number| ("containers", Kind::Container.id(number)))
        })
    })
}
