//! Connections through a balancer that runs: TLS, raw TCP, server names, datagrams, PROXY headers.

#[cfg(test)]
#[allow(dead_code)] // each test file uses its part
mod bench;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::{Bench, Origin, ask, free_port, read_head, route, unit};
use drover_core::{
    BackendTuning, BalancerConfig, CertificatePem, Failure, Hold, Listener, ListenerTuning, Route,
    RuleProtocol, Secret, Tuning,
};
use futures_util::FutureExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LIMIT: Duration = Duration::from_secs(10);

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

fn config(port: u16, protocol: RuleProtocol, route: Route) -> BalancerConfig {
    let listener = Listener { protocol, routes: vec![route], ..Listener::default() };
    BalancerConfig { listeners: [(port, listener)].into(), ..BalancerConfig::default() }
}

/// Let a port serve these certificates and no others.
fn offer(
    config: &mut BalancerConfig,
    port: u16,
    certificates: &[(&str, &CertificatePem)],
    default: Option<&str>,
) {
    let all = certificates.iter().map(|(name, pem)| ((*name).to_owned(), (*pem).clone()));
    config.certificates = all.collect();
    let listener = config.listeners.get_mut(&port).unwrap();
    listener.certificates = certificates.iter().map(|(name, _)| (*name).to_owned()).collect();
    listener.default_certificate = default.map(str::to_owned);
}

fn certificate(names: &[&str]) -> CertificatePem {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = Secret::new(made.signing_key.serialize_pem());
    CertificatePem { chain: made.cert.pem(), key }
}

fn der(pem: &CertificatePem) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.chain.as_bytes()).unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// A client that trusts anybody; an address names no server.
async fn handshake(
    port: u16,
    server: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(Trusting));
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let server = ServerName::try_from(server.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(server, stream);
    timeout(LIMIT, connected).await.expect("the handshake ends")
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

type Task = tokio::task::JoinHandle<()>;

/// A service that says `first` to each connection, and then what it hears.
async fn echo(name: &'static str, first: &'static [u8]) -> (Origin, Task) {
    let (listener, origin) = Origin::bind(name).await;
    (origin, tokio::spawn(echo_all(listener, first)))
}

async fn echo_all(listener: TcpListener, first: &'static [u8]) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            stream.write_all(first).await.ok();
            let (mut read, mut write) = stream.split();
            copy(&mut read, &mut write).await.ok();
        });
    }
}

/// The same behind TLS of its own.
async fn tls_echo(name: &'static str, pem: &CertificatePem) -> Origin {
    let (listener, origin) = Origin::bind(name).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::from_pem_slice(pem.key.reveal().as_bytes()).unwrap();
    let config = config.with_single_cert(vec![der(pem)], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let accepted = acceptor.accept(stream);
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(accepted.await.unwrap());
                copy(&mut read, &mut write).await.ok();
            });
        }
    });
    origin
}

/// A service that answers datagrams with its name before them.
async fn udp_echo(name: &'static str) -> Origin {
    let origin = Origin::dead(name);
    let socket = UdpSocket::bind(origin.address()).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]);
            socket.send_to(format!("{name} {text}").as_bytes(), from).await.ok();
        }
    });
    origin
}

async fn udp_client(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.connect(("127.0.0.1", port)).await.unwrap();
    socket
}

async fn exchange(socket: &UdpSocket, text: &str) -> String {
    socket.send(text.as_bytes()).await.unwrap();
    let mut buffer = [0; 100];
    let length = timeout(LIMIT, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Say something and hear as much.
async fn say<S>(stream: &mut S, text: &[u8]) -> Vec<u8>
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    stream.write_all(text).await.unwrap();
    stream.flush().await.unwrap();
    hear(stream, text.len()).await
}

async fn hear<S: AsyncReadExt + Unpin>(stream: &mut S, length: usize) -> Vec<u8> {
    let mut heard = vec![0; length];
    timeout(LIMIT, stream.read_exact(&mut heard)).await.expect("an answer").unwrap();
    heard
}

async fn rest<S: AsyncReadExt + Unpin>(stream: &mut S) -> String {
    let mut heard = String::new();
    timeout(LIMIT, stream.read_to_string(&mut heard)).await.expect("an end").unwrap();
    heard
}

/// Ask by HTTP/1.1 on an open connection: head and body of the answer.
async fn get<S>(stream: &mut S, host: &str, path: &str) -> String
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let head = timeout(LIMIT, read_head(stream)).await.expect("an answer");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.expect("a length").parse().unwrap();
    let body = hear(stream, length).await;
    format!("{head}\n{}", String::from_utf8(body).unwrap())
}
