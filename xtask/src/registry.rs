//! A registry for images: Debian's `docker-registry`, unpacked and not installed, at an address that the testbed's engines
//! trust. What is pushed there has a digest, as images from the world have.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cluster::{ClusterError, Ending, Program};
use crate::docker::{Engine, EngineError};
use crate::packages::{self, PackagesError};
use crate::wait::wait;

const PORT: u16 = 5000;
/// Until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs until it is dropped.
pub struct Registry {
    program: Program,
    address: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Debian's can't be had.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// It can't be started.
    #[error(transparent)]
    Program(#[from] ClusterError),
    /// An engine would not push.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its folder.
    #[error("the registry's folder can't be written: {0}")]
    Folder(#[from] std::io::Error),
    /// It does not answer.
    #[error("the registry does not answer; it said:\n{0}")]
    Silent(String),
}

impl Registry {
    /// Start one, with everything it needs and keeps in a folder.
    pub fn start(at: Ipv4Addr, folder: &Path) -> Result<Self, RegistryError> {
        let package = folder.join("package");
        std::fs::create_dir_all(&package)?;
        packages::unpack("docker-registry", &package)?;
        let address = format!("{at}:{PORT}");
        let (config, log) = (folder.join("config.yml"), folder.join("log"));
        let data = folder.join("data");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(package.join("usr/bin/docker-registry"));
        command.arg("serve").arg(&config);
        let program = Program::start("docker-registry", &command, &log)?;
        if !wait(PATIENCE, || TcpStream::connect(&address).is_ok()) {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(RegistryError::Silent(said));
        }
        Ok(Self { program, address })
    }

    /// What an image of it is called.
    pub fn name_of(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// Name an image of an engine anew, and push it under that name.
    pub fn push(&self, engine: &Engine, image: &str, name: &str) -> Result<(), RegistryError> {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let path = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        engine.ask("POST", &path, "", &[])?;
        Ok(engine.push(repository, tag)?)
    }

    /// End it.
    pub fn stop(self) -> Result<(), RegistryError> {
        Ok(self.program.end(Ending::Crash)?)
    }
}
