//! A cluster on a testbed: a real `drover server` on the machine, a real `drover agent` on every host, joined by a
//! token, and the command line in front. Everything it starts ends with the thread that started it.
//!
//! It drives the product by its programs and its API only; what it knows of the product is what users know.

mod error;
mod lives;
mod program;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

pub use error::ClusterError;
pub use lives::{Life, Lives};
pub use program::{Ending, Program};

use crate::api::{Api, Key};
use crate::docker::{Container, Engine};
use crate::testbed::{PART_VARIABLE, Testbed};
use crate::wait::wait;

/// Port of the server's API.
const PORT: u16 = 8080;

/// How long the server and the hosts may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Label of every container that is Drover's.
pub const OWNER_LABEL: &str = "io.drover.cluster";

/// A running cluster.
pub struct Cluster {
    /// The hosts.
    pub bed: Testbed,
    drover: PathBuf,
    agent_program: PathBuf,
    folder: PathBuf,
    data: PathBuf,
    server: Option<Program>,
    agents: BTreeMap<u8, Program>,
    key: Key,
}

impl Cluster {
    /// Start a server and an agent on every host, joined by a token each; ready when all hosts are. What an earlier
    /// cluster left on the bed is removed first.
    pub fn start(bed: Testbed, drover: &Path) -> Result<Self, ClusterError> {
        let data = bed.folder.join("cluster").join("server");
        Self::start_on(bed, drover, &data)
    }

    /// The same with the server's data in another folder.
    pub fn start_on(bed: Testbed, drover: &Path, data: &Path) -> Result<Self, ClusterError> {
        let folder = bed.folder.join("cluster");
        remove_leftovers(&bed, &folder)?;
        let key = Key { access: String::new(), secret: String::new() };
        let (drover, data, agents) = (drover.to_owned(), data.to_owned(), BTreeMap::new());
        let agent_program = drover.clone();
        let server = None;
        let mut cluster = Self { bed, drover, agent_program, folder, data, server, agents, key };
        cluster.start_server()?;
        cluster.key = cluster.read_key()?;
        for host in cluster.host_numbers() {
            let token = cluster.make_token()?;
            cluster.join(host, &token)?;
        }
        cluster.wait_for_hosts()?;
        Ok(cluster)
    }

    /// Start the server on the data it has, and wait until it answers.
    pub fn start_server(&mut self) -> Result<(), ClusterError> {
        let mut command = Command::new(&self.drover);
        command.arg("server").arg("--listen").arg(self.address().to_string());
        command.arg("--data-dir").arg(&self.data);
        command.env(PART_VARIABLE, self.bed.bed.to_string());
        self.server = Some(Program::start("server", &command, &self.log("server"))?);
        let answers = wait(PATIENCE, || self.api().exchange("GET", "/ping", &[]).is_ok());
        self.must(answers, "the server to answer", "server")
    }

    /// End the server.
    pub fn stop_server(&mut self, ending: Ending) -> Result<(), ClusterError> {
        self.server.take().map_or(Ok(()), |server| server.end(ending))
    }

    /// Start a host's agent with a token, for its first time.
    pub fn join(&mut self, host: u8, token: &str) -> Result<(), ClusterError> {
        self.start_agent_with(host, &["--token", token])
    }

    /// Start a host's agent, which has joined before.
    pub fn start_agent(&mut self, host: u8) -> Result<(), ClusterError> {
        self.start_agent_with(host, &[])
    }

    /// End a host's agent; its containers go on.
    pub fn stop_agent(&mut self, host: u8, ending: Ending) -> Result<(), ClusterError> {
        self.agents.remove(&host).map_or(Ok(()), |agent| agent.end(ending))
    }

    /// Let a host's agent stand still until [`Self::thaw_agent`].
    pub fn freeze_agent(&self, host: u8) {
        self.agent(host).into_iter().for_each(Program::freeze);
    }

    /// Let a host's agent go on.
    pub fn thaw_agent(&self, host: u8) {
        self.agent(host).into_iter().for_each(Program::thaw);
    }

    /// The program that agents are started from.
    pub fn agent_program(&self) -> &Path {
        &self.agent_program
    }

