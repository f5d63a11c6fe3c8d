//! The balancer as it runs: real sockets on loopback, real files, and levels to wait for.

#[cfg(test)]
#[allow(dead_code)] // each test file uses its part
mod bench;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bench::{Bench, Origin, ask, free_port, route, unit, wait_for};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn requests_go_round_the_targets_of_their_route() {
    let (one, two, other) =
        (Origin::start("one").await, Origin::start("two").await, Origin::start("other").await);
    let bench = Bench::start();
    let port = free_port();
    let routes = vec![route("shop.example", "/", &[&one, &two]), route("", "/other", &[&other])];
    bench.apply(&[(port, routes)]).await;

    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(ask(port, "shop.example", "/x?y=z").await.1);
    }
    assert_eq!(answers, ["one GET /x?y=z", "two GET /x?y=z", "one GET /x?y=z", "two GET /x?y=z"]);
    assert_eq!(ask(port, "any", "/other").await, (StatusCode::OK, "other GET /other".into()));
    let nobody = "No service is published under this host name and path.\n".into();
    assert_eq!(ask(port, "any", "/").await, (StatusCode::SERVICE_UNAVAILABLE, nobody));
}

#[tokio::test]
async fn a_target_hears_who_asked_and_for_what() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    let (_, headers) = ask(port, "shop.example:81", "/headers").await;
    let expected = format!(
        "forwarded: for=127.0.0.1;proto=http;host=\"shop.example:81\"\n\
         host: shop.example:81\nx-forwarded-for: 127.0.0.1\nx-forwarded-host: shop.example:81\n\
         x-forwarded-port: {port}\nx-forwarded-proto: http"
    );
    assert_eq!(headers, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_no_request() {
    let mut origins = Vec::new();
    for name in ["a", "b", "c"] {
        origins.push(Origin::start(name).await);
    }
    let bench = Bench::start();
    let port = free_port();
    let all: Vec<&Origin> = origins.iter().collect();
    bench.apply(&[(port, vec![route("", "", &all)])]).await;

    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                let client = bench::client();
                while !stop.load(Ordering::Relaxed) {
                    let (status, text) = bench::ask_by(&client, port, "h", "/").await;
                    assert_eq!(status, StatusCode::OK, "{text}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..30 {
        // Every config leaves one target out; it may be the one that requests are under way to.
        let targets: Vec<&Origin> = (0..3).filter(|n| *n != round % 3).map(|n| all[n]).collect();
        bench.apply(&[(port, vec![route("", "", &targets)])]).await;
        let before = answered.load(Ordering::Relaxed);
        wait_for("requests between reloads", || answered.load(Ordering::Relaxed) > before + 20)
            .await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn after_an_applied_config_a_target_that_left_gets_nothing() {
    let (old, new) = (Origin::start("old").await, Origin::start("new").await);
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&old])])]).await;
    let slow = tokio::spawn(async move { ask(port, "h", "/wait").await });
    bench.status_is("a request in flight", |s| s.in_flight.get(&unit(&old)) == Some(&1)).await;

    bench.apply(&[(port, vec![route("", "", &[&new])])]).await;
    let status = bench.status();
    assert_eq!(status.in_flight.get(&unit(&old)), Some(&1), "still counted after it left");
    for _ in 0..5 {
        assert_eq!(ask(port, "h", "/").await.1, "new GET /");
    }
    old.go_on();
    assert_eq!(slow.await.unwrap(), (StatusCode::OK, "old GET /wait".into()));
    bench.status_is("nothing in flight", |s| s.in_flight.is_empty()).await;
}

#[tokio::test]
async fn ports_open_and_close_while_others_go_on() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let (first, second) = (free_port(), free_port());
    let routes = || vec![route("", "", &[&origin])];
    bench.apply(&[(first, routes())]).await;
    let client = bench::client();
    bench::ask_by(&client, first, "h", "/").await;

    bench.apply(&[(first, routes()), (second, routes())]).await;
    assert_eq!(ask(second, "h", "/").await.0, StatusCode::OK);
    let slow = tokio::spawn(async move { ask(second, "h", "/wait").await });
    bench.status_is("a request in flight", |s| !s.in_flight.is_empty()).await;
    bench.apply(&[(first, routes())]).await;
    wait_for("the port to be closed", || {
        std::net::TcpStream::connect(("127.0.0.1", second)).is_err()
    })
    .await;
    origin.go_on();
    assert_eq!(slow.await.unwrap().0, StatusCode::OK, "what was in flight ends well");
    assert_eq!(bench::ask_by(&client, first, "h", "/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_unreachable_target_costs_no_request() {
    let (dead, alive) = (Origin::dead("dead"), Origin::start("alive").await);
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&dead, &alive])])]).await;
    for _ in 0..4 {
        let (status, text) = bench::post(port, "/echo", "the body").await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "the body"));
    }
    bench.apply(&[(port, vec![route("", "", &[&dead])])]).await;
    let words = "No container of this service can be reached now.\n".into();
    assert_eq!(ask(port, "h", "/").await, (StatusCode::SERVICE_UNAVAILABLE, words));
    bench.apply(&[(port, vec![route("", "", &[])])]).await;
    let words = "No container of this service can take requests now.\n".into();
    assert_eq!(ask(port, "h", "/").await, (StatusCode::SERVICE_UNAVAILABLE, words));
}

