//! The contenders: each listens on a port for HTTP, one for TLS and, where it can, one for TCP, on a core of its own,
//! and sends to the same two backends. All keep connections to backends, say who the client was, and log nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::super::pinned::{MEASURED, OTHERS, on_core, start};
use super::super::{BenchError, io};
use super::load::Spoken;
use crate::cluster::Program;
use crate::command;
use crate::packages::Needed;

/// What the contenders, their backends and their certificate come from.
pub(super) const NEEDED: [Needed; 4] =
    [("haproxy", "haproxy"), ("nginx", "nginx-light"), ("caddy", "caddy"), ("openssl", "openssl")];

/// The backends' ports.
const BACKENDS: [u16; 2] = [18_001, 18_002];
/// Where TCP leads.
pub(super) const BEHIND_TCP: u16 = 18_003;

/// A contender, running.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) program: Program,
    ports: Ports,
}

/// Where a contender listens.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    plain: u16,
    tls: u16,
    /// Not all carry TCP.
    pub(super) tcp: u16,
}

impl Ports {
    fn from(first: u16) -> Self {
        Self { plain: first, tls: first + 1, tcp: first + 2 }
    }
}

impl Proxy {
    /// The port for what is spoken.
    pub(super) fn port(&self, spoken: Spoken) -> u16 {
        if spoken == Spoken::Plain { self.ports.plain } else { self.ports.tls }
    }

    /// The port for TCP.
    pub(super) fn tcp_port(&self) -> u16 {
        self.ports.tcp
    }
}

/// Where everything of one run is written.
pub(super) struct Place {
    folder: PathBuf,
    key: String,
    chain: String,
}

impl Place {
    /// With a certificate of its own.
    pub(super) fn prepare(folder: &Path) -> Result<Self, BenchError> {
        let at = |name: &str| folder.join(name);
        let (key, chain) = (at("key.pem"), at("chain.pem"));
        command::run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench \
             -addext subjectAltName=DNS:bench,IP:127.0.0.1 -keyout {} -out {}",
            key.display(),
            chain.display()
        ))?;
        let read =
            |path: &PathBuf| std::fs::read_to_string(path).map_err(io("read what openssl made"));
        let (key, chain) = (read(&key)?, read(&chain)?);
        std::fs::write(at("both.pem"), format!("{chain}{key}"))
            .map_err(io("write a certificate"))?;
        Ok(Self { folder: folder.to_owned(), key, chain })
    }

    fn write(&self, name: &str, text: &str) -> Result<String, BenchError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(io(format!("write {name}")))?;
        Ok(path.display().to_string())
    }

    fn start(
        &self,
        name: &'static str,
        command: &Command,
        port: u16,
    ) -> Result<Program, BenchError> {
        start(name, command, &self.folder.join(format!("{name}.log")), Some(port))
    }

    /// The backends: nginx with one answer for everything.
    pub(super) fn backends(&self) -> Result<Program, BenchError> {
        let listen = BACKENDS.map(|port| format!("listen 127.0.0.1:{port} backlog=4096;")).concat();
        let server =
            format!("server {{ {listen} location / {{ return 200 \"hello, world\\n\"; }} }}");
        let file = self.write("backends.conf", &nginx_conf(&self.folder, "backends", &server))?;
        let command = on_core(OTHERS, &format!("nginx -c {file} -p {}", self.folder.display()));
        self.start("backends", &command, BACKENDS[1])
    }

    /// `drover balancer`.
    pub(super) fn drover(&self, drover: &Path) -> Result<Proxy, BenchError> {
        let ports = Ports::from(18_100);
        let config = drover_config(ports, &self.chain, &self.key).to_string();
        let config = self.write("drover.json", &config)?;
        let status = self.folder.join("status.json");
        let line = format!("balancer --config {config} --status {}", status.display());
        let command = on_core(MEASURED, &format!("{} {line}", drover.display()));
        Ok(Proxy { name: "Drover", program: self.start("Drover", &command, ports.tcp)?, ports })
    }

    /// `HAProxy`, one thread.
    pub(super) fn haproxy(&self) -> Result<Proxy, BenchError> {
        let ports = Ports::from(18_110);
        let both = self.folder.join("both.pem");
        let file = self.write("haproxy.cfg", &haproxy_cfg(ports, &both))?;
        let command = on_core(MEASURED, &format!("haproxy -db -f {file}"));
        Ok(Proxy { name: "HAProxy", program: self.start("HAProxy", &command, ports.tcp)?, ports })
    }

    /// nginx, one process.
    pub(super) fn nginx(&self) -> Result<Proxy, BenchError> {
        let ports = Ports::from(18_120);
        let Ports { plain, tls, .. } = ports;
        let [one, two] = BACKENDS;
        let server = format!(
            "upstream web {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; keepalive 512; keepalive_requests \
             100000000; }}
            server {{
                listen 127.0.0.1:{plain} backlog=4096;
                listen 127.0.0.1:{tls} ssl http2 backlog=4096;
                ssl_certificate chain.pem; ssl_certificate_key key.pem;
                location / {{
                    proxy_pass http://web; proxy_http_version 1.1;
                    proxy_set_header Connection \"\"; proxy_set_header Host $host;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Forwarded-Proto $scheme;
                }}
            }}"
        );
        let file = self.write("nginx.conf", &nginx_conf(&self.folder, "nginx", &server))?;
        let command = on_core(MEASURED, &format!("nginx -c {file} -p {}", self.folder.display()));
        Ok(Proxy { name: "nginx", program: self.start("nginx", &command, plain)?, ports })
    }

    /// Caddy, one processor.
    pub(super) fn caddy(&self) -> Result<Proxy, BenchError> {
        let ports = Ports::from(18_130);
        let Ports { plain, tls, .. } = ports;
        let [one, two] = BACKENDS;
        let folder = self.folder.display();
        let proxy = format!(
            "reverse_proxy 127.0.0.1:{one} 127.0.0.1:{two} {{
                lb_policy round_robin
                transport http {{
                    keepalive_idle_conns_per_host 512
                }}
            }}"
        );
        let text = format!(
            "{{
                admin off
                auto_https off
                log {{
                    level ERROR
                }}
            }}
            http://127.0.0.1:{plain} {{
                {proxy}
            }}
            https://127.0.0.1:{tls} {{
                tls {folder}/chain.pem {folder}/key.pem
                {proxy}
            }}\n"
        );
        let file = self.write("Caddyfile", &text)?;
        let mut command =
            on_core(MEASURED, &format!("caddy run --adapter caddyfile --config {file}"));
        // It keeps state where its user lives.
        command.env("GOMAXPROCS", "1").env("HOME", &self.folder);
        Ok(Proxy { name: "Caddy", program: self.start("Caddy", &command, plain)?, ports })
    }
}