    /// From now on agents are started from this one.
    pub fn set_agent_program(&mut self, program: &Path) {
        program.clone_into(&mut self.agent_program);
    }

    /// Where logs and state of this cluster are; removed with the next one.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// End a host's agent and forget what it knew: it must join again.
    pub fn forget_agent(&mut self, host: u8) -> Result<(), ClusterError> {
        self.stop_agent(host, Ending::Stop)?;
        let path = self.folder.join(agent_name(host));
        std::fs::remove_dir_all(&path).map_err(|source| ClusterError::Folder { path, source })
    }

    /// Wait until a host's agent ends by itself; the end of what it said.
    pub fn last_words_of_agent(&mut self, host: u8) -> Result<String, ClusterError> {
        let name = agent_name(host);
        let mut agent = self.agents.remove(&host);
        let ended = wait(PATIENCE, || agent.as_mut().is_none_or(Program::has_ended));
        self.must(ended, "the agent to end", &name)?;
        Ok(self.last_lines(&name))
    }

    /// The program that is the server.
    pub fn server(&self) -> Option<&Program> {
        self.server.as_ref()
    }

    /// The program that is a host's agent.
    pub fn agent(&self, host: u8) -> Option<&Program> {
        self.agents.get(&host)
    }

    /// A new registration token.
    pub fn make_token(&self) -> Result<String, ClusterError> {
        let done = self.run(&self.folder, &["token", "create"])?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let token = text.split_whitespace().last().unwrap_or_default();
        match token {
            "" => Err(self.silent("a registration token", "server")),
            token => Ok(token.to_owned()),
        }
    }

    /// Wait until every host whose agent runs is active.
    pub fn wait_for_hosts(&mut self) -> Result<(), ClusterError> {
        let wanted = self.agents.len();
        let mut ended = None;
        let ready = wait(PATIENCE, || {
            ended = self.agents.iter_mut().find_map(|(host, a)| a.has_ended().then_some(*host));
            ended.is_some() || self.hosts_ready() == wanted
        });
        let what = format!("{wanted} hosts to be active");
        match ended {
            Some(host) => Err(self.silent(&what, &agent_name(host))),
            None => self.must(ready, &what, "server"),
        }
    }

    /// How many hosts are active and have their agents with the server.
    pub fn hosts_ready(&self) -> usize {
        let hosts = self.api().list("/v2-beta/hosts").unwrap_or_default();
        hosts.iter().filter(|h| h["state"] == "active" && h["agentState"] == "active").count()
    }

    /// Where the server's API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The admin's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The API, with the admin's key.
    pub fn api(&self) -> Api {
        Api::new(self.address(), self.key.clone())
    }

    /// A host's engine.
    pub fn engine(&self, host: u8) -> Engine {
        Engine::at(&Testbed::socket(self.bed.bed, host))
    }

    /// Numbers of the hosts.
    pub fn host_numbers(&self) -> Vec<u8> {
        self.bed.hosts.iter().map(|h| h.number).collect()
    }

    /// A port of a host.
    pub fn port(&self, host: u8, port: u16) -> SocketAddr {
        let address = self.bed.hosts.iter().find(|h| h.number == host).map(|h| h.address);
        SocketAddr::from((address.unwrap_or(self.bed.server), port))
    }

    /// Every container on the hosts that are on, with its host.
    pub fn containers(&self) -> Result<Vec<(u8, Container)>, ClusterError> {
        let mut all = Vec::new();
        for host in self.host_numbers() {
            let found = self.engine(host).containers()?.into_iter();
            all.extend(found.map(|container| (host, container)));
        }
        Ok(all)
    }

    /// The command line with this server's URL and key, in a folder.
    pub fn command(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(&self.drover);
        command.args(words).current_dir(folder).stdin(Stdio::null());
        command.env("DROVER_URL", self.url());
        command.env("DROVER_ACCESS_KEY", &self.key.access);
        command.env("DROVER_SECRET_KEY", &self.key.secret);
        command
    }

