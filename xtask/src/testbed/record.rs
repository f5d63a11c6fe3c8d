//! The record of a running testbed: what it is, not how it is. Whoever runs tests hands its path on; it is all they
//! need to find the hosts.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Layout, MOST_HOSTS};
use super::{TESTBED_VARIABLE, TestbedError};

/// A running testbed, as recorded in its `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testbed {
    /// Its number on this machine.
    pub bed: u8,
    /// Where the machine itself is reached by the hosts; the server listens here.
    pub server: Ipv4Addr,
    /// Its folder; whoever uses the bed may put files into it.
    pub folder: PathBuf,
    /// The process that takes it down when it ends; none if it is to stay.
    pub owner: Option<u32>,
    /// Its hosts, in order.
    pub hosts: Vec<TestHost>,
}

/// A host of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestHost {
    /// From 1.
    pub number: u8,
    /// Its host name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The network of its containers, reachable from everywhere in the bed.
    pub containers: String,
    /// Its engine's socket.
    pub socket: PathBuf,
}

impl Testbed {
    /// The bed that is up, by its number.
    pub fn attach(bed: u8) -> Result<Self, TestbedError> {
        Self::read(&record_of(Layout { bed }))?.ok_or(TestbedError::NotUp { bed })
    }

    /// The bed that the environment leads to, for tests; none if there is no such variable.
    pub fn from_environment() -> Result<Option<Self>, TestbedError> {
        match std::env::var_os(TESTBED_VARIABLE) {
            Some(path) => Self::read(Path::new(&path)),
            None => Ok(None),
        }
    }

    /// Where the record of this bed is; the value for [`TESTBED_VARIABLE`].
    pub fn record(&self) -> PathBuf {
        record_of(self.layout())
    }

    /// A host by its number.
    pub fn host(&self, number: u8) -> Result<&TestHost, TestbedError> {
        self.hosts.iter().find(|h| h.number == number).ok_or_else(|| {
            let problem = format!("doesn't exist; this bed has hosts 1 to {}", self.hosts.len());
            TestbedError::BadHost { host: number, problem }
        })
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { bed: self.bed }
    }

    pub(super) fn size(&self) -> u8 {
        self.hosts.iter().map(|h| h.number).max().unwrap_or_default()
    }

    /// A bed that is still to be made.
    pub(super) fn describe(layout: Layout, hosts: u8, owned: bool) -> Self {
        let host = |number| TestHost {
            number,
            name: layout.host_name(number),
            address: layout.address(number),
            containers: layout.containers(number),
            socket: layout.socket(number),
        };
        Self {
            bed: layout.bed,
            server: layout.server(),
            folder: layout.folder(),
            owner: owned.then(std::process::id),
            hosts: (1..=hosts.min(MOST_HOSTS)).map(host).collect(),
        }
    }

    /// Write the record, and make the folder for it.
    pub(super) fn write(&self) -> Result<(), TestbedError> {
        let path = self.record();
        let failed = |source| TestbedError::Folder { path: path.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.into()))?;
        std::fs::write(&path, text).map_err(failed)
    }

    /// What a record says; none if there isn't one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, TestbedError> {
        let failed = |source| TestbedError::Folder { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| failed(e.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }
}

/// Where a bed's record is.
pub(super) fn record_of(layout: Layout) -> PathBuf {
    layout.folder().join("state.json")
}
