//! What happens to requests while things change around them: counted, held, drained, retried, ejected.

#[cfg(test)]
#[allow(dead_code)] // each test file uses its part
mod bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bench::{Bench, Origin, ask, ask_by, free_port, read_head, route, unit, wait_for};
use bytes::Bytes;
use drover_core::{
    BackendTuning, BalancerConfig, Counts, Failure, HealthCheck, Hold, Listener, ListenerTuning,
    Route, ServiceId, Stickiness, Tuning,
};
use http::header::{COOKIE, HOST, LOCATION, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The service that a route's requests are counted for when there is no unit.
const ASKED: ServiceId = ServiceId(7);

fn one(port: u16, route: Route) -> BalancerConfig {
    let listener = Listener { routes: vec![route], ..Listener::default() };
    BalancerConfig { listeners: [(port, listener)].into(), ..BalancerConfig::default() }
}

fn held(mut route: Route, requests: u32, timeout_ms: u64) -> Route {
    route.hold = Some(Hold { requests, timeout_ms });
    route.service = Some(ASKED);
    route
}

/// What the status says was counted for a service.
fn counts(bench: &Bench, service: ServiceId) -> Counts {
    bench.status().ledgers.get(&service).map(drover_core::Ledger::total).unwrap_or_default()
}

async fn counted(bench: &Bench, service: ServiceId, what: &str, level: impl Fn(&Counts) -> bool) {
    bench.status_is(what, |s| s.ledgers.get(&service).is_some_and(|l| level(&l.total()))).await;
}

/// An answer whole, with its headers.
async fn answer(
    port: u16,
    path: &str,
    headers: &[(http::HeaderName, &str)],
) -> (StatusCode, HeaderMap) {
    let mut request = Request::get(format!("http://127.0.0.1:{port}{path}"));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let response = bench::client().request(request).await.expect("an answer");
    (response.status(), response.headers().clone())
}

#[tokio::test]
async fn the_routing_is_acknowledged_with_what_still_follows_an_older_one() {
    let (old, new) = (Origin::start("old").await, Origin::start("new").await);
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, route("", "", &[&old]))).await;
    let slow = tokio::spawn(async move { ask(port, "h", "/wait").await });
    bench.status_is("a request in flight", |s| !s.in_flight.is_empty()).await;

    let mut config = one(port, route("", "", &[&new]));
    config.routing = 9;
    config.draining = [(unit(&old), 60_000)].into();
    bench.follow(&config).await;
    let status = bench.status();
    assert_eq!((status.routing, status.in_flight.get(&unit(&old))), (9, Some(&1)));
    old.go_on();
    slow.await.unwrap();
    bench.status_is("the end of it", |s| s.in_flight.is_empty()).await;
}

