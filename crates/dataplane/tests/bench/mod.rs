//! A balancer in a directory of its own, services for it to send to, and clients.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use drover_core::{
    BalancerConfig, BalancerStatus, Listener, RevisionNo, Route, RuleProtocol, ServiceId, Slot,
    Target, UnitKey,
};
use drover_dataplane::balancer::{Options, serve};
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// A running balancer.
pub struct Bench {
    dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

/// The files of a balancer that lives in a directory.
pub fn options(dir: &Path) -> Options {
    let (config, status) = (dir.join("config.json"), dir.join("status.json"));
    Options { config, status, access_log: None }
}

impl Bench {
    pub fn start() -> Self {
        let mut bench = Self::of_another_process(tempfile::tempdir().unwrap());
        let (stop, stopped) = oneshot::channel();
        bench.task = Some(tokio::spawn(serve(options(bench.dir()), async {
            stopped.await.ok();
        })));
        bench.stop = Some(stop);
        bench
    }

    pub fn of_another_process(dir: tempfile::TempDir) -> Self {
        Self { dir, stop: None, task: None }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replace the config and wait until it is applied.
    pub async fn apply(&self, listeners: &[(u16, Vec<Route>)]) {
        self.apply_as(RuleProtocol::Http, listeners).await;
    }

    pub async fn apply_as(&self, protocol: RuleProtocol, listeners: &[(u16, Vec<Route>)]) {
        let listener = |routes: &Vec<Route>| Listener {
            protocol,
            routes: routes.clone(),
            ..Listener::default()
        };
        let listeners: BTreeMap<_, _> =
            listeners.iter().map(|(port, routes)| (*port, listener(routes))).collect();
        self.follow(&BalancerConfig { listeners, ..BalancerConfig::default() }).await;
    }

    /// Replace the whole config and wait until it is applied.
    pub async fn follow(&self, config: &BalancerConfig) {
        let config = serde_json::to_vec(config).unwrap();
        let hash = hex(&Sha256::digest(&config));
        self.replace(&config);
        self.status_is("the config is applied", |status| status.applied == hash).await;
    }

    pub fn replace(&self, config: &[u8]) {
        let new = self.dir.path().join("config.new");
        std::fs::write(&new, config).unwrap();
        std::fs::rename(&new, options(self.dir()).config).unwrap();
    }

    pub fn status(&self) -> BalancerStatus {
        read_status(&options(self.dir()).status)
    }

    pub async fn status_is(&self, what: &str, level: impl Fn(&BalancerStatus) -> bool) {
        wait_for(what, || level(&self.status())).await;
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub async fn ended(&mut self) {
        let task = self.task.take().unwrap();
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .filter_map(|d| char::from_digit(d.into(), 16))
        .collect()
}

fn read_status(path: &Path) -> BalancerStatus {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).expect("the status is never half written"),
        Err(_) => BalancerStatus::default(),
    }
}

/// Wait for a level, with a deadline.
pub async fn wait_for(what: &str, level: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if level() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("after 10 s still waiting for: {what}");
}

/// A service that answers with its name and what it was asked.
pub struct Origin {
    name: &'static str,
    address: String,
    gate: Arc<Notify>,
    heard: Arc<Mutex<HashMap<String, u32>>>,
}

impl Origin {
    pub async fn start(name: &'static str) -> Self {
        let (listener, origin) = Self::bind(name).await;
        let gate = origin.gate.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let gate = gate.clone();
                let service = service_fn(move |request| {
                    let gate = gate.clone();
                    async move { Ok::<_, Infallible>(respond(name, request, &gate).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        origin
    }

    /// Nobody listens there.
    pub fn dead(name: &'static str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        Self { name, address, gate: Arc::default(), heard: Arc::default() }
    }

    /// Reads a request and hangs up.
    pub async fn rude(name: &'static str) -> Self {
        let (listener, origin) = Self::bind(name).await;
        let heard = origin.heard.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = read_head(&mut stream).await;
                let mut rest = [0; 100];
                if text.starts_with("POST") {
                    let length = stream.read(&mut rest).await.unwrap_or(0);
                    text = String::from_utf8_lossy(&rest[..length]).into_owned();
                }
                *heard.lock().unwrap().entry(text).or_default() += 1;
            }
        });
        origin
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Let a waiting request end.
    pub fn go_on(&self) {
        self.gate.notify_one();
    }

    pub fn asked_for(&self, text: &str) -> u32 {
        self.heard.lock().unwrap().get(text).copied().unwrap_or(0)
    }

    /// A service that somebody else answers for, on this listener.
    pub async fn bind(name: &'static str) -> (TcpListener, Self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, Self { name, address, gate: Arc::default(), heard: Arc::default() })
    }
}

async fn respond(
    name: &str,
    mut request: Request<Incoming>,
    gate: &Notify,
) -> Response<Full<Bytes>> {
    let line = format!("{name} {} {}", request.method(), request.uri());
    let text = match request.uri().path() {
        "/wait" => {
            gate.notified().await;
            line
        }
        "/headers" => {
            let mut lines: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            lines.join("\n")
        }
        "/version" => format!("{:?}", request.version()),
        "/echo" => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            return Response::new(Full::new(body));
        }
        "/tunnel" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let stream = TokioIo::new(upgrade.await.unwrap());
                let (mut read, mut write) = tokio::io::split(stream);
                copy(&mut read, &mut write).await.ok();
                write.shutdown().await.ok();
            });
            let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let response = response.header(CONNECTION, "upgrade").header(UPGRADE, "echo");
            return response.body(Full::default()).unwrap();
        }
        _ => line,
    };
    Response::new(Full::new(Bytes::from(text)))
}