/// One process in the foreground that logs nothing of requests.
fn nginx_conf(folder: &Path, name: &str, server: &str) -> String {
    let folder = folder.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|path| format!("{path}_temp_path {folder}/{name}-{path};"));
    format!(
        "daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
        worker_rlimit_nofile 16384;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; keepalive_requests 100000000; tcp_nodelay on; {}
            {server}
        }}\n",
        paths.concat()
    )
}

fn haproxy_cfg(ports: Ports, certificate: &Path) -> String {
    let Ports { plain, tls, tcp } = ports;
    let [one, two] = BACKENDS;
    format!(
        "global
            nbthread 1
            maxconn 8000
        defaults
            mode http
            timeout connect 5s
            timeout client 50s
            timeout server 50s
        frontend web
            bind 127.0.0.1:{plain}
            bind 127.0.0.1:{tls} ssl crt {certificate} alpn h2,http/1.1
            option forwardfor
            default_backend web
        backend web
            balance roundrobin
            http-reuse always
            server one 127.0.0.1:{one}
            server two 127.0.0.1:{two}
        listen tcp
            mode tcp
            bind 127.0.0.1:{tcp}
            server behind 127.0.0.1:{BEHIND_TCP}\n",
        certificate = certificate.display()
    )
}

fn drover_config(ports: Ports, chain: &str, key: &str) -> Value {
    let target = |slot: usize, port: u16| json!({"unit": format!("1/{slot}/1/1"), "address": format!("127.0.0.1:{port}"), "weight": 1});
    let web: Vec<Value> = (1..).zip(BACKENDS).map(|(slot, port)| target(slot, port)).collect();
    let listener = |protocol: &str, targets: &[Value]| {
        let route = json!({"backend": protocol, "targets": targets});
        json!({"protocol": protocol, "routes": [route], "certificates": ["bench"], "default_certificate": "bench"})
    };
    let listeners: serde_json::Map<String, Value> = [
        (ports.plain.to_string(), listener("http", &web)),
        (ports.tls.to_string(), listener("https", &web)),
        (ports.tcp.to_string(), listener("tcp", &[target(3, BEHIND_TCP)])),
    ]
    .into_iter()
    .collect();
    json!({
        "routing": 1,
        "listeners": listeners,
        "certificates": {"bench": {"chain": chain, "key": key}},
    })
}