#[tokio::test]
async fn requests_are_counted_by_what_they_came_to() {
    let (rude, good) = (Origin::rude("rude").await, Origin::start("good").await);
    let dead = Origin::dead("dead");
    let bench = Bench::start();
    let port = free_port();
    let mut nobody = route("nobody", "", &[]);
    nobody.service = Some(ASKED);
    let routes = vec![
        nobody,
        route("dead", "", &[&dead]),
        route("rude", "", &[&rude]),
        route("", "", &[&dead, &good]),
    ];
    let listener = Listener { routes, ..Listener::default() };
    let mut config =
        BalancerConfig { listeners: [(port, listener)].into(), ..BalancerConfig::default() };
    bench.follow(&config).await;
    for host in ["nobody", "dead", "rude", "good", "good"] {
        ask(port, host, "/").await;
    }
    let service = |origin| unit(origin).service;
    let failed = |cause| move |counts: &Counts| counts.failed == [(cause, 1)].into();
    counted(&bench, ASKED, "nobody", failed(Failure::NoTarget)).await;
    counted(&bench, service(&rude), "broken", failed(Failure::Broken)).await;
    counted(&bench, service(&good), "answered", |counts| {
        counts.answered == 2 && counts.failures() == 0
    })
    .await;
    counted(&bench, service(&dead), "unreachable", failed(Failure::Unreachable)).await;
    assert!(counts(&bench, service(&dead)).retried >= 1);

    // Another number: the counting starts anew, for that service alone.
    config.ledgers = [(service(&good), 4)].into();
    bench.follow(&config).await;
    let status = bench.status();
    let good_ledger = &status.ledgers[&service(&good)];
    assert_eq!((good_ledger.number, good_ledger.total()), (4, Counts::default()));
    assert_eq!(status.ledgers[&ASKED].total().failures(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure_and_a_client_that_does_is_none() {
    let (listener, cut) = Origin::bind("cut").await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    });
    let slow = Origin::start("slow").await;
    let bench = Bench::start();
    let port = free_port();
    let routes = vec![route("cut", "", &[&cut]), route("", "", &[&slow])];
    bench.apply(&[(port, routes)]).await;

    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: cut\r\n\r\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.ok();
    assert!(text.ends_with("half"), "{text}");
    counted(&bench, unit(&cut).service, "cut off", |counts| {
        counts.failed == [(Failure::CutOff, 1)].into() && counts.answered == 0
    })
    .await;

    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    bench.status_is("it is in flight", |s| s.in_flight.contains_key(&unit(&slow))).await;
    drop(client);
    bench.status_is("it is over", |s| s.in_flight.is_empty()).await;
    assert_eq!(counts(&bench, unit(&slow).service), Counts::default());
}

#[tokio::test]
async fn requests_wait_for_a_target_that_is_on_its_way() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, held(route("", "", &[]), 2, 60_000))).await;
    let first = tokio::spawn(async move { bench::post(port, "/echo", "the body").await });
    let second = tokio::spawn(async move { ask(port, "h", "/").await });
    // Two may wait. Whoever comes third is told so at once; when, is when the others are there.
    let client = bench::client();
    let third = loop {
        let request =
            tokio::time::timeout(Duration::from_millis(50), ask_by(&client, port, "h", "/third"));
        if let Ok(answer) = request.await {
            break answer;
        }
    };
    assert_eq!(third.0, StatusCode::SERVICE_UNAVAILABLE);
    bench.follow(&one(port, held(route("", "", &[&origin]), 2, 60_000))).await;
    assert_eq!(first.await.unwrap(), (StatusCode::OK, "the body".into()));
    assert_eq!(second.await.unwrap(), (StatusCode::OK, "one GET /".into()));
    counted(&bench, unit(&origin).service, "held", |c| c.held == 2 && c.answered == 2).await;
    counted(&bench, ASKED, "too many", |c| c.failed == [(Failure::HeldTooLong, 1)].into()).await;
}

#[tokio::test]
async fn who_waited_long_enough_is_told_to_come_again() {
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, held(route("", "", &[]), 9, 20))).await;
    let (status, headers) = answer(port, "/", &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key(RETRY_AFTER));
    counted(&bench, ASKED, "waited", |c| c.failed == [(Failure::HeldTooLong, 1)].into()).await;
}

#[tokio::test]
async fn requests_wait_for_a_target_that_comes_back() {
    let dead = Origin::dead("one");
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, held(route("", "", &[&dead]), 9, 60_000))).await;
    let asked = tokio::spawn(async move { ask(port, "h", "/").await });
    bench.status_is("it can't be reached", |s| s.ejected.contains_key(&unit(&dead))).await;
    let listener = tokio::net::TcpListener::bind(dead.address()).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await.unwrap();
        }
    });
    assert_eq!(asked.await.unwrap(), (StatusCode::OK, "back".into()));
    bench.status_is("nothing is ejected", |s| s.ejected.is_empty()).await;
    counted(&bench, unit(&dead).service, "held", |c| c.held == 1 && c.answered == 1).await;
}

#[tokio::test]
async fn a_tunnel_ends_with_the_time_of_its_unit_and_both_sides_hear_it() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, route("", "", &[&origin]))).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let hello = "GET /tunnel HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(hello.as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    let mut config = one(port, route("", "", &[]));
    config.draining = [(unit(&origin), 1)].into();
    bench.follow(&config).await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "an end, and no reset");
    bench.status_is("it is over", |s| s.in_flight.is_empty()).await;
}