#[tokio::test]
async fn a_broken_connection_is_repeated_only_where_that_is_safe() {
    let (rude, good) = (Origin::rude("rude").await, Origin::start("good").await);
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&rude, &good])])]).await;
    for _ in 0..4 {
        assert_eq!(ask(port, "h", "/").await, (StatusCode::OK, "good GET /".into()));
    }
    bench.apply(&[(port, vec![route("", "", &[&rude])])]).await;
    let words = "The service broke the connection before it answered.\n".into();
    let answer = bench::post(port, "/", "pay").await;
    assert_eq!(answer, (StatusCode::BAD_GATEWAY, words));
    assert_eq!(rude.asked_for("pay"), 1, "sent once");
}

#[tokio::test]
async fn long_bodies_pass_both_ways() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    let body = "0123456789abcdef".repeat(1 << 17);
    let (status, echo) = bench::post(port, "/echo", &body).await;
    assert_eq!(status, StatusCode::OK);
    assert!(echo == body, "{} of {} bytes came back", echo.len(), body.len());
}

#[tokio::test]
async fn http_2_is_taken_and_handed_on_as_http_1() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("127.0.0.1", "", &[&origin])])]).await;
    // HTTP/2 names the host in `:authority`, which goes before a Host header.
    let client = bench::http2_client();
    let answers = (0..20).map(|_| bench::ask_by(&client, port, "other", "/version"));
    for (status, text) in futures_util::future::join_all(answers).await {
        assert_eq!((status, text.as_str()), (StatusCode::OK, "HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_changed_protocol_is_a_tunnel() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let hello = "GET /tunnel HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(hello.as_bytes()).await.unwrap();
    let head = bench::read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("upgrade: echo\r\n"), "{head}");
    bench.status_is("the tunnel is counted", |s| s.in_flight.get(&unit(&origin)) == Some(&1)).await;

    // A reload does not touch it.
    bench.apply(&[(port, vec![])]).await;
    stream.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");
    drop(stream);
    bench.status_is("the tunnel ended", |s| s.in_flight.is_empty()).await;
}

#[tokio::test]
async fn a_bad_config_is_said_and_changes_nothing() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    bench.status_is("no config yet", |s| s.problem.contains("can't be read")).await;
    let port = free_port();
    let routes = || vec![route("", "", &[&origin])];
    bench.apply(&[(port, routes())]).await;
    let applied = bench.status().applied;

    bench.replace(b"{ not json");
    bench.status_is("a problem", |s| s.problem.contains("makes no sense")).await;
    assert_eq!(bench.status().applied, applied);
    assert_eq!(ask(port, "h", "/").await.0, StatusCode::OK);
    bench.apply(&[(port, routes())]).await;
    bench.status_is("no problem", |s| s.problem.is_empty() && s.applied == applied).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_tried_again() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let holder = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
    let port = holder.local_addr().unwrap().port();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    let problem = format!("port {port} can't be opened: Address already in use");
    bench.status_is("the problem", |s| s.problem.starts_with(&problem)).await;
    drop(holder);
    bench.status_is("no problem", |s| s.problem.is_empty()).await;
    assert_eq!(ask(port, "h", "/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stop_takes_nothing_new_and_finishes_what_is_in_flight() {
    let origin = Origin::start("one").await;
    let mut bench = Bench::start();
    let port = free_port();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    // An idle connection must not hold it up.
    let idle = bench::client();
    bench::ask_by(&idle, port, "h", "/").await;
    bench.status_is("its end is written", |s| s.in_flight.is_empty()).await;
    let slow = tokio::spawn(async move { ask(port, "h", "/wait").await });
    bench.status_is("a request in flight", |s| !s.in_flight.is_empty()).await;
    bench.stop();
    wait_for("the port to be closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
    origin.go_on();
    assert_eq!(slow.await.unwrap().0, StatusCode::OK);
    bench.ended().await;
    assert!(bench.status().in_flight.is_empty());
}

/// Where the child below finds its files; set for it alone.
const CHILD: &str = "DROVER_BALANCER_TEST";

#[tokio::test]
async fn sigterm_ends_the_process_well() {
    let origin = Origin::start("one").await;
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::of_another_process(dir);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["balance_until_told", "--exact"])
        .env(CHILD, bench.dir())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    bench.apply(&[(port, vec![route("", "", &[&origin])])]).await;
    let slow = tokio::spawn(async move { ask(port, "h", "/wait").await });
    bench.status_is("a request in flight", |s| !s.in_flight.is_empty()).await;
    let pid = child.id().unwrap().to_string();
    let mut kill = tokio::process::Command::new("kill");
    assert!(kill.args(["-TERM", &pid]).status().await.unwrap().success());
    wait_for("the port to be closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
    origin.go_on();
    assert_eq!(slow.await.unwrap().0, StatusCode::OK);
    let end = tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await;
    assert!(end.unwrap().unwrap().success());
    assert!(bench.status().in_flight.is_empty());
}

/// The child. Does nothing when run as a test.
#[tokio::test]
async fn balance_until_told() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    drover_dataplane::balancer::run(bench::options(dir.as_ref())).await.unwrap();
}
