//! Drover, by its command line, and where its time goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::contender::{Contender, Run};
use super::pinned::processor_time_s;
use super::stage::IMAGE;
use super::{BenchError, io};
use crate::cluster::Cluster;

/// Drover.
pub(super) struct Drover<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
    /// Processor time of server and agents when the last deployment began, seconds.
    busy_before_s: f64,
    /// What can be told of each deployment so far.
    pub(super) looks: Vec<Look>,
}

/// A deployment, from inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The planner began to decide on it.
    pub(super) planned_at: SystemTime,
    /// Processor time that server and agents took for it, seconds: the part of the machine that the engines didn't get.
    pub(super) busy_s: f64,
}

impl<'a> Drover<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(io("make a folder for compose files"))?;
        Ok(Self { cluster, folder, busy_before_s: 0.0, looks: Vec::new() })
    }

    fn run(&self, line: &str) -> Result<(), BenchError> {
        let words: Vec<&str> = line.split(' ').collect();
        let done = self.cluster.run(self.folder.path(), &words)?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(BenchError::Stuck { who: "Drover", what: format!("`drover {line}` failed: {said}") })
    }
}

impl Drover<'_> {
    /// Processor time of server and agents since they began, seconds.
    fn busy_s(&self) -> f64 {
        let hosts = self.cluster.host_numbers().into_iter();
        let agents = hosts.filter_map(|host| self.cluster.agent(host));
        agents.chain(self.cluster.server()).filter_map(processor_time_s).sum()
    }
}

impl Contender for Drover<'_> {
    fn name(&self) -> &'static str {
        "Drover"
    }

    fn deploy(&mut self, count: usize) -> Result<(), BenchError> {
        let write = |name: &str, text: String| {
            std::fs::write(self.folder.path().join(name), text).map_err(io(format!("write {name}")))
        };
        write("docker-compose.yml", format!("sleep:\n  image: {IMAGE}\n"))?;
        write("rancher-compose.yml", format!("sleep:\n  scale: {count}\n"))?;
        self.busy_before_s = self.busy_s();
        self.run("-p bench up -d")
    }

    fn look_back(&mut self, _: &Run) -> Result<(), BenchError> {
        let containers = self.cluster.api().list("/v2-beta/containers?sort=createdTS&limit=1")?;
        let planned_ms = containers.first().and_then(|c| c["createdTS"].as_u64());
        let planned_at = UNIX_EPOCH + Duration::from_millis(planned_ms.unwrap_or_default());
        self.looks.push(Look { planned_at, busy_s: self.busy_s() - self.busy_before_s });
        Ok(())
    }

    fn remove(&mut self) -> Result<(), BenchError> {
        self.run("-p bench rm --force")
    }
}

/// Everything Docker knows of one container of a deployment of one.
pub(super) fn specimen(drover: &mut Drover<'_>) -> Result<Value, BenchError> {
    drover.deploy(1)?;
    let missing = || BenchError::Stuck { who: "Drover", what: "no container was made".to_owned() };
    let containers = drover.cluster.containers()?;
    let (host, model) =
        containers.iter().find(|(_, c)| c.image.starts_with(IMAGE)).ok_or_else(missing)?;
    let inspected = drover.cluster.engine(*host).inspect(&model.id)?;
    drover.remove()?;
    Ok(inspected)
}
