//! Certificates, services and clients for tests of connections.

use std::sync::Arc;
use std::time::Duration;

use drover_core::{BalancerConfig, CertificatePem, Listener, Route, RuleProtocol, Secret};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::bench::{Origin, read_head};

/// Nothing takes longer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// One port.
pub fn config(port: u16, protocol: RuleProtocol, route: Route) -> BalancerConfig {
    let listener = Listener { protocol, routes: vec![route], ..Listener::default() };
    BalancerConfig { listeners: [(port, listener)].into(), ..BalancerConfig::default() }
}

/// Let a port serve these certificates and no others.
pub fn offer(
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

/// Signed by itself.
pub fn certificate(names: &[&str]) -> CertificatePem {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = Secret::new(made.signing_key.serialize_pem());
    CertificatePem { chain: made.cert.pem(), key }
}

pub fn der(pem: &CertificatePem) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.chain.as_bytes()).unwrap()
}

pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// A client that trusts anybody; an address names no server.
pub async fn handshake(
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

pub type Task = tokio::task::JoinHandle<()>;

/// A service that says `first` to each connection, and then what it hears.
pub async fn echo(name: &'static str, first: &'static [u8]) -> (Origin, Task) {
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
pub async fn tls_echo(name: &'static str, pem: &CertificatePem) -> Origin {
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
pub async fn udp_echo(name: &'static str) -> Origin {
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

pub async fn udp_client(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.connect(("127.0.0.1", port)).await.unwrap();
    socket
}

pub async fn exchange(socket: &UdpSocket, text: &str) -> String {
    socket.send(text.as_bytes()).await.unwrap();
    let mut buffer = [0; 100];
    let length = timeout(LIMIT, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Say something and hear as much.
pub async fn say<S>(stream: &mut S, text: &[u8]) -> Vec<u8>
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    stream.write_all(text).await.unwrap();
    stream.flush().await.unwrap();
    hear(stream, text.len()).await
}

pub async fn hear<S: AsyncReadExt + Unpin>(stream: &mut S, length: usize) -> Vec<u8> {
    let mut heard = vec![0; length];
    timeout(LIMIT, stream.read_exact(&mut heard)).await.expect("an answer").unwrap();
    heard
}

pub async fn rest<S: AsyncReadExt + Unpin>(stream: &mut S) -> String {
    let mut heard = String::new();
    timeout(LIMIT, stream.read_to_string(&mut heard)).await.expect("an end").unwrap();
    heard
}

/// Ask by HTTP/1.1 on an open connection: head and body of the answer.
pub async fn get<S>(stream: &mut S, host: &str, path: &str) -> String
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