#[tokio::test]
async fn idle_connections_to_a_unit_that_left_are_closed_at_once() {
    let (listener, origin) = Origin::bind("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, route("", "", &[&origin]))).await;
    let asked = tokio::spawn(async move { ask(port, "h", "/").await });
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
    asked.await.unwrap();
    bench.follow(&one(port, route("", "", &[]))).await;
    let end = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut [0; 8])).await;
    assert_eq!(end.expect("well before it would be idle for too long").unwrap(), 0);
}

#[tokio::test]
async fn no_request_is_lost_to_a_target_that_closes_after_each() {
    // It says nothing of closing, as a server does whose time for idle connections is over.
    let (listener, origin) = Origin::bind("one").await;
    let heard = Arc::new(AtomicU32::new(0));
    let count = heard.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = count.clone();
            tokio::spawn(async move {
                if read_head(&mut stream).await.is_empty() {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
                stream.shutdown().await.unwrap();
                stream.read_to_end(&mut Vec::new()).await.ok();
            });
        }
    });
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, route("", "", &[&origin]))).await;
    for _ in 0..100 {
        let (status, text) = ask(port, "h", "/").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "hi"));
    }
    assert_eq!(heard.load(Ordering::Relaxed), 100);
}

#[tokio::test]
async fn a_check_takes_a_target_out_and_brings_it_back() {
    let (bad, good) = (Origin::start("bad").await, Origin::start("good").await);
    let bench = Bench::start();
    let port = free_port();
    // One port for all targets of a route: they differ by address. Here nobody listens on it, at first.
    let check_port = free_port();
    let mut checked = route("", "", &[&bad, &good]);
    for target in &mut checked.targets {
        target.check = Some(HealthCheck {
            port: check_port,
            interval_ms: Some(100),
            request_line: Some("GET /ping HTTP/1.0".to_owned()),
            ..HealthCheck::default()
        });
    }
    bench.follow(&one(port, checked)).await;
    bench.status_is("both are out", |s| s.ejected.len() == 2).await;
    assert_eq!(ask(port, "h", "/").await.0, StatusCode::OK, "better than nobody");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", check_port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.0 204 No Content\r\n\r\n").await.ok();
        }
    });
    bench.status_is("both are back", |s| s.ejected.is_empty()).await;
}

#[tokio::test]
async fn grpc_goes_on_as_http_2_with_trailers() {
    let (listener, origin) = Origin::bind("one").await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let te = request.headers().get("te").cloned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                trailers.insert("te-was", te.unwrap());
                let frames =
                    [Ok(Frame::data(body)), Ok::<_, hyper::Error>(Frame::trailers(trailers))];
                let body = StreamBody::new(futures_util::stream::iter(frames));
                Ok::<_, hyper::Error>(Response::new(body))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&one(port, route("", "", &[&origin]))).await;
    let client = bench::http2_client();
    for round in 0..3 {
        let request = Request::post(format!("http://127.0.0.1:{port}/pkg.Service/Method"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(format!("message {round}"))))
            .unwrap();
        let body = client.request(request).await.unwrap().into_body().collect().await.unwrap();
        let trailers = body.trailers().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["te-was"]),
            (&"0".parse().unwrap(), &"trailers".parse().unwrap())
        );
        assert_eq!(body.to_bytes(), format!("message {round}"));
    }
}

#[tokio::test]
async fn a_client_stays_with_its_target() {
    let (one_of, other) = (Origin::start("one").await, Origin::start("two").await);
    let bench = Bench::start();
    let port = free_port();
    let mut sticky = route("", "", &[&one_of, &other]);
    sticky.backend = "80_h_".to_owned();
    sticky.stickiness = Some(Stickiness { indirect: true, ..Stickiness::default() });
    bench.follow(&one(port, sticky)).await;
    let (_, headers) = answer(port, "/", &[]).await;
    let cookie = headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("80_h_="), "{cookie}");
    for _ in 0..4 {
        let request = Request::get(format!("http://127.0.0.1:{port}/"));
        let request = request.header(COOKIE, &cookie).body(Full::default()).unwrap();
        let response = bench::client().request(request).await.unwrap();
        assert!(!response.headers().contains_key(SET_COOKIE), "it knows already");
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "one GET /");
    }
}

