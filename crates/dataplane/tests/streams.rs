//! Connections through a balancer that runs: TLS, raw TCP, server names, datagrams, PROXY headers.

#[cfg(test)]
#[allow(dead_code)] // each test file uses its part
mod bench;

#[cfg(test)]
mod wire;

use std::collections::BTreeMap;

use bench::{Bench, Origin, ask, free_port, route, unit};
use drover_core::{
    BackendTuning, CertificatePem, Failure, Hold, Listener, ListenerTuning, Route, RuleProtocol,
    Tuning,
};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::{
    LIMIT, certificate, config, der, echo, exchange, get, handshake, hear, offer, rest, say, shown,
    tls_echo, udp_client, udp_echo,
};

// TLS that ends at the balancer.

#[tokio::test]
async fn https_shows_the_certificate_of_the_server_asked_for() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    let (shop, spare) = (certificate(&["shop.example", "*.shop.example"]), certificate(&["spare"]));
    let mut config = config(port, RuleProtocol::Https, route("", "", &[&origin]));
    offer(&mut config, port, &[("shop", &shop), ("spare", &spare)], Some("spare"));
    bench.follow(&config).await;
    for (server, want) in [
        ("shop.example", &shop),
        ("a.shop.example", &shop),
        ("other", &spare),
        ("127.0.0.1", &spare),
    ] {
        let stream = handshake(port, server, &[]).await.unwrap();
        assert_eq!(shown(&stream), der(want), "{server}");
    }
    let mut stream = handshake(port, "shop.example", &[]).await.unwrap();
    let answer = get(&mut stream, "shop.example", "/headers").await;
    assert!(answer.contains("\nx-forwarded-proto: https"), "{answer}");
    let offered = handshake(port, "shop.example", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(offered.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    // Without a default, whom no certificate is for is told so.
    offer(&mut config, port, &[("shop", &shop)], None);
    bench.follow(&config).await;
    handshake(port, "shop.example", &[]).await.unwrap();
    for server in ["other", "127.0.0.1"] {
        let error = handshake(port, server, &[]).await.unwrap_err().to_string();
        assert!(error.contains("UnrecognisedName"), "{server}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_under_open_connections() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    let (old, new) = (certificate(&["shop.example"]), certificate(&["shop.example"]));
    let mut config = config(port, RuleProtocol::Https, route("", "", &[&origin]));
    offer(&mut config, port, &[("shop", &old)], None);
    bench.follow(&config).await;
    let mut open = handshake(port, "shop.example", &[]).await.unwrap();
    assert!(get(&mut open, "h", "/first").await.ends_with("one GET /first"));

    offer(&mut config, port, &[("shop", &new)], None);
    bench.follow(&config).await;
    assert!(get(&mut open, "h", "/second").await.ends_with("one GET /second"));
    assert_eq!(shown(&open), der(&old));
    let next = handshake(port, "shop.example", &[]).await.unwrap();
    assert_eq!(shown(&next), der(&new));
}

#[tokio::test]
async fn a_bad_certificate_is_named_and_the_others_work() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    let good = certificate(&["good.example"]);
    let bad = CertificatePem { key: good.key.clone(), ..certificate(&["bad.example"]) };
    let mut config = config(port, RuleProtocol::Https, route("", "", &[&origin]));
    offer(&mut config, port, &[("bad", &bad), ("good", &good)], None);
    bench.follow(&config).await;
    let problem = "certificate bad can't be served: its private key is not the one of its \
                   certificate; give it anew";
    assert_eq!(bench.status().problem, problem);
    handshake(port, "good.example", &[]).await.unwrap();
    handshake(port, "bad.example", &[]).await.unwrap_err();
}

#[tokio::test]
async fn tls_ends_here_and_its_bytes_go_on() {
    let (origin, _task) = echo("one", b"").await;
    let bench = Bench::start();
    let port = free_port();
    let shop = certificate(&["shop.example"]);
    let mut config = config(port, RuleProtocol::Tls, route("", "", &[&origin]));
    offer(&mut config, port, &[("shop", &shop)], None);
    bench.follow(&config).await;
    let mut stream = handshake(port, "shop.example", &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    assert_eq!(say(&mut stream, b"anything").await, b"anything");
}

// TLS that passes through.

#[tokio::test]
async fn a_server_name_leads_to_a_target_that_shows_its_own_certificate() {
    let (one, two) = (certificate(&["one.example"]), certificate(&["two.example"]));
    let (first, second) = (tls_echo("one", &one).await, tls_echo("two", &two).await);
    let bench = Bench::start();
    let port = free_port();
    let mut config = config(port, RuleProtocol::Sni, route("one.example", "", &[&first]));
    let wild = route("*.two.example", "", &[&second]);
    config.listeners.get_mut(&port).unwrap().routes.push(wild);
    bench.follow(&config).await;
    for (server, want) in [("one.example", &one), ("ONE.example", &one), ("a.two.example", &two)] {
        let mut stream = handshake(port, server, &[]).await.unwrap();
        assert_eq!(shown(&stream), der(want), "{server}");
        assert_eq!(say(&mut stream, b"through").await, b"through");
    }
    for server in ["other.example", "two.example", "127.0.0.1"] {
        handshake(port, server, &[]).await.unwrap_err();
    }
}

// Raw TCP.

#[tokio::test]
async fn an_end_of_what_is_sent_is_no_end_of_what_is_answered() {
    let (listener, origin) = Origin::bind("one").await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = String::new();
        stream.read_to_string(&mut question).await.unwrap();
        stream.write_all(format!("{question}? yes").as_bytes()).await.unwrap();
    });
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&origin]))).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"really").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "really? yes");
    task.await.unwrap();
    let service = unit(&origin).service;
    bench
        .status_is("it is counted", |status| {
            let counted = status.ledgers.get(&service).map(drover_core::Ledger::total);
            counted.is_some_and(|c| (c.answered, c.failures(), c.in_flight) == (1, 0, 0))
        })
        .await;
}

