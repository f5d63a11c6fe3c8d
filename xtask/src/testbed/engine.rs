//! A host's Docker engine: starting it, waiting for it, asking it how it is, ending it. Debian's engine 20.10 is
//! the oldest that must work here; newer ones get the one flag they need in addition.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::TestbedError;
use super::cgroup;
use super::layout::Layout;
use super::process::{self, Namespace};
use crate::command;
use crate::wait::wait;

/// How long an engine may take to answer; it is 0.2 s on a quiet machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Start a host's engine and wait until it answers.
pub(super) fn start(layout: Layout, host: u8, init: i32) -> Result<(), TestbedError> {
    if !configuration(layout, host).exists() {
        // A restart of the engine must touch no container; that is the agent's promise too.
        configure(layout, host, true)?;
    }
    let log = layout.host_folder(host).join("dockerd.log");
    let line = format!("{} >>{} 2>&1 &", arguments(layout, host).join(" "), log.display());
    let line = format!("{} {line}", cgroup::join(layout, host, cgroup::Part::Engine));
    let mut shell = Command::new("nsenter");
    shell.args(["--target", &init.to_string(), "--mount", "--uts", "--net", "--pid"]);
    shell.args(["--", "sh", "-c", &line]).process_group(0);
    command::output(&mut shell)?;
    if wait(PATIENCE, || answers(layout, host)) {
        return Ok(());
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    Err(TestbedError::Engine { host, said: command::last_lines(&said, 8) })
}

/// Say whether containers outlive their engine, also to an engine that runs.
pub(super) fn set_live_restore(
    layout: Layout,
    host: u8,
    init: i32,
    live_restore: bool,
) -> Result<(), TestbedError> {
    configure(layout, host, live_restore)?;
    for engine in programs(init, "dockerd") {
        process::signal(engine, Signal::HUP);
    }
    let is_so = || {
        get(layout, host, "/info")
            .is_some_and(|info| info.contains(&format!("\"LiveRestoreEnabled\":{live_restore}")))
    };
    if wait(PATIENCE, is_so) {
        return Ok(());
    }
    Err(TestbedError::Stuck { host, what: "its engine did not take its configuration".to_owned() })
}

/// End a host's engine and leave its containers running; as a crash (`kill -9`) or as a service stop.
pub(super) fn stop(host: u8, init: i32, crash: bool) -> Result<(), TestbedError> {
    let engines = programs(init, "dockerd");
    let signal = if crash { Signal::KILL } else { Signal::TERM };
    for &engine in &engines {
        process::signal(engine, signal);
    }
    if wait(PATIENCE, || engines.iter().all(|&pid| !process::is_alive(pid))) {
        return Ok(());
    }
    Err(TestbedError::Stuck { host, what: format!("its engine did not end within {PATIENCE:?}") })
}

/// Whether a host's engine answers.
pub(super) fn answers(layout: Layout, host: u8) -> bool {
    get(layout, host, "/_ping").is_some_and(|answer| answer.contains("\r\n\r\nOK"))
}

/// Version of a host's engine, and how many containers run on it.
pub(super) fn describe(layout: Layout, host: u8) -> Option<(String, u64)> {
    let answer = get(layout, host, "/info")?;
    let body = answer.split_once("\r\n\r\n")?.1;
    let info: serde_json::Value = serde_json::from_str(body).ok()?;
    Some((info["ServerVersion"].as_str()?.to_owned(), info["ContainersRunning"].as_u64()?))
}

fn configuration(layout: Layout, host: u8) -> PathBuf {
    layout.host_folder(host).join("daemon.json")
}

fn configure(layout: Layout, host: u8, live_restore: bool) -> Result<(), TestbedError> {
    let path = configuration(layout, host);
    let text = format!("{{ \"live-restore\": {live_restore} }}\n");
    std::fs::write(&path, text).map_err(|source| TestbedError::Folder { path, source })
}

/// The engine's command line. Its folder holds what a disk would; /run is the host's own and is lost with it.
fn arguments(layout: Layout, host: u8) -> Vec<String> {
    let folder = layout.host_folder(host);
    let mut line = vec![
        "exec dockerd".to_owned(),
        format!("--data-root {}", folder.join("docker").display()),
        "--exec-root /run/docker --pidfile /run/docker.pid".to_owned(),
        format!("--host unix://{} --host unix:///run/docker.sock", layout.socket(host).display()),
        format!("--cgroup-parent /{}", layout.host_cgroup(host)),
        "--exec-opt native.cgroupdriver=cgroupfs".to_owned(),
        format!("--bip {} --ip-masq=false", layout.engine_address(host)),
        format!("--insecure-registry {}", layout.hosts_network()),
        format!("--config-file {}", configuration(layout, host).display()),
    ];
    if command::run("dockerd --help").is_ok_and(|help| help.contains("--allow-direct-routing")) {
        line.push("--allow-direct-routing".to_owned());
    }
    line
}

/// A host's processes of this name.
fn programs(init: i32, name: &str) -> Vec<i32> {
    let inside = process::sharing(init, Namespace::Pid).into_iter();
    inside.filter(|pid| process::program(*pid) == name).collect()
}

/// The whole answer to a GET, or nothing if the engine doesn't answer.
fn get(layout: Layout, host: u8, path: &str) -> Option<String> {
    let mut stream = UnixStream::connect(layout.socket(host)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