    /// Run the command line to its end, whatever its status.
    pub fn run(&self, folder: &Path, words: &[&str]) -> Result<Output, ClusterError> {
        let mut command = self.command(folder, words);
        command.output().map_err(|source| ClusterError::Start { what: "drover".to_owned(), source })
    }

    /// A service, by stack and name.
    pub fn service(&self, stack: &str, name: &str) -> Result<Value, ClusterError> {
        let stacks = self.api().list(&format!("/v2-beta/stacks?name={stack}"))?;
        let id = stacks.first().and_then(|s| s["id"].as_str()).unwrap_or("none").to_owned();
        let found = self.api().list(&format!("/v2-beta/services?stackId={id}&name={name}"))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Wait until a service's API object is as wanted; the last one seen either way.
    pub fn wait_for_service(
        &self,
        stack: &str,
        name: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value, ClusterError> {
        let mut last = Value::Null;
        let so = wait(PATIENCE, || {
            last = self.service(stack, name).unwrap_or_default();
            is_so(&last)
        });
        self.must(so, &format!("service {name}, which is {last}"), "server").map(|()| last)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((self.bed.server, PORT))
    }

    fn log(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.log"))
    }

    fn start_agent_with(&mut self, host: u8, more: &[&str]) -> Result<(), ClusterError> {
        let name = agent_name(host);
        let socket = Testbed::socket(self.bed.bed, host);
        let mut command = self.bed.command(host, &self.agent_program)?;
        command.arg("agent").arg("--server").arg(self.url());
        command.arg("--state-dir").arg(self.folder.join(&name));
        command.arg("--docker").arg(format!("unix://{}", socket.display())).args(more);
        command.env(PART_VARIABLE, self.bed.bed.to_string());
        let agent = Program::start(&name, &command, &self.log(&name))?;
        self.agents.insert(host, agent);
        Ok(())
    }

    /// The key that the server prints once, at its first start.
    fn read_key(&self) -> Result<Key, ClusterError> {
        let mut key = None;
        let printed = wait(PATIENCE, || {
            let log = std::fs::read_to_string(self.log("server")).unwrap_or_default();
            key = printed_key(&log);
            key.is_some()
        });
        self.must(printed, "the server to print its first key", "server")?;
        key.ok_or_else(|| self.silent("a key", "server"))
    }

    fn must(&self, so: bool, what: &str, of: &str) -> Result<(), ClusterError> {
        if so { Ok(()) } else { Err(self.silent(what, of)) }
    }

    fn silent(&self, what: &str, of: &str) -> ClusterError {
        let said = self.last_lines(of);
        ClusterError::Waited { what: what.to_owned(), of: of.to_owned(), said }
    }

    fn last_lines(&self, of: &str) -> String {
        let log = std::fs::read_to_string(self.log(of)).unwrap_or_default();
        crate::command::last_lines(&log, 20)
    }
}

fn agent_name(host: u8) -> String {
    format!("agent{host}")
}

/// Empty the engines and the folder of what an earlier cluster left.
fn remove_leftovers(bed: &Testbed, folder: &Path) -> Result<(), ClusterError> {
    for host in &bed.hosts {
        let engine = Engine::at(&host.socket);
        for container in engine.containers()? {
            engine.remove(&container.id)?;
        }
        engine.remove_volumes()?;
    }
    let failed = |source| ClusterError::Folder { path: folder.to_owned(), source };
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)
}

/// The key in what a server printed at its first start.
pub fn printed_key(log: &str) -> Option<Key> {
    let after = |label: &str| {
        let rest = &log[log.find(label)? + label.len()..];
        let word = rest.trim_start_matches([' ', '=', ':']).split_whitespace().next()?;
        Some(word.trim_matches(['"', '\'']).to_owned())
    };
    Some(Key { access: after("DROVER_ACCESS_KEY")?, secret: after("DROVER_SECRET_KEY")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_read_from_the_servers_output() {
        let log = "hello\n  export DROVER_ACCESS_KEY=ABC\n  export DROVER_SECRET_KEY=xyz\n";
        let key = Key { access: "ABC".to_owned(), secret: "xyz".to_owned() };
        assert_eq!(printed_key(log), Some(key));
        assert_eq!(printed_key("hello"), None);
    }
}