#[tokio::test]
async fn a_connection_goes_to_a_target_that_can_be_reached_or_is_refused_and_counted() {
    let (dead, (alive, _task)) = (Origin::dead("dead"), echo("alive", b"").await);
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&dead, &alive]))).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(say(&mut stream, b"hello").await, b"hello");
    }
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&dead]))).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    let service = unit(&dead).service;
    bench
        .status_is("the failure is counted", |status| {
            let counted = status.ledgers.get(&service).map(drover_core::Ledger::total);
            counted.is_some_and(|c| c.failed == BTreeMap::from([(Failure::Unreachable, 1)]))
        })
        .await;
}

#[tokio::test]
async fn all_targets_of_a_port_share_its_connections_whatever_their_rules_say() {
    let ((one, _one), (two, _two)) = (echo("one", b"1").await, echo("two", b"2").await);
    let bench = Bench::start();
    let port = free_port();
    let mut config = config(port, RuleProtocol::Tcp, route("one.example", "", &[&one]));
    let other = route("two.example", "/two", &[&two]);
    config.listeners.get_mut(&port).unwrap().routes.push(other);
    bench.follow(&config).await;
    let mut first = String::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        first.push_str(&String::from_utf8_lossy(&hear(&mut stream, 1).await));
    }
    assert_eq!(first, "1212");
}

#[tokio::test]
async fn a_connection_is_held_until_there_is_a_target() {
    let (origin, _task) = echo("one", b"").await;
    let bench = Bench::start();
    let port = free_port();
    let hold = Some(Hold { requests: 1, timeout_ms: 10_000 });
    let service = Some(unit(&origin).service);
    let empty = Route { hold, service, ..route("", "", &[]) };
    bench.follow(&config(port, RuleProtocol::Tcp, empty)).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"early").await.unwrap();
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&origin]))).await;
    assert_eq!(hear(&mut stream, 5).await, b"early");
}