#[tokio::test]
async fn headers_are_edited_and_plain_requests_sent_to_https() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let (port, plain) = (free_port(), free_port());
    let mut config = one(port, route("", "", &[&origin]));
    config.listeners.insert(plain, config.listeners[&port].clone());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let listener = ListenerTuning { redirect_https: true, ..ListenerTuning::default() };
    let backend = BackendTuning {
        request_headers: vec![pair("x-from", "balancer"), pair("x-forwarded-for", "")],
        response_headers: vec![pair("strict-transport-security", "max-age=1")],
        ..BackendTuning::default()
    };
    config.tuning = Tuning {
        listeners: [(plain, listener)].into(),
        backends: [(String::new(), backend)].into(),
        ..Tuning::default()
    };
    bench.follow(&config).await;
    let (_, text) = ask(port, "h", "/headers").await;
    assert!(text.contains("x-from: balancer") && !text.contains("x-forwarded-for"), "{text}");
    let (status, headers) = answer(port, "/", &[]).await;
    assert_eq!(
        (status, &headers[STRICT_TRANSPORT_SECURITY]),
        (StatusCode::OK, &"max-age=1".parse().unwrap())
    );
    let (status, headers) = answer(plain, "/a?b", &[(HOST, "shop:80")]).await;
    assert_eq!(
        (status, &headers[LOCATION]),
        (StatusCode::FOUND, &"https://shop/a?b".parse().unwrap())
    );
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_given_up() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    let mut config = one(port, route("", "", &[&origin]));
    config.tuning.server_ms = 50;
    bench.follow(&config).await;
    assert_eq!(ask(port, "h", "/wait").await.0, StatusCode::GATEWAY_TIMEOUT);
    let service = unit(&origin).service;
    counted(&bench, service, "timed out", |c| c.failed == [(Failure::TimedOut, 1)].into()).await;
    wait_for("nothing in flight", || bench.status().in_flight.is_empty()).await;
}

#[tokio::test]
async fn what_is_on_a_silent_host_is_avoided_and_not_waited_for() {
    let (gone, good) = (Origin::start("gone").await, Origin::start("good").await);
    let bench = Bench::start();
    let port = free_port();
    let mut config = one(port, route("", "", &[&gone]));
    let host = drover_core::HostId(3);
    let targets = |config: &mut BalancerConfig, origins: &[&Origin]| {
        let mut route = route("", "", origins);
        route.targets[0].host = Some(host);
        *config = BalancerConfig { silent: config.silent.clone(), ..one(port, route) };
    };
    targets(&mut config, &[&gone]);
    bench.follow(&config).await;
    let asked = tokio::spawn(async move { ask(port, "h", "/wait").await });
    bench.status_is("a request in flight", |s| !s.in_flight.is_empty()).await;

    // What may be sent again is, to another one, the moment the host is silent.
    config.silent = [host].into();
    targets(&mut config, &[&gone, &good]);
    bench.follow(&config).await;
    bench.status_is("it to be sent on", |s| s.in_flight.contains_key(&unit(&good))).await;
    good.go_on();
    let (status, body) = asked.await.unwrap();
    assert_eq!((status, body.as_str()), (StatusCode::OK, "good GET /wait"));
    bench.status_is("why", |s| s.ejected.values().any(|why| why.contains("does not answer"))).await;
    for _ in 0..4 {
        assert_eq!(ask(port, "h", "/").await.1, "good GET /");
    }

    // Where there is no other it is better than nobody; and it is back with its host.
    targets(&mut config, &[&gone]);
    bench.follow(&config).await;
    assert_eq!(ask(port, "h", "/").await.1, "gone GET /");
    config.silent.clear();
    targets(&mut config, &[&gone, &good]);
    bench.follow(&config).await;
    bench.status_is("nothing against it", |s| s.ejected.is_empty()).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        seen.insert(ask(port, "h", "/").await.1);
    }
    assert_eq!(seen.len(), 2);
}
