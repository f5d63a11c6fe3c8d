//! Events for a user: a WebSocket that says which resources changed, each rendered whole for who asked.
//!
//! Not a log: what changes twice before it is sent is sent once, as it is then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use drover_api::{Address, ApiError, Caller, Context, Fresh, Kind, Query};
use drover_core::{RowKey, UnitKey, World};
use drover_store::Update;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::auth;
use crate::clock;
use crate::link::Gone;
use crate::random::uuid;
use crate::server::{Notes, Server};

/// How long a subscriber may take to read a frame.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who subscribed, by which URL.
pub(crate) struct Subscriber {
    /// The URL: events are scoped as it is.
    pub(crate) address: Address,
    /// How this server was reached.
    pub(crate) base: String,
    /// Who.
    pub(crate) caller: Caller,
}

/// A resource by collection and id.
type Name = (&'static str, String);

impl Subscriber {
    /// Whether there is anything for this caller under this URL.
    pub(crate) fn check(&self, world: &World) -> Result<(), ApiError> {
        let notes = Arc::default();
        drover_api::get(&self.context(world, &notes), &[], &Query::default()).map(drop)
    }

    fn context<'a>(&self, world: &'a World, notes: &'a Arc<Notes>) -> Context<'a> {
        Context {
            world,
            notes,
            events: &[],
            pulls: &[],
            audits: &[],
            base: self.base.clone(),
            version: self.address.version,
            scope: self.address.scope,
            caller: self.caller.clone(),
            rights: self.caller.rights(world),
            fresh: Fresh::default(),
            now: clock::now(),
        }
    }
}

/// Send events until either side is done.
pub(crate) async fn run(server: Arc<Server>, socket: WebSocket, subscriber: Subscriber) {
    let (mut sink, mut client) = socket.split();
    let mut feed = server.store.feed();
    let mut notes = server.notes.subscribe();
    let (mut world, mut said) = (server.store.world(), notes.borrow_and_update().clone());
    let mut ping = interval(Duration::from_millis(server.timing.ping_ms));
    loop {
        let before = world.clone();
        let sent = tokio::select! {
            () = server.stop.cancelled() => Err(Gone),
            _ = ping.tick() => send(&mut sink, event("ping")).await,
            update = feed.next() => {
                world = update.world.clone();
                if !concerns_keys(&update) || auth::is_live(&world, &subscriber.caller) {
                    let names = changed(&before, &update);
                    publish(&mut sink, &subscriber, [&before, &world], &said, names).await
                } else {
                    Err(Gone)
                }
            }
            changed = notes.changed() => {
                let before = std::mem::replace(&mut said, notes.borrow_and_update().clone());
                let names = said_anew(&before, &said);
                let sent = publish(&mut sink, &subscriber, [&world, &world], &said, names).await;
                changed.map_err(|_| Gone).and(sent)
            }
            frame = client.next() => match frame {
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
                Some(Ok(_)) => Ok(()),
            },
        };
        if sent.is_err() {
            // It may be gone already.
            let _ = timeout(PATIENCE, sink.send(Message::Close(None))).await;
            return;
        }
    }
}

async fn publish(
    sink: &mut SplitSink<WebSocket, Message>,
    subscriber: &Subscriber,
    [before, world]: [&World; 2],
    notes: &Arc<Notes>,
    names: BTreeSet<Name>,
) -> Result<(), Gone> {
    let (old, new) = (subscriber.context(before, notes), subscriber.context(world, notes));
    for (plural, id) in names {
        let path = [plural, id.as_str()];
        let query = Query::default();
        let resource = drover_api::get(&new, &path, &query).or_else(|_| {
            // Gone for good: said once, in the state that clients know.
            drover_api::get(&old, &path, &query).map(|mut resource| {
                resource["state"] = json!("removed");
                resource
            })
        });
        // Neither then nor now: nothing of this caller's.
        let Ok(resource) = resource else { continue };
        let mut event = event("resource.change");
        event["resourceType"] = resource["type"].clone();
        event["resourceId"] = json!(id);
        event["data"] = json!({ "resource": resource });
        send(sink, event).await?;
    }
    Ok(())
}

fn event(name: &str) -> Value {
    json!({
        "id": uuid(), "type": "publish", "name": name, "time": clock::now().0,
        "resourceType": null, "resourceId": null, "data": {},
    })
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, event: Value) -> Result<(), Gone> {
    let frame = Message::Text(event.to_string().into());
    timeout(PATIENCE, sink.send(frame)).await.map_err(|_| Gone)?.map_err(|_| Gone)
}

/// Whether a key may have been switched off.
fn concerns_keys(update: &Update) -> bool {
    update.touched.iter().any(|key| matches!(key, RowKey::Credential(_) | RowKey::Account(_)))
}

/// The resources whose rendering may differ after an update.
fn changed(before: &World, update: &Update) -> BTreeSet<Name> {
    let worlds = [before, &*update.world];
    let mut names = BTreeSet::new();
    for key in &update.touched {
        match key {
            RowKey::Project(id) => drop(names.insert(("projects", Kind::Project.id(id.0)))),
            RowKey::Host(id) | RowKey::Seen(id) | RowKey::Lost(id) => {
                names.insert(("hosts", Kind::Host.id(id.0)));
            }
            RowKey::Stack(id) => drop(names.insert(("stacks", Kind::Stack.id(id.0)))),
            RowKey::Service(id) | RowKey::Upgrade(id) | RowKey::Revision(id, _) => {
                names.extend(service(&worlds, *id));
            }
            RowKey::Unit(key) | RowKey::Observed(key) => {
                names.extend(service(&worlds, key.service));
                names.extend(containers(&worlds, *key));
            }
            RowKey::VolumeTemplate(id) => {
                names.insert(("volumeTemplates", Kind::VolumeTemplate.id(id.0)));
            }
            RowKey::Registry(id) => drop(names.insert(("registries", Kind::Registry.id(id.0)))),
            RowKey::Credential(id) => {
                let id = Kind::Credential.id(id.0);
                names.extend([("apiKeys", id.clone()), ("registrationTokens", id)]);
            }
            RowKey::Outcome(id) => names.extend(service(&worlds, *id)),
            RowKey::Account(id) => drop(names.insert(("accounts", Kind::Account.id(id.0)))),
            RowKey::Member(id) => {
                names.insert(("projectMembers", Kind::ProjectMember.id(id.0)));
            }
            RowKey::Certificate(id) => {
                names.insert(("certificates", Kind::Certificate.id(id.0)));
            }
            RowKey::BalancerFollowed(_)
            | RowKey::NamesFollowed(_)
            | RowKey::Witnessed(_)
            | RowKey::Withdrawn(_)
            | RowKey::Counters
            | RowKey::Volume(_)
            | RowKey::Setting(_) => {}
        }
    }
    names
}

/// The services of which the planner says something else than before: it shows in `transitioningMessage`.
fn said_anew(before: &Notes, notes: &Notes) -> BTreeSet<Name> {
    let services = before.keys().chain(notes.keys());
    let anew = services.filter(|id| before.get(id) != notes.get(id));
    anew.map(|id| ("services", Kind::Service.id(id.0))).collect()
}

/// A service, and the stack whose state is made of its services'.
fn service<'a>(
    worlds: &'a [&World; 2],
    id: drover_core::ServiceId,
) -> impl Iterator<Item = Name> + 'a {
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