#[tokio::test]
async fn a_connection_to_a_unit_that_drains_lives_until_its_time_is_over() {
    let ((old, _one), (new, _two)) = (echo("old", b"").await, echo("new", b"").await);
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&old]))).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    say(&mut stream, b"before").await;
    let mut next = config(port, RuleProtocol::Tcp, route("", "", &[&new]));
    next.draining.insert(unit(&old), 60_000);
    bench.follow(&next).await;
    assert_eq!(say(&mut stream, b"within").await, b"within");
    assert_eq!(bench.status().in_flight.get(&unit(&old)), Some(&1));

    // Back, and out again with less time.
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&old]))).await;
    next.draining.insert(unit(&old), 30);
    bench.follow(&next).await;
    assert_eq!(rest(&mut stream).await, "", "closed without a word, but not broken off");
    drop(stream);
    bench.status_is("nothing in flight", |status| status.in_flight.is_empty()).await;
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let (origin, _task) = echo("one", b"").await;
    let bench = Bench::start();
    let (tcp, http) = (free_port(), free_port());
    let mut config = config(tcp, RuleProtocol::Tcp, route("", "", &[&origin]));
    let listener = Listener { routes: vec![route("", "", &[&origin])], ..Listener::default() };
    config.listeners.insert(http, listener);
    config.tuning.client_ms = 50;
    bench.follow(&config).await;
    for (port, sent) in
        [(tcp, ""), (http, ""), (http, "PRI * HT"), (http, "GET / HTTP/1.1\r\nhost")]
    {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut heard)).await.expect("the end of it").ok();
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let (listener, origin) = Origin::bind("one").await;
    let bench = Bench::start();
    let port = free_port();
    let mut config = config(port, RuleProtocol::Tcp, route("", "", &[&origin]));
    config.tuning.max_connections = Some(1);
    bench.follow(&config).await;
    let mut first = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut target, _) = timeout(LIMIT, listener.accept()).await.expect("the first").unwrap();
    let mut second = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    second.write_all(b"second").await.unwrap();
    for _ in 0..50 {
        first.write_all(b"on").await.unwrap();
        assert_eq!(hear(&mut target, 2).await, b"on");
    }
    assert!(listener.accept().now_or_never().is_none(), "the second has to wait");
    drop((first, target));
    let (mut target, _) = timeout(LIMIT, listener.accept()).await.expect("the second").unwrap();
    assert_eq!(hear(&mut target, 6).await, b"second");
}

// PROXY headers.

#[tokio::test]
async fn a_proxy_s_client_is_the_client() {
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    let mut config = config(port, RuleProtocol::Http, route("", "", &[&origin]));
    let tuning = ListenerTuning { accept_proxy: true, ..ListenerTuning::default() };
    config.tuning.listeners.insert(port, tuning);
    bench.follow(&config).await;
    let one = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 80\r\n";
    let two = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc6\x33\x64\x01\xc7\x38\0\x50";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, client) in
        [(&one[..], "192.0.2.7"), (&two[..], "192.0.2.8"), (&local[..], "127.0.0.1")]
    {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(header).await.unwrap();
        let answer = get(&mut stream, "h", "/headers").await;
        assert!(answer.contains(&format!("\nx-forwarded-for: {client}\n")), "{answer}");
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut heard = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut heard)).await.expect("the end of it").ok();
    assert!(heard.is_empty(), "no answer without a header");
}

