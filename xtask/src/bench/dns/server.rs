//! The name services: each knows the same names and answers them itself.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::super::pinned::{MEASURED, on_core, start};
use super::super::{BenchError, io};
use crate::cluster::Program;

/// A name service, running.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) program: Program,
}

/// A full name and what it leads to.
type Named = (String, Ipv4Addr);

/// The names of services `s1`, `s2`, … of a stack.
pub(super) fn names(count: u16) -> Vec<Named> {
    let address = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(10, 42, high, low)
    };
    (1..=count).map(|n| (format!("s{n}.bench.rancher.internal"), address(n))).collect()
}

/// `drover discovery`.
pub(super) fn drover(at: &Path, program: &Path, names: &[Named]) -> Result<Server, BenchError> {
    let config = write(at, "discovery.json", &facts(names).to_string())?;
    let (port, metadata) = (18_201, 18_211);
    let line = format!(
        "{} discovery --config {config} --status {}/status.json --listen 127.0.0.1 --dns-port {port} \
         --metadata-port {metadata}",
        program.display(),
        at.display()
    );
    serve("Drover", at, &line, port)
}

/// dnsmasq, from a file of hosts.
pub(super) fn dnsmasq(at: &Path, names: &[Named]) -> Result<Server, BenchError> {
    let lines: Vec<_> = names.iter().map(|(name, at)| format!("{at} {name}\n")).collect();
    let hosts = write(at, "hosts", &lines.concat())?;
    let port = 18_202;
    let line = format!(
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port={port} \
         --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --addn-hosts={hosts} \
         --pid-file={}/dnsmasq.pid",
        at.display()
    );
    serve("dnsmasq", at, &line, port)
}

/// Unbound, from local data.
pub(super) fn unbound(at: &Path, names: &[Named]) -> Result<Server, BenchError> {
    let data = names.iter().map(|(name, address)| format!("local-data: \"{name}. A {address}\"\n"));
    let port = 18_203;
    let text = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  num-threads: 1\n  do-daemonize: no\n  username: \"\"\n  \
         chroot: \"\"\n  directory: \"{at}\"\n  pidfile: \"{at}/unbound.pid\"\n  use-syslog: no\n  \
         local-zone: \"rancher.internal.\" static\n{}\nremote-control:\n  control-enable: no\n",
        data.collect::<String>(),
        at = at.display()
    );
    let config = write(at, "unbound.conf", &text)?;
    serve("Unbound", at, &format!("unbound -d -c {config}"), port)
}

fn write(at: &Path, name: &str, text: &str) -> Result<String, BenchError> {
    let path = at.join(name);
    std::fs::write(&path, text).map_err(io(format!("write {name}")))?;
    Ok(path.display().to_string())
}

/// All three answer over TCP too, which says when they are there.
fn serve(name: &'static str, at: &Path, line: &str, port: u16) -> Result<Server, BenchError> {
    let log = at.join(format!("{name}.log"));
    let program = start(name, &on_core(MEASURED, line), &log, Some(port))?;
    Ok(Server { name, port, program })
}

/// The facts of a project with these services, one container each.
fn facts(names: &[Named]) -> Value {
    let services = (1_u32..).zip(names).map(|(id, (name, address))| {
        let service = name.split('.').next().unwrap_or_default();
        let container = json!({
            "unit": format!("{id}/1/1/1"), "name": format!("bench-{service}-1"), "uuid": format!("c-{id}"),
            "serial": id, "index": "1", "host": 1, "docker_id": format!("{id:064x}"),
            "address": address.to_string(), "phase": "running", "running": true, "serving": true,
            "withdrawn": false,
        });
        let service = json!({
            "stack": 1, "name": service, "uuid": format!("s-{id}"), "kind": "containers",
            "wanted": "active", "scale": 1, "members": {"": {}}, "containers": [container],
        });
        (id.to_string(), service)
    });
    json!({
        "routing": 1,
        "host": 1,
        "project": {"id": 1, "name": "bench", "uuid": "p-1"},
        "hosts": {"1": {"name": "h1", "hostname": "h1", "uuid": "h-1", "address": "192.0.2.1", "active": true, "connected": true}},
        "stacks": {"1": {"name": "bench", "uuid": "st-1"}},
        "services": services.collect::<serde_json::Map<String, Value>>(),
    })
}
