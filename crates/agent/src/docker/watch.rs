//! Following the engine: everything once, then each container something happened to. When the engine goes away,
//! again from the start as soon as it is back.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use drover_core::label;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::{Engine, Looked, Trouble, list, trouble};
use crate::surroundings::Surroundings;
use crate::{backoff, clock};

/// What changes how a unit is seen. `exec` events of health checks are many and say nothing.
const ACTIONS: [&str; 9] =
    ["create", "start", "die", "oom", "pause", "unpause", "destroy", "rename", "health_status"];
/// The longest pause before the engine is looked for again, ms: a container killed with it is to be back soon.
const LONGEST_PAUSE_MS: u64 = 1_000;

/// What is told of the engine.
pub(crate) enum EngineEvent {
    /// It is there, with these containers.
    Up {
        /// The connection.
        engine: Arc<Engine>,
        /// Every container of ours.
        containers: Vec<Looked>,
    },
    /// Something happened to a container.
    Touched {
        /// Docker's id.
        id: String,
        /// When, ns since the epoch.
        at_ns: u64,
    },
    /// It is gone.
    Down {
        /// Why, in words.
        trouble: Trouble,
    },
}

/// Watch the engine until nobody listens any more.
pub(crate) async fn watch(
    surroundings: Surroundings,
    cluster: String,
    state: PathBuf,
    events: mpsc::Sender<EngineEvent>,
) {
    let mut failures = 0;
    while !events.is_closed() {
        let trouble = match Engine::connect(&surroundings, &cluster, &state).await {
            Ok(engine) => {
                failures = 0;
                follow(Arc::new(engine), &events).await
            }
            Err(trouble) => trouble,
        };
        failures += 1;
        if events.send(EngineEvent::Down { trouble }).await.is_err() {
            return;
        }
        let pause = backoff::reconnect_delay_ms(failures, LONGEST_PAUSE_MS, 0);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Tell everything, then what happens; returns why that ended.
async fn follow(engine: Arc<Engine>, events: &mpsc::Sender<EngineEvent>) -> Trouble {
    let socket = engine.surroundings.socket();
    let failed = |problem| Trouble::Engine { socket: socket.clone(), problem };
    // Events from before the list began, so that nothing falls between the two.
    let since = clock::now_ns();
    let containers = match list(&engine).await {
        Ok(containers) => containers,
        Err(error) => return failed(trouble::connect_words(&error)),
    };
    let filters = HashMap::from([
        ("type", vec!["container".to_owned()]),
        ("label", vec![format!("{}={}", label::CLUSTER, engine.cluster)]),
        ("event", ACTIONS.map(str::to_owned).to_vec()),
    ]);
    let since = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
    let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
    let client = engine.client().clone();
    if events.send(EngineEvent::Up { engine, containers }).await.is_err() {
        return failed("nobody watches it any more".to_owned());
    }
    let mut stream = client.events(Some(options));
    // However the stream ends, it is the engine's end: its own words for it are of no use to anyone.
    while let Some(Ok(event)) = stream.next().await {
        let Some(touched) = touched(event) else { continue };
        if events.send(touched).await.is_err() {
            break;
        }
    }
    failed("it ended the connection; it was stopped or restarted".to_owned())
}

fn touched(event: EventMessage) -> Option<EngineEvent> {
    let id = event.actor?.id?;
    let at_ns = event.time_nano.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(u64::MAX);
    Some(EngineEvent::Touched { id, at_ns })
}
