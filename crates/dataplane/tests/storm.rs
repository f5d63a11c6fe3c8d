//! Changes of the configuration under load, each a unit that leaves, is drained as acknowledged, and dies
//! at once: no request fails, and none that must not be is sent twice. `cargo xtask bench changes` makes thousands.

#[cfg(test)]
#[allow(dead_code)] // each test file uses its part
mod bench;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::{Bench, TestClient, free_port, wait_for};
use bytes::Bytes;
use drover_core::{BalancerConfig, Listener, RevisionNo, Route, ServiceId, Slot, Target, UnitKey};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const CLIENTS: u64 = 32;
const WORK: Duration = Duration::from_millis(50);
const SERVICE: ServiceId = ServiceId(1);

/// How often each request was heard, by its number.
type Heard = Arc<Mutex<HashMap<String, u32>>>;

/// A unit that answers until it is killed, which breaks all its connections.
struct Unit {
    key: UnitKey,
    address: String,
    task: JoinHandle<()>,
}

impl Unit {
    async fn start(slot: u32, heard: Heard) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let key = UnitKey {
            service: SERVICE,
            slot: Slot::Number(slot),
            revision: RevisionNo(1),
            incarnation: 1,
        };
        let task = tokio::spawn(async move {
            // Dropped with the task, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let heard = heard.clone();
                let service = service_fn(move |request| respond(request, heard.clone()));
                let builder = hyper::server::conn::http1::Builder::new();
                connections.spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { key, address, task }
    }
}

async fn respond(
    request: Request<Incoming>,
    heard: Heard,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = request.uri().path().to_owned();
    if request.method() == Method::POST {
        *heard.lock().expect("nobody panicked").entry(number.clone()).or_default() += 1;
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    // Some take longer than a drain does that forgets them.
    if number.ends_with('0') {
        tokio::time::sleep(WORK).await;
    }
    Ok(Response::new(Full::new(body.unwrap_or_default())))
}

fn config(port: u16, routing: u64, units: &[Unit], leaving: &[UnitKey]) -> BalancerConfig {
    let target = |unit: &Unit| Target {
        unit: unit.key,
        address: unit.address.clone(),
        host: None,
        weight: 1,
        check: None,
    };
    let routes = vec![Route { targets: units.iter().map(target).collect(), ..Route::default() }];
    let listener = Listener { routes, ..Listener::default() };
    BalancerConfig {
        routing,
        listeners: [(port, listener)].into(),
        draining: leaving.iter().map(|unit| (*unit, 30_000)).collect(),
        ..BalancerConfig::default()
    }
}

/// GET and POST in turn, until told to stop. Returns what failed.
async fn load(port: u16, first: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let client: TestClient = bench::client();
    let mut failed = Vec::new();
    let mut number = first;
    while !stop.load(Relaxed) {
        let method = if number.is_multiple_of(2) { Method::POST } else { Method::GET };
        let text = if method == Method::POST { format!("body {number}") } else { String::new() };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}/{number}"))
            .body(Full::new(Bytes::from(text.clone())))
            .expect("a request");
        let response = client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        if status != StatusCode::OK || body != text {
            failed.push(format!("{number}: {status} {body:?}"));
        }
        done.fetch_add(1, Relaxed);
        number += 1;
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_of_the_configuration_costs_a_request() {
    storm(100).await;
}

async fn storm(changes: u32) {
    let heard = Heard::default();
    let bench = Bench::start();
    let port = free_port();
    let mut units = Vec::new();
    for slot in 0..3 {
        units.push(Unit::start(slot, heard.clone()).await);
    }
    bench.follow(&config(port, 0, &units, &[])).await;

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(load(port, client << 40, stop.clone(), done.clone())))
        .collect();
    for change in 1..=changes {
        units.push(Unit::start(change + 2, heard.clone()).await);
        let old = units.remove(0);
        let routing = u64::from(change);
        bench.replace(
            &serde_json::to_vec(&config(port, routing, &units, &[old.key])).expect("JSON"),
        );
        wait_for("the drain is acknowledged and done", || {
            let status = bench.status();
            status.routing >= routing && !status.in_flight.contains_key(&old.key)
        })
        .await;
        old.task.abort();
    }
    stop.store(true, Relaxed);
    let mut failed = Vec::new();
    for client in clients {
        failed.extend(client.await.expect("it ended"));
    }
    let done = done.load(Relaxed);
    assert!(
        failed.is_empty(),
        "{} of {done} failed: {:?}",
        failed.len(),
        &failed[..3.min(failed.len())]
    );
    let heard = std::mem::take(&mut *heard.lock().expect("nobody panicked"));
    let twice: Vec<_> = heard.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    assert!(heard.len() as u64 * 2 + CLIENTS >= done, "every POST was heard");
    bench
        .status_is("all are counted", |status| {
            let total = status.ledgers[&SERVICE].total();
            total.answered == done && total.failures() == 0 && total.in_flight == 0
        })
        .await;
    assert!(done > u64::from(changes), "there was load: {done} requests");
}
