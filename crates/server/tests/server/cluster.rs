//! One server for one test, and a client that holds its admin key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drover_core::World;
use drover_server::{Settings, Timing, begin, serve};
use drover_store::Store;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes as long; past it, what is waited for does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) address: String,
    /// `access:secret`.
    pub(crate) admin: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// What came back.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    pub(crate) json: Value,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::timed(Timing::default()).await
    }

    pub(crate) async fn timed(timing: Timing) -> Self {
        let store = Store::memory();
        let mut admin = String::new();
        let tell = |key: drover_server::AdminKey| {
            admin = format!("{}:{}", key.access, key.secret.reveal());
        };
        begin(&store, tell).await.unwrap();
        Self::on(store, admin, timing).await
    }

    pub(crate) async fn on(store: Store, admin: String, timing: Timing) -> Self {
        Self::with(store, admin, Settings { timing, ..Settings::default() }).await
    }

    pub(crate) async fn with(store: Store, admin: String, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(store.clone(), listener, settings, stop.clone()));
        Self { store, address, admin, stop, serving }
    }

    /// Stop it; what is left is its store and its key.
    pub(crate) async fn stop(self) -> (Store, String) {
        self.stop.cancel();
        timeout(PATIENCE, self.serving).await.expect("the server should stop").unwrap();
        (self.store, self.admin)
    }

    /// Wait until the world is as wanted.
    pub(crate) async fn until<T>(&self, wanted: impl Fn(&World) -> Option<T>) -> T {
        let mut feed = self.store.feed();
        let waiting = async {
            let mut world: Arc<World> = self.store.world();
            loop {
                if let Some(found) = wanted(&world) {
                    return found;
                }
                world = feed.next().await.world;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the world should get there")
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[("authorization", &basic(&self.admin))], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.admin(Method::POST, path, &body.to_string()).await
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> Got {
        self.send(method, path, &[("authorization", &basic(&self.admin))], body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let answer = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Got { status: parts.status.as_u16(), headers: parts.headers, bytes, json }
    }
}

/// The header's value for `access:secret`.
pub(crate) fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(key))
}

/// Wait for something that must not take long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("this should not take so long")
}
