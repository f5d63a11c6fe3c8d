//! Looking at processes through /proc: which one is a host's first, which ones live in its network. Only what
//! was found this way is ever signalled, by its number.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::wait::wait;

/// The namespaces a process can be found by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Namespace {
    /// Its processes.
    Pid,
    /// Its network.
    Net,
}

/// First processes of hosts whose marker begins with `prefix`: process numbers and markers.
pub(super) fn find_inits(prefix: &str) -> Vec<(i32, String)> {
    let found = numbers().into_iter().filter_map(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let text = String::from_utf8(arguments).ok()?;
        let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        let marker = *words.last()?;
        // `unshare`, which waits for it, carries the same marker but another program name.
        (words.first() == Some(&"sh") && marker.starts_with(prefix))
            .then(|| (pid, marker.to_owned()))
    });
    found.collect()
}

/// Processes that carry an environment variable with this value, such as a cluster's server.
pub(super) fn find_marked(variable: &str, value: &str) -> Vec<i32> {
    let wanted = format!("{variable}={value}");
    let carries = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|one| one == wanted.as_bytes())
    };
    numbers().into_iter().filter(carries).collect()
}

/// All processes that share a namespace with `pid`, itself included.
pub(super) fn sharing(pid: i32, namespace: Namespace) -> Vec<i32> {
    let Some(wanted) = namespace_of(pid, namespace) else { return Vec::new() };
    numbers()
        .into_iter()
        .filter(|p| namespace_of(*p, namespace).as_ref() == Some(&wanted))
        .collect()
}

/// The program name of a process, cut at 15 characters by the kernel.
pub(super) fn program(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Whether a process is there and not merely waiting to be reaped.
pub(super) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Kill these at once and wait until they are gone; whether they are.
pub(super) fn kill_all(pids: &[i32]) -> bool {
    for &pid in pids {
        signal(pid, Signal::KILL);
    }
    wait(Duration::from_secs(20), || pids.iter().all(|&p| !is_alive(p)))
}

/// Send a signal; a process that is gone already is no error.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn numbers() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn namespace_of(pid: i32, namespace: Namespace) -> Option<std::path::PathBuf> {
    let name = match namespace {
        Namespace::Pid => "pid",
        Namespace::Net => "net",
    };
    fs::read_link(Path::new("/proc").join(pid.to_string()).join("ns").join(name)).ok()
}
