//! What a testbed needs from the machine, and installing what is missing. Says what it will install before it
//! does, and only knows Debian's and its children's package manager.

use std::process::Command;

use super::TestbedError;
use crate::command::{self, CommandError, is_there};

/// Programs needed, and the Debian package each comes in.
const NEEDED: [(&str, &str); 6] = [
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
    let packages = missing();
    if !packages.is_empty() {
        install(&packages)?;
    }
    probe()
}

/// The packages of the needed programs that aren't there.
fn missing() -> Vec<&'static str> {
    let mut packages: Vec<_> =
        NEEDED.into_iter().filter(|(program, _)| !is_there(program)).map(|(_, p)| p).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn install(packages: &[&str]) -> Result<(), TestbedError> {
    let list = packages.join(" ");
    if !is_there("apt-get") {
        return Err(TestbedError::NotInstalled(format!(
            "the packages {list} are missing and there is no apt-get to install them with"
        )));
    }
    println!("Installing what is missing: {list}");
    // A fresh machine has no package lists; one that has them needn't fetch them again.
    let done = apt_get("install --yes --no-install-recommends", packages).or_else(|_| {
        apt_get("update", &[])?;
        apt_get("install --yes --no-install-recommends", packages)
    });
    done.map_err(|error| {
        TestbedError::NotInstalled(format!("the packages {list} could not be installed: {error}"))
    })
}

fn apt_get(what: &str, packages: &[&str]) -> Result<(), CommandError> {
    let mut apt = Command::new("apt-get");
    apt.args(what.split(' ')).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    command::output(&mut apt).map(drop)
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
