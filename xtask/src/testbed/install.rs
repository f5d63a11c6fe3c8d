//! What a testbed needs from the machine.

use super::TestbedError;
use crate::command;
use crate::packages::{self, Needed};

/// Programs needed, and the Debian package each comes in.
const NEEDED: [Needed; 6] = [
    ("dockerd", "docker.io"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
];

/// Make sure that the machine can carry a testbed; installs what is missing.
pub(super) fn prepare() -> Result<(), TestbedError> {
    if !rustix::process::geteuid().is_root() {
        return Err(TestbedError::Impossible("this user is not root".to_owned()));
    }
    packages::provide(&NEEDED).map_err(TestbedError::NotInstalled)?;
    probe()
}

/// Try the one thing that sandboxes forbid: new namespaces with a mount in them.
fn probe() -> Result<(), TestbedError> {
    let namespaces = "--net --uts --mount --propagation private --pid --fork --mount-proc";
    let tried = format!("unshare {namespaces} mount --no-mtab -t tmpfs tmpfs /mnt");
    if let Err(error) = command::run(&tried) {
        return Err(TestbedError::Impossible(format!("namespaces can't be made here: {error}")));
    }
    if !std::path::Path::new("/sys/fs/cgroup").read_dir().is_ok_and(|mut d| d.next().is_some()) {
        return Err(TestbedError::Impossible(
            "no cgroups are mounted at /sys/fs/cgroup".to_owned(),
        ));
    }
    Ok(())
}
