//! One host of a testbed: a process that is the first of its own process, network, name and mount namespaces. To
//! end it is to cut its power: the kernel ends everything on it. What is on its disk (its folder) stays.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::layout::Layout;
use super::process::{self, Namespace};
use super::{TestbedError, cgroup, engine, network};
use crate::command;
use crate::wait::wait;

/// What a host's first process does: be there, and reap what is orphaned.
const INIT: &str = "while :; do sleep 86400; done";

/// A host's first process, if it is up.
pub(super) fn init_of(layout: Layout, host: u8) -> Option<i32> {
    let marker = layout.marker(host);
    process::find_inits(&marker).into_iter().find(|(_, m)| *m == marker).map(|(pid, _)| pid)
}

/// Switch a host on: namespaces, cable, engine. It must be off.
pub(super) fn boot(layout: Layout, host: u8, hosts: u8) -> Result<(), TestbedError> {
    let folder = layout.host_folder(host);
    std::fs::create_dir_all(&folder)
        .map_err(|source| TestbedError::Folder { path: folder, source })?;
    let init = start_init(layout, host)?;
    // A /run of its own: engine, containerd and iptables leave nothing on the machine, and a boot starts clean.
    let name = layout.host_name(host);
    command::run(&format!("nsenter --target {init} --mount mount --no-mtab -t tmpfs tmpfs /run"))?;
    command::run(&format!("nsenter --target {init} --mount mkdir -p /run/lock"))?;
    command::run(&format!("nsenter --target {init} --uts hostname {name}"))?;
    network::connect(layout, host, hosts, init)?;
    cgroup::make(layout, host, hosts);
    engine::start(layout, host, init)
}

/// Cut a host's power. The cable goes first, so that nobody hears a goodbye. One that is off stays so.
pub(super) fn kill(layout: Layout, host: u8) -> Result<(), TestbedError> {
    if network::cable_is_there(layout, host) {
        network::pull_cable(layout, host)?;
    }
    if let Some(init) = init_of(layout, host) {
        // Agents share the host's network and name only, so the end of its first process is not theirs.
        let mut all = process::sharing(init, Namespace::Net);
        all.push(init);
        if !process::kill_all(&all) {
            return Err(TestbedError::Stuck { host, what: "its processes did not end".to_owned() });
        }
    }
    network::remove_cable(layout, host)?;
    let of_host = layout.host_cgroup(host);
    // Who was about to come into its network was not found there.
    let gone = wait(Duration::from_secs(20), || {
        for late in cgroup::members(layout, host) {
            process::signal(late, Signal::KILL);
        }
        cgroup::remove(&of_host)
    });
    if !gone {
        return Err(TestbedError::Stuck { host, what: format!("its cgroup {of_host} is busy") });
    }
    Ok(())
}

/// A command that runs on a host: in its network, under its name and from its share of the processors, with the
/// machine's files.
pub(super) fn command_on(layout: Layout, host: u8, init: i32, program: &Path) -> Command {
    let join = cgroup::join(layout, host, cgroup::Part::Programs);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{join} exec \"$@\""), "sh"]);
    command.args(["nsenter", "--target", &init.to_string(), "--net", "--uts", "--"]).arg(program);
    command
}

/// Start a host's first process and wait until its namespaces are made.
fn start_init(layout: Layout, host: u8) -> Result<i32, TestbedError> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--uts", "--mount", "--propagation", "private"]);
    unshare.args(["--pid", "--fork", "--mount-proc", "sh", "-c", INIT, &layout.marker(host)]);
    // Out of this terminal's reach: a Ctrl-C is for whoever started the bed to handle.
    unshare.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let line = command::printed(&unshare);
    unshare.spawn().map_err(|source| command::CommandError::Start { line, source })?;
    let mut init = None;
    wait(Duration::from_secs(10), || {
        init = init_of(layout, host);
        init.is_some()
    });
    init.ok_or(TestbedError::Stuck { host, what: "its namespaces were not made".to_owned() })
}
