//! Programs that are needed from the machine, and installing those that are missing. Says what it will install before
//! it does, and only knows Debian's and its children's package manager. A program that a test alone needs is
//! unpacked, not installed.

use std::path::Path;
use std::process::Command;

use crate::command::{self, CommandError, is_there};

/// A program, and the Debian package it comes in.
pub type Needed = (&'static str, &'static str);

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// Some other system.
    #[error("the packages {packages} are missing and there is no apt-get to install them with")]
    NoInstaller {
        /// Their names.
        packages: String,
    },
    /// No network, not root, no such package.
    #[error("the packages {packages} could not be installed: {error}")]
    Refused {
        /// Their names.
        packages: String,
        /// What was tried last.
        error: CommandError,
    },
    /// No network, no such package.
    #[error("the package {package} could not be fetched and unpacked: {error}")]
    NotUnpacked {
        /// Its name.
        package: String,
        /// What was tried last.
        error: CommandError,
    },
}

/// Install the packages of those programs that aren't there.
pub fn provide(needed: &[Needed]) -> Result<(), PackagesError> {
    let missing = needed.iter().filter(|(program, _)| !is_there(program));
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() { Ok(()) } else { install(&packages) }
}

/// Put a package's files below a folder, which is there and empty. Nothing is installed: no service of it is set up or
/// started, and the machine is as it was. What it depends on is not fetched.
pub fn unpack(package: &str, folder: &Path) -> Result<(), PackagesError> {
    if !is_there("apt-get") {
        return Err(PackagesError::NoInstaller { packages: package.to_owned() });
    }
    let fetch = || {
        let mut apt = apt_get("download", &[package]);
        command::output(apt.current_dir(folder))
    };
    let fetched = fetch().or_else(|_| {
        command::output(&mut apt_get("update", &[]))?;
        fetch()
    });
    let unpacked = fetched.and_then(|_| {
        let script = "for file in *.deb; do dpkg-deb --extract \"$file\" . || exit 1; done";
        command::output(Command::new("sh").args(["-c", script]).current_dir(folder))
    });
    let refused = |error| PackagesError::NotUnpacked { package: package.to_owned(), error };
    unpacked.map(drop).map_err(refused)
}

fn install(packages: &[&str]) -> Result<(), PackagesError> {
    let list = packages.join(" ");
    if !is_there("apt-get") {
        return Err(PackagesError::NoInstaller { packages: list });
    }
    println!("Installing what is missing: {list}");
    // A fresh machine has no package lists; one that has them needn't fetch them again.
    let install =
        || command::output(&mut apt_get("install --yes --no-install-recommends", packages));
    let done = install().or_else(|_| {
        command::output(&mut apt_get("update", &[]))?;
        install()
    });
    done.map(drop).map_err(|error| PackagesError::Refused { packages: list, error })
}

fn apt_get(what: &str, packages: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    // Somebody else may be installing something at this moment: that is worth waiting for.
    apt.args(["-o", "DPkg::Lock::Timeout=300"]);
    apt.args(what.split(' ')).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}