/// A route to these, in order.
pub fn route(hostname: &str, path: &str, targets: &[&Origin]) -> Route {
    let text = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
    let target = |origin: &&Origin| Target {
        unit: unit(origin),
        address: origin.address.clone(),
        host: None,
        weight: 1,
        check: None,
    };
    Route {
        hostname: text(hostname),
        path: text(path),
        targets: targets.iter().map(target).collect(),
        ..Route::default()
    }
}

/// The unit an origin stands for: one service for each name.
pub fn unit(origin: &Origin) -> UnitKey {
    let service = origin.name.bytes().fold(7, |n, byte| n * 31 % 100_003 + u64::from(byte));
    UnitKey {
        service: ServiceId(service),
        slot: Slot::Number(1),
        revision: RevisionNo(1),
        incarnation: 1,
    }
}

pub type TestClient = Client<HttpConnector, Full<Bytes>>;

pub fn client() -> TestClient {
    Client::builder(TokioExecutor::new()).build_http()
}

pub fn http2_client() -> TestClient {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

pub async fn ask(port: u16, host: &str, path: &str) -> (StatusCode, String) {
    ask_by(&client(), port, host, path).await
}

pub async fn ask_by(
    client: &TestClient,
    port: u16,
    host: &str,
    path: &str,
) -> (StatusCode, String) {
    let request = Request::get(format!("http://127.0.0.1:{port}{path}"));
    let request = request.header(HOST, host).body(Full::default()).unwrap();
    send(client, request).await
}

pub async fn post(port: u16, path: &str, body: &str) -> (StatusCode, String) {
    let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("http://127.0.0.1:{port}{path}").parse().unwrap();
    *request.version_mut() = Version::HTTP_11;
    send(&client(), request).await
}

async fn send(client: &TestClient, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let answer = async {
        let response = client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer in time")
}

pub async fn read_head<S: AsyncReadExt + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A port that nobody listens on now. Below those that the system gives to clients, for one of them could take it
/// before it is opened; tests in other processes look for theirs elsewhere.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (std::process::id() * 64 + next) % 22_000;
        let port = u16::try_from(port).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