#[tokio::test]
async fn targets_are_told_of_the_client() {
    let bench = Bench::start();
    let (origin, _task) = echo("one", b"").await;
    for (version, begin) in
        [(1, &b"PROXY TCP4 127.0.0.1 127.0.0.1 "[..]), (2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11")]
    {
        let port = free_port();
        let mut config = config(port, RuleProtocol::Tcp, route("", "", &[&origin]));
        let tuning = BackendTuning { send_proxy: Some(version), ..BackendTuning::default() };
        config.tuning.backends.insert(String::new(), tuning);
        bench.follow(&config).await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let heard = say(&mut stream, begin).await;
        assert_eq!(heard, begin, "the echo begins with the header");
    }
}

// Datagrams.

#[tokio::test]
async fn datagrams_stay_with_their_target_while_it_is_there() {
    let (one, two) = (udp_echo("one").await, udp_echo("two").await);
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&config(port, RuleProtocol::Udp, route("", "", &[&one, &two]))).await;
    let (first, second) = (udp_client(port).await, udp_client(port).await);
    for _ in 0..3 {
        assert_eq!(exchange(&first, "hello").await, "one hello");
        assert_eq!(exchange(&second, "hello").await, "two hello");
    }
    assert_eq!(bench.status().problem, "");
    bench.status_is("both are counted", |status| status.in_flight.len() == 2).await;

    let mut without = config(port, RuleProtocol::Udp, route("", "", &[&two]));
    without.draining.insert(unit(&one), 60_000);
    bench.follow(&without).await;
    assert_eq!(exchange(&first, "again").await, "two again");
    bench
        .status_is("the drained one is let go", |status| {
            !status.in_flight.contains_key(&unit(&one))
        })
        .await;
}

#[tokio::test]
async fn a_datagram_that_nobody_listens_for_goes_to_another_target() {
    let (dead, alive) = (Origin::dead("dead"), udp_echo("alive").await);
    let bench = Bench::start();
    let port = free_port();
    let mut config = config(port, RuleProtocol::Udp, route("", "", &[&dead, &alive]));
    config.tuning = Tuning { client_ms: 10_000, ..Tuning::default() };
    bench.follow(&config).await;
    for _ in 0..2 {
        assert_eq!(exchange(&udp_client(port).await, "hello").await, "alive hello");
    }
}

// What is spoken may change.

#[tokio::test]
async fn a_port_changes_its_protocol_without_closing() {
    let (raw, _task) = echo("raw", b"").await;
    let origin = Origin::start("one").await;
    let bench = Bench::start();
    let port = free_port();
    bench.follow(&config(port, RuleProtocol::Tcp, route("", "", &[&raw]))).await;
    let mut open = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    say(&mut open, b"raw").await;
    bench.follow(&config(port, RuleProtocol::Http, route("", "", &[&origin]))).await;
    assert_eq!(ask(port, "h", "/").await.1, "one GET /");
    assert_eq!(say(&mut open, b"still raw").await, b"still raw");
}

/// Where the child below finds its files; set for it alone.
const CHILD: &str = "DROVER_ACCESS_TEST";

#[tokio::test]
async fn a_request_is_told_when_it_ends() {
    let origin = Origin::start("one").await;
    let port = free_port();
    let bench = Bench::of_another_process(tempfile::tempdir().unwrap());
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["balance_and_tell", "--exact", "--nocapture"])
        .env(CHILD, bench.dir())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    bench.follow(&config(port, RuleProtocol::Http, route("", "/x", &[&origin]))).await;
    ask(port, "shop.example", "/x?secret=1").await;
    ask(port, "shop.example", "/y").await;
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let told = async {
        let mut told = Vec::new();
        while told.len() < 2 {
            let line = lines.next_line().await.unwrap().expect("more lines");
            if line.contains("GET") {
                told.push(line);
            }
        }
        told
    };
    let told = timeout(LIMIT, told).await.expect("two lines");
    let whole = format!(" {port} shop.example GET /x 200 19 {} ", unit(&origin));
    assert!(told[0].contains(&whole), "{told:?}");
    assert!(
        told[1].contains(" shop.example GET /y 503 ") && told[1].ends_with(" Unknown"),
        "{told:?}"
    );
}

/// The child. Does nothing when run as a test.
#[tokio::test]
async fn balance_and_tell() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let mut options = bench::options(dir.as_ref());
    options.access_log = Some(drover_dataplane::balancer::AccessFormat::Text);
    drover_dataplane::balancer::run(options).await.unwrap();
}
