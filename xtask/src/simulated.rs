//! A server of its own on this machine, and simulated hosts: a cluster that needs neither Docker nor root. Everything it
//! starts ends with the thread that started it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::api::{Api, ApiError, Key};
use crate::cluster::{ClusterError, Program, printed_key};
use crate::wait::wait;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no such server.
#[derive(Debug, thiserror::Error)]
pub enum SoloError {
    /// The server or the hosts did not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No free port.
    #[error("no port is free for a server")]
    Port(#[from] std::io::Error),
    /// The server said nothing of a key.
    #[error("the server did not listen within 30 s; its words are in {}", .0.display())]
    Silent(PathBuf),
}

/// A server on a port of its own.
pub struct Solo {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its administrator's key.
    pub key: Key,
    /// The program.
    pub server: Program,
    drover: PathBuf,
    home: PathBuf,
}

/// Hosts of one process.
#[derive(Clone, Copy, Debug)]
pub struct Hosts<'a> {
    /// How many.
    pub count: u32,
    /// Name of the process, and of its log.
    pub name: &'a str,
    /// Where they keep what they must not forget; made if need be.
    pub state: &'a Path,
    /// What else it is told, as on the command line.
    pub more: &'a [&'a str],
}

impl Solo {
    /// Start a server, its data and logs in the folder `home`.
    pub fn start(drover: &Path, home: &Path) -> Result<Self, SoloError> {
        // Free again as soon as it is known.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = home.join("server.log");
        let mut command = Command::new(drover);
        command.arg("server").args(["--listen", &address.to_string(), "--data-dir"]);
        let server = Program::start("server", command.arg(home.join("data")), &log)?;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let listens = wait(PATIENCE, || said().contains("Listening on"));
        let key = printed_key(&said()).filter(|_| listens).ok_or(SoloError::Silent(log))?;
        Ok(Self { address, key, server, drover: drover.to_owned(), home: home.to_owned() })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its API, with the administrator's key.
    pub fn api(&self) -> Api {
        Api::new(self.address, self.key.clone())
    }

    /// What a program of it has said so far.
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// A token that makes any number of machines hosts of a project.
    pub fn make_token(&self, project: &str) -> Result<String, ApiError> {
        let path = format!("/v2-beta/projects/{project}/registrationtokens");
        let made = self.api().post(&path, &json!({ "reusable": true }))?;
        Ok(made["token"].as_str().unwrap_or_default().to_owned())
    }

    /// Simulate hosts, which join by a token that serves for all of them; they are not waited for.
    pub fn start_hosts(&self, token: &str, hosts: Hosts<'_>) -> Result<Program, ClusterError> {
        let Hosts { count, name, state, more } = hosts;
        let mut command = Command::new(&self.drover);
        command.args(["agent", "--simulate", &count.to_string(), "--server", &self.url()]);
        command.args(["--token", token, "--state-dir"]).arg(state).args(more);
        Program::start(name, &command, &self.home.join(format!("{name}.log")))
    }
}
