//! Listening ports: opened and closed while the process runs.
//!
//! A closed door takes no new connection; those that are open finish their request and end. A door that stays open
//! may change what is spoken behind it: that is for connections to come.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use drover_core::{BalancerConfig, RuleProtocol};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::stream::{self, places::Places, udp, way::Way};
use super::tls::Shelf;

/// The ports this process listens on.
pub(super) struct Doors {
    shared: Arc<Shared>,
    shelf: Shelf,
    places: Places,
    open: BTreeMap<Address, Door>,
    any_shut: bool,
}

/// TCP and UDP have ports of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    port: u16,
    is_udp: bool,
}

struct Door {
    close: CancellationToken,
    way: Arc<ArcSwap<Way>>,
}

/// Pause when the system gives no more connections (too many open files).
const EXHAUSTED: Duration = Duration::from_millis(50);

impl Doors {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (shelf, places) = Default::default();
        Self { shared, shelf, places, open: BTreeMap::new(), any_shut: false }
    }

    /// Listen on the config's ports and no others. Returns what does not work, in words.
    pub(super) async fn open(&mut self, config: &BalancerConfig) -> String {
        self.places.allow(config.tuning.max_connections);
        self.shelf.fill(&config.certificates);
        let mut problems: Vec<String> = self.shelf.problems().collect();
        self.any_shut = false;
        let mut stays = Vec::new();
        for (&port, listener) in &config.listeners {
            let address = Address { port, is_udp: listener.protocol == RuleProtocol::Udp };
            stays.push(address);
            let held = self.open.get(&address).map(|door| door.way.load_full());
            let way = match Way::new(port, listener, config, &self.shelf, held.as_deref()) {
                Ok(way) => way,
                Err(error) => {
                    problems.push(format!("port {port} can't speak TLS: {error}"));
                    continue;
                }
            };
            problems.extend(way.problem());
            if let Err(error) = self.open_one(address, way).await {
                self.any_shut = true;
                problems.push(format!("port {port} can't be opened: {error}; trying on"));
            }
        }
        self.open.retain(|address, door| {
            let stays = stays.contains(address);
            if !stays {
                door.close.cancel();
            }
            stays
        });
        problems.join("; ")
    }

    /// Whether a port could not be opened.
    pub(super) fn any_shut(&self) -> bool {
        self.any_shut
    }

    /// Take no more connections, and end those that are idle.
    pub(super) fn close_all(&mut self) {
        for door in std::mem::take(&mut self.open).into_values() {
            door.close.cancel();
        }
    }

    async fn open_one(&mut self, address: Address, way: Way) -> std::io::Result<()> {
        if let Some(door) = self.open.get(&address) {
            door.way.store(Arc::new(way));
            return Ok(());
        }
        let at = (Ipv4Addr::UNSPECIFIED, address.port);
        let way = Arc::new(ArcSwap::from_pointee(way));
        let close = CancellationToken::new();
        let (shared, end) = (self.shared.clone(), close.clone());
        if address.is_udp {
            let socket = UdpSocket::bind(at).await?;
            self.shared.work.spawn(udp::serve(socket, way.clone(), shared, end));
        } else {
            let listener = TcpListener::bind(at).await?;
            let places = self.places.clone();
            self.shared.work.spawn(welcome(listener, way.clone(), places, shared, end));
        }
        self.open.insert(address, Door { close, way });
        Ok(())
    }
}

/// Accept until closed.
async fn welcome(
    listener: TcpListener,
    way: Arc<ArcSwap<Way>>,
    places: Places,
    shared: Arc<Shared>,
    close: CancellationToken,
) {
    loop {
        let next = async {
            let accepted = listener.accept().await;
            // Only now: a door that nobody comes to takes nobody's place.
            (accepted, places.take().await)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = close.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let served =
                    stream::serve(stream, client, way.load_full(), shared.clone(), close.clone());
                shared.work.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(port = way.load().port, %error, "a connection could not be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
}
