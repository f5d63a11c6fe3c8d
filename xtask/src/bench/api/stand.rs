//! The cluster that is measured: a server with a store as users have it, projects, and simulated hosts, one process of them
//! for each project.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use crate::bench::{BenchError, io};
use crate::cluster::Program;
use crate::simulated::{Hosts, Solo};
use crate::wait::wait_looking;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);
/// Hosts' addresses, in the range that is set aside for measurements.
const ADDRESSES: u32 = 0xc612_0001;

/// The cluster.
pub(super) struct Stand {
    /// The server.
    pub(super) solo: Solo,
    /// Ids of projects.
    pub(super) projects: Vec<String>,
    /// The processes of the hosts.
    pub(super) hosts: Vec<Program>,
    /// What the hosts keep, each on a disk of its own if they were machines: so it is in memory, where that can be had.
    states: TempDir,
}

/// Where files are in memory.
const MEMORY: &str = "/dev/shm";

impl Stand {
    /// A server with so many projects.
    pub(super) fn start(program: &Path, home: &Path, projects: u32) -> Result<Self, BenchError> {
        let solo = Solo::start(program, home)?;
        let api = solo.api();
        let first = api.list("/v2-beta/projects")?;
        let mut ids: Vec<String> = first.iter().map(|project| text(&project["id"])).collect();
        for number in 2..=projects {
            let made = api.post("/v2-beta/projects", &json!({ "name": format!("p{number}") }))?;
            ids.push(text(&made["id"]));
        }
        let memory = Path::new(MEMORY);
        let states =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let states = states.map_err(io("make a folder for the hosts"))?;
        Ok(Self { solo, projects: ids, hosts: Vec::new(), states })
    }

    /// Add hosts, as many to each project; the seconds until all are connected.
    pub(super) fn add_hosts(&mut self, count: u32, patience_s: u64) -> Result<f64, BenchError> {
        let began = Instant::now();
        let projects = u32::try_from(self.projects.len()).unwrap_or(1);
        let mut before = 0;
        for (number, project) in (1..).zip(&self.projects) {
            let upto = count * number / projects;
            let token = self.solo.make_token(project)?;
            let [name, prefix] = [format!("hosts-{number}"), format!("p{number}")];
            let address = std::net::Ipv4Addr::from(ADDRESSES + before).to_string();
            let more = ["--hostname", &prefix, "--address", &address, "--simulate-start-ms", "100"];
            let state = self.states.path().join(&name);
            let hosts = Hosts { count: upto - before, name: &name, state: &state, more: &more };
            self.hosts.push(self.solo.start_hosts(&token, hosts)?);
            before = upto;
        }
        let connected = || self.count("/v2-beta/hosts?state=active&agentState=active");
        Self::wait_for("hosts", u64::from(count), patience_s, connected)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// A client with the administrator's key.
    pub(super) fn client(&self) -> Client {
        Client::new(self.solo.address, &self.solo.key)
    }

    /// How many members a collection has.
    pub(super) fn count(&self, path: &str) -> u64 {
        let page = self.solo.api().get(&format!("{path}&limit=1"));
        page.ok().and_then(|page| page["pagination"]["total"].as_u64()).unwrap_or_default()
    }

    /// Wait until there are as many as there shall be; how far it is, is printed.
    pub(super) fn wait_for(
        what: &'static str,
        count: u64,
        patience_s: u64,
        so_far: impl Fn() -> u64,
    ) -> Result<(), BenchError> {
        let (began, mut now) = (Instant::now(), 0);
        let there = wait_looking(Duration::from_secs(patience_s), LOOK, || {
            now = so_far();
            eprint!("\r{what}: {now} of {count}, {:.0} s  ", began.elapsed().as_secs_f64());
            now >= count
        });
        eprintln!();
        let what = format!("{now} of {count} {what} are there after {patience_s} s");
        if there { Ok(()) } else { Err(BenchError::Stuck { who: "the cluster", what }) }
    }

    /// Connections of agents that ended, by the server's log.
    pub(super) fn connections_lost(&self) -> usize {
        self.solo.said("server").matches("the connection to an agent ended").count()
    }
}

/// A member that is text.
pub(super) fn text(member: &serde_json::Value) -> String {
    member.as_str().unwrap_or_default().to_owned()
}
