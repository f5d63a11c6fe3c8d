//! Events for a user: a WebSocket that says which resources changed, each rendered whole for who asked.
//!
//! Not a log: what changes twice before it is sent is sent once, as it is then.

mod changed;
mod press;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use drover_api::{Address, ApiError, Caller, Context, Fresh, Library, Pull, Query};
use drover_core::World;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::auth;
use crate::clock;
use crate::errands::Held;
use crate::link::Gone;
use crate::random::uuid;
use crate::server::{Notes, Server};
use changed::Name;
pub(crate) use press::Press;

/// How long a subscriber may take to read a frame.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing that is subscribed to is made of it.
static NO_CATALOG: LazyLock<Library> = LazyLock::new(Library::default);
/// The event for a resource that changed.
const CHANGE: &str = "resource.change";

/// Who subscribed, by which URL.
#[derive(Clone)]
pub(crate) struct Subscriber {
    /// The URL: events are scoped as it is.
    pub(crate) address: Address,
    /// `eventNames` and `include`, each as often as wanted.
    pub(crate) query: Query,
    /// How this server was reached.
    pub(crate) base: String,
    /// Who.
    pub(crate) caller: Caller,
}

/// What resources are rendered from.
#[derive(Clone)]
struct Sight {
    world: Arc<World>,
    notes: Arc<Notes>,
    errands: Arc<Held>,
    pulls: Arc<Vec<Pull>>,
}

impl Sight {
    /// Whether it is the very same.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.world, &other.world)
            && Arc::ptr_eq(&self.notes, &other.notes)
            && Arc::ptr_eq(&self.errands, &other.errands)
            && Arc::ptr_eq(&self.pulls, &other.pulls)
    }
}

impl Subscriber {
    /// Whether all that a resource is rendered by is the same for the two: their keys may differ in their names.
    fn is_like(&self, other: &Self) -> bool {
        let by = |who: &Self| (who.caller.grant.clone(), who.caller.within);
        (&self.address, &self.query, &self.base) == (&other.address, &other.query, &other.base)
            && by(self) == by(other)
    }

    /// Whether there is anything for this caller under this URL.
    pub(crate) fn check(&self, world: &Arc<World>) -> Result<(), ApiError> {
        let sight = Sight {
            world: world.clone(),
            notes: Arc::default(),
            errands: Arc::default(),
            pulls: Arc::default(),
        };
        drover_api::get(&self.context(&sight), &[], &Query::default()).map(drop)
    }

    /// Whether changes of resources were asked for: by name, by a pattern that holds them all, or by not naming any event.
    fn wants_changes(&self) -> bool {
        let mut named = self.query.all("eventNames").peekable();
        // Rancher's own name of an event may be followed by more of it.
        let is_it =
            |name: &str| matches!(name.split(';').next(), Some(CHANGE | "*" | "resource.*"));
        named.peek().is_none() || named.any(is_it)
    }

    fn context<'a>(&self, sight: &'a Sight) -> Context<'a> {
        Context {
            world: &sight.world,
            notes: &sight.notes,
            events: &[],
            pulls: &sight.pulls,
            errands: &sight.errands,
            // Said once, from the snapshot before: see below.
            departed: const { &BTreeMap::new() },
            audits: &[],
            library: &NO_CATALOG,
            base: self.base.clone(),
            version: self.address.version,
            scope: self.address.scope,
            caller: self.caller.clone(),
            rights: self.caller.rights(&sight.world),
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
    let mut errands = server.errands.subscribe();
    let mut pulls = server.pulls.subscribe();
    let mut sight = Sight {
        world: server.store.world(),
        notes: notes.borrow_and_update().clone(),
        errands: errands.borrow_and_update().clone(),
        pulls: pulls.borrow_and_update().clone(),
    };
    let mut ping = interval(Duration::from_millis(server.timing.ping_ms));
    let wants_changes = subscriber.wants_changes();
    loop {
        let mut before = sight.world.clone();
        let names = tokio::select! {
            () = server.stop.cancelled() => Err(Gone),
            _ = ping.tick() => send(&mut sink, event("ping")).await.map(|()| BTreeSet::new()),
            update = feed.next() => {
                before = std::mem::replace(&mut sight.world, update.world.clone());
                let is_live = || auth::is_live(&sight.world, &subscriber.caller);
                if !auth::concerns_rights(&update) || is_live() {
                    Ok(changed::rows(&before, &update))
                } else {
                    Err(Gone)
                }
            }
            Ok(()) = notes.changed() => {
                let now = notes.borrow_and_update().clone();
                let before = std::mem::replace(&mut sight.notes, now);
                Ok(changed::said_anew(&before, &sight.notes))
            }
            Ok(()) = errands.changed() => {
                let now = errands.borrow_and_update().clone();
                let before = std::mem::replace(&mut sight.errands, now);
                Ok(changed::asked_anew(&before, &sight.errands))
            }
            Ok(()) = pulls.changed() => {
                let now = pulls.borrow_and_update().clone();
                let before = std::mem::replace(&mut sight.pulls, now);
                Ok(changed::pulled_on(&before, &sight.pulls))
            }
            frame = client.next() => match frame {
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
                Some(Ok(_)) => Ok(BTreeSet::new()),
            },
        };
        let sent = match names {
            Ok(names) if wants_changes => {
                publish(&mut sink, (&server.press, &subscriber), before, &sight, names).await
            }
            other => other.map(drop),
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
    (press, subscriber): (&Press, &Subscriber),
    before: Arc<World>,
    now: &Sight,
    names: BTreeSet<Name>,
) -> Result<(), Gone> {
    let (notes, errands, pulls) = (now.notes.clone(), now.errands.clone(), now.pulls.clone());
    let before = Sight { world: before, notes, errands, pulls };
    for name in names {
        let shared = press.frame(now, subscriber, &name, || {
            let shown = shown(&subscriber.context(now), &name, subscriber)?;
            Some(change(&name, &shown))
        });
        // Gone for good: said once, in the state that clients know. What each knew before is its own affair.
        let frame = shared.or_else(|| {
            let mut gone = shown(&subscriber.context(&before), &name, subscriber)?;
            gone["state"] = json!("removed");
            Some(change(&name, &gone))
        });
        // Neither then nor now: nothing of this caller's.
        let Some(frame) = frame else { continue };
        send_frame(sink, frame).await?;
    }
    Ok(())
}

fn shown(ctx: &Context<'_>, (plural, id): &Name, subscriber: &Subscriber) -> Option<Value> {
    drover_api::get(ctx, &[plural, id.as_str()], &subscriber.query).ok()
}

fn change((_, id): &Name, resource: &Value) -> Utf8Bytes {
    let mut event = event(CHANGE);
    event["resourceType"] = resource["type"].clone();
    event["resourceId"] = json!(id);
    event["data"] = json!({ "resource": resource });
    event.to_string().into()
}

fn event(name: &str) -> Value {
    json!({
        "id": uuid(), "type": "publish", "name": name, "time": clock::now().0,
        "resourceType": null, "resourceId": null, "data": {},
    })
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, event: Value) -> Result<(), Gone> {
    send_frame(sink, event.to_string().into()).await
}

async fn send_frame(
    sink: &mut SplitSink<WebSocket, Message>,
    frame: Utf8Bytes,
) -> Result<(), Gone> {
    let sent = timeout(PATIENCE, sink.send(Message::Text(frame))).await;
    sent.map_err(|_| Gone)?.map_err(|_| Gone)
}
